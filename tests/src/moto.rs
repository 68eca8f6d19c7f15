//! moto, an emulator of AWS that is independent of this project. Tests compare a mock with it.
//!
//! `make tools` installs it into `.tools/`. <https://docs.getmoto.org/en/latest/docs/server_mode.html>

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::http::patiently;
use crate::rie::free_addresses;

/// moto needs about four seconds, more while the machine compiles.
const START_LIMIT: Duration = Duration::from_mins(1);

/// moto on a port of 127.0.0.1. It ends when it is dropped.
pub struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// If it isn't installed, or doesn't listen in time.
    pub async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(".tools/venv/bin/moto_server");
        let [address, _] = free_addresses();
        let process = Command::new(&program)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("run `make tools`: cannot start {}: {error}", program.display()));
        let mut moto = Self { process, address };
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                let ended = moto.process.try_wait().ok().flatten();
                assert!(ended.is_none(), "moto ended: {ended:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        patiently("moto to listen", START_LIMIT, listens).await;
        moto
    }

    /// The address that it listens on.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
