//! The operator's tool, run as an operator runs it, in an environment of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinHandle;

use crate::function::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};

/// What the tool printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
}

/// The tool at work.
pub struct Running {
    pid: Pid,
    output: JoinHandle<std::io::Result<std::process::Output>>,
}

/// Region and credentials, which the mocks check.
#[must_use]
pub fn credentials() -> Vec<(&'static str, &'static str)> {
    vec![
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ]
}

/// Starts the tool with these variables and nothing else that AWS's clients could find.
///
/// It is `CLI_BIN`, else what `make build` put beside the folder of this test's own program.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn start(arguments: &[&str], env: &[(&str, &str)], stdin: &str) -> Running {
    let mut child = command(arguments, env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    // The tool may have closed it unread.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    Running { pid, output }
}

/// Runs a line of a shell in a folder, where `cognito-triggers` is found; what it prints is in `stdout`, all of it in
/// the order in which it was printed.
///
/// # Panics
/// When the tool or `bash` is not there.
pub async fn shell(line: &str, env: &[(&'static str, String)], folder: &Path) -> Output {
    let mut path = binary().parent().expect("a folder").as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(folder)
        .env_clear()
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PATH", path)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || bash.output()).await;
    let output = output.expect("no panic").expect("bash starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Output { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}

/// Runs the tool to its end.
///
/// # Panics
/// When it is not there.
pub async fn run(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    start(arguments, env, "").end().await
}

/// Runs the tool to its end on a terminal of 80 columns, where all that it prints comes together in `stdout`.
///
/// # Panics
/// When it is not there.
pub async fn on_terminal(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).expect("a terminal");
    let mut child = command(arguments, env)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(slave.try_clone().expect("another handle"))
        .stderr(slave)
        .spawn()
        .expect("the tool starts");
    let ended = tokio::task::spawn_blocking(move || {
        let (mut terminal, mut bytes) = (File::from(master), Vec::new());
        // With the last handle of the other side the terminal is gone, which is an error here.
        let _ = terminal.read_to_end(&mut bytes);
        (child.wait().expect("the tool can be waited for"), bytes)
    });
    let (status, bytes) = ended.await.expect("no panic");
    let stdout = String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n");
    Output { stdout, stderr: String::new(), code: status.code() }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When what it printed is not UTF-8.
    pub async fn end(self) -> Output {
        let output = self.output.await.expect("no panic").expect("the tool can be waited for");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Output { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
    }

    /// Ends it at once, and waits until it has ended.
    pub async fn kill(self) -> Output {
        // It may have ended a moment ago.
        let _ = kill(self.pid, Signal::SIGKILL);
        self.end().await
    }
}

/// What Ctrl-C does.
///
/// # Panics
/// If that is no process ID: 0 would mean this test's own process group.
pub fn interrupt(pid: i32) {
    assert!(pid > 1, "a process id");
    // It may have ended a moment ago.
    let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
}

fn command(arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        // Without these the home folder and the metadata of an instance would be looked at.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied());
    command
}

/// Where the tool is.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn binary() -> PathBuf {
    let given = std::env::var_os("CLI_BIN").map(PathBuf::from);
    let binary = given.unwrap_or_else(|| {
        let this = std::env::current_exe().expect("the path of this program");
        this.ancestors().nth(2).expect("target/debug above deps").join("cognito-triggers")
    });
    assert!(binary.is_file(), "{} is not there: run `make build` first", binary.display());
    binary
}
