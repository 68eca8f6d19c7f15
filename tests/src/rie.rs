//! The runtime interface emulator: what `sam local invoke` runs inside its container, without the container.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::function::{bootstrap, lambda_environment};
use crate::http::{patiently, post};

/// How long the emulator may take to listen, or to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// A function inside the emulator. Both end when this value is dropped.
pub struct Rie {
    emulator: Child,
    address: SocketAddr,
    /// Reads what the emulator and the function print, until both have ended.
    output: Option<JoinHandle<String>>,
}

impl Rie {
    /// Starts the emulator that the environment variable `AWS_LAMBDA_RIE` names, with the function's binary.
    ///
    /// # Panics
    /// When either of them is missing.
    #[must_use]
    pub fn start(name: &str, env: &[(&str, &str)]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a variable names the emulator")]
        let emulator = std::env::var("AWS_LAMBDA_RIE").map(PathBuf::from);
        let emulator = emulator.expect("AWS_LAMBDA_RIE names the emulator: `make test` sets it");
        let bootstrap = bootstrap(name);
        assert!(bootstrap.is_file(), "{} is not there: run `make build` first", bootstrap.display());
        // The emulator takes no port 0. Another process may take a port in the meantime: it then ends,
        // and `invoke` says so.
        let [address, runtime_api] = free_addresses();
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let emulator = Command::new(&emulator)
            .args(["--runtime-interface-emulator-address", &address.to_string()])
            .args(["--runtime-api-address", &runtime_api.to_string()])
            .arg(&bootstrap)
            .env_clear()
            .envs(lambda_environment(name))
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "15")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a second handle of the pipe"))
            .stderr(writer)
            // A group of its own, so that the function inside ends together with the emulator.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", emulator.display()));
        let output = std::thread::spawn(move || {
            let mut output = Vec::new();
            reader.read_to_end(&mut output).expect("what the emulator printed");
            String::from_utf8_lossy(&output).into_owned()
        });
        Self { emulator, address, output: Some(output) }
    }

    /// Ends the emulator alone, as `sam local invoke` ends its container, and returns all output.
    ///
    /// # Panics
    /// When the function doesn't end by itself within twenty seconds.
    pub async fn end(mut self) -> String {
        self.emulator.kill().expect("the emulator is a child of this process");
        let output = self.output.take().expect("only `end` takes it");
        let output = tokio::task::spawn_blocking(|| output.join().expect("the reader doesn't panic"));
        patiently("the function", LIMIT, output).await.expect("the reader doesn't panic")
    }

    /// Posts an event and returns the body of the answer. The emulator answers 200 to function errors, too:
    /// the body then has an `errorMessage`.
    ///
    /// # Panics
    /// When the emulator does not answer within twenty seconds.
    pub async fn invoke(&mut self, event: &[u8]) -> Vec<u8> {
        let answer = async {
            loop {
                match post(self.address, "/2015-03-31/functions/function/invocations", &[], event).await {
                    Ok(response) => return response.body,
                    // It does not report when it has begun to listen.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                        let ended = self.emulator.try_wait().ok().flatten();
                        assert!(ended.is_none(), "the emulator ended: {ended:?}");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(error) => panic!("the emulator did not respond: {error}"),
                }
            }
        };
        patiently("the runtime interface emulator", LIMIT, answer).await
    }
}

impl Drop for Rie {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = killpg(Pid::from_raw(self.emulator.id().cast_signed()), Signal::SIGKILL);
        let _ = self.emulator.wait();
    }
}

/// Two ports that were free a moment ago.
pub(crate) fn free_addresses() -> [SocketAddr; 2] {
    // Both are held at the same time, or they could be the same.
    let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port of 127.0.0.1"));
    listeners.map(|listener| listener.local_addr().expect("the address of a bound listener"))
}
