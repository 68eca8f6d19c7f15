//! A function's real binary, run as Lambda runs it: a clean environment and the Runtime API.
//!
//! The protocol: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. The environment:
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>, reserved variables.

use std::fmt;
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::http::{Handler, Request, Response, ResponseAction, Server, patiently};

/// The time a function has for an event unless a test sets another; Cognito waits no longer for its
/// synchronous triggers.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// Longer than any function here needs to start, and as long as Lambda waits for the init phase.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How long a function may go on working after it has answered, before [`Function::stop`] ends it anyway.
const AFTERMATH_LIMIT: Duration = Duration::from_secs(2);

/// The region in the environment of every function.
pub const REGION: &str = "eu-central-1";

/// The access key in the environment of every function; the mocks check signatures made with it.
pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";

/// The secret that belongs to [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A running function. It ends, by its process id, when this value is dropped.
pub struct Function {
    name: String,
    process: Process,
    api: Arc<RuntimeApi>,
    events: mpsc::UnboundedSender<Event>,
    ended: tokio::sync::Mutex<mpsc::UnboundedReceiver<EndedInvocation>>,
    stdout: File,
    stderr: File,
    started: Instant,
    _server: Server,
}

/// How the init phase ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// The function asked for its first event.
    Ready,
    /// The function posted an init error.
    Failed {
        /// `errorType` of the report.
        error_type: String,
        /// `errorMessage` of the report.
        error_message: String,
    },
    /// The process ended without either.
    Exited(ExitStatus),
}

/// How an invocation ended.
#[derive(Clone, PartialEq)]
pub enum Invocation {
    /// The function's answer.
    Ok(Vec<u8>),
    /// The function reported an error.
    Err {
        /// `errorType` of the report.
        error_type: String,
        /// `errorMessage` of the report: for a synchronous trigger Cognito shows it to the end user.
        error_message: String,
        /// The report as it was posted.
        raw: Vec<u8>,
    },
    /// The process ended before it answered.
    Exited(ExitStatus),
    /// The deadline passed, and the process was ended, as Lambda does.
    TimedOut,
}

impl Invocation {
    /// The answer as JSON.
    ///
    /// # Panics
    /// If the invocation failed, or the answer is not JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match self {
            Self::Ok(body) => serde_json::from_slice(body).expect("the function's answer is JSON"),
            other => panic!("the function did not answer: {other:?}"),
        }
    }

    /// The error message.
    ///
    /// # Panics
    /// When the invocation ended in any other way.
    #[must_use]
    #[track_caller]
    pub fn error_message(&self) -> &str {
        match self {
            Self::Err { error_message, .. } => error_message,
            other => panic!("the function reported no error: {other:?}"),
        }
    }
}

impl fmt::Debug for Invocation {
    /// Shows bodies as text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok(body) => f.debug_tuple("Ok").field(&String::from_utf8_lossy(body)).finish(),
            Self::Err { raw, .. } => f.debug_tuple("Err").field(&String::from_utf8_lossy(raw)).finish(),
            Self::Exited(status) => f.debug_tuple("Exited").field(status).finish(),
            Self::TimedOut => f.write_str("TimedOut"),
        }
    }
}

/// What a function left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// How the process ended: by signal 9, unless it ended by itself before.
    pub status: ExitStatus,
}

impl Function {
    /// Starts the binary that `make build` made, with these variables besides Lambda's own.
    ///
    /// The folder is `FUNCTIONS_DIR`, or `target/lambda` of the workspace; the binary `<name>/bootstrap` in it.
    ///
    /// # Panics
    /// When there is no such binary.
    #[must_use]
    pub fn start(name: &str, env: &[(&str, &str)]) -> Self {
        let bootstrap = bootstrap(name);
        assert!(bootstrap.is_file(), "{} is not there: run `make build` first", bootstrap.display());
        Self::start_command(name, Command::new(bootstrap), env)
    }

    /// Starts any command as if it were a function.
    ///
    /// # Panics
    /// When the command cannot be started.
    #[must_use]
    pub fn start_command(name: &str, mut command: Command, env: &[(&str, &str)]) -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi {
            name: name.to_owned(),
            queue: tokio::sync::Mutex::new(queue),
            current: Mutex::default(),
            ended: ended_sender,
            polls: watch::Sender::new(0),
            init_error: watch::Sender::new(None),
        });
        let server = Server::start(Arc::clone(&api), None);
        let stdout = tempfile::tempfile().expect("a temporary file");
        let stderr = tempfile::tempfile().expect("a temporary file");
        command
            .env_clear()
            .envs(lambda_environment(name))
            .env("AWS_LAMBDA_RUNTIME_API", server.address().to_string())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            // Files instead of pipes: what was written is there at once, and no task has to drain them.
            .stdout(stdout.try_clone().expect("another handle of a file"))
            .stderr(stderr.try_clone().expect("another handle of a file"));
        let started = Instant::now();
        let process = Process::spawn(name, command);
        Self {
            name: name.to_owned(),
            process,
            api,
            events,
            ended: tokio::sync::Mutex::new(ended),
            stdout,
            stderr,
            started,
            _server: server,
        }
    }

    /// Waits until the function asks for its first event, reports an init error, or ends.
    ///
    /// # Panics
    /// When nothing of that happens within ten seconds, Lambda's own limit.
    pub async fn init_outcome(&self) -> Init {
        let mut polls = self.api.polls.subscribe();
        let mut init_error = self.api.init_error.subscribe();
        let outcome = async {
            tokio::select! {
                biased;
                Ok(report) = init_error.wait_for(Option::is_some) => {
                    let (error_type, error_message) = report_fields(report.as_deref().unwrap_or_default());
                    Init::Failed { error_type, error_message }
                }
                Ok(_) = polls.wait_for(|polls| *polls > 0) => Init::Ready,
                status = self.process.exited() => Init::Exited(status),
            }
        };
        patiently(&format!("{} to start; it printed {}", self.name, self.stderr()), INIT_LIMIT, outcome).await
    }

    /// Hands over an event and waits for the answer, for as long as [`DEFAULT_DEADLINE`].
    pub async fn invoke(&self, event: impl Into<Vec<u8>>) -> Invocation {
        self.invoke_within(DEFAULT_DEADLINE, event).await
    }

    /// Hands over an event that has to be answered within that time; past it, the process is ended.
    ///
    /// Events are handed over one after another, as an execution environment gets them. The time to start is
    /// not part of the deadline.
    pub async fn invoke_within(&self, deadline: Duration, event: impl Into<Vec<u8>>) -> Invocation {
        self.timed_invoke(deadline, event).await.0
    }

    /// The same, and how long it took from handing over the event to the end of the answer.
    pub async fn timed_invoke(
        &self,
        deadline: Duration,
        event: impl Into<Vec<u8>>,
    ) -> (Invocation, Duration) {
        let mut ended = self.ended.lock().await;
        if let Init::Exited(status) = self.init_outcome().await {
            return (Invocation::Exited(status), Duration::ZERO);
        }
        // A harness that was closed has no process to answer either: the exit below reports it.
        let _ = self.events.send(Event { body: event.into(), deadline });
        tokio::select! {
            biased;
            Some(outcome) = ended.recv() => (outcome.invocation, outcome.took),
            status = self.process.exited() => (Invocation::Exited(status), Duration::ZERO),
            () = tokio::time::sleep(deadline) => {
                self.process.kill();
                (Invocation::TimedOut, deadline)
            }
        }
    }

    /// Waits until the function has asked for its next event, and so has done all that follows an answer.
    pub async fn idle(&self) {
        let answered = self.api.current.lock().expect("no holder panics").number;
        let mut polls = self.api.polls.subscribe();
        let next_poll = async {
            tokio::select! {
                _ = polls.wait_for(|polls| *polls > answered) => {}
                _ = self.process.exited() => {}
            }
        };
        patiently("the next poll", DEFAULT_DEADLINE, next_poll).await;
    }

    /// Ends the process with SIGKILL, whatever it is doing, and waits until it has ended.
    ///
    /// An invocation under way ends with [`Invocation::Exited`].
    pub async fn kill(&self) -> ExitStatus {
        self.process.kill();
        self.process.exited().await
    }

    /// Ends the process, by then waiting for an event or not, and returns all that it printed.
    pub async fn stop(self) -> Output {
        // Log lines may follow an answer; a function that hangs is ended without them.
        let _ = tokio::time::timeout(AFTERMATH_LIMIT, self.idle()).await;
        let status = self.kill().await;
        Output { stdout: self.stdout(), stderr: self.stderr(), status }
    }

    /// What the function printed to its standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What the function printed to its standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The lines of both outputs so far, standard output first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        (self.stdout() + &self.stderr()).lines().map(str::to_owned).collect()
    }

    /// The time since the process was started, in wall time.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The CPU time of the process so far, user and system, of all its threads, ended ones too, in nanoseconds'
    /// resolution.
    ///
    /// # Panics
    /// When the process has ended.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        let clock = ClockId::pid_cpu_clock_id(self.process.pid).expect("the process is alive");
        clock_gettime(clock).expect("the process is alive").into()
    }

    /// The most memory that was resident at once so far, in bytes (`VmHWM`).
    ///
    /// # Panics
    /// When the process has ended.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.pid)).expect("a live process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM in the status");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1024
    }
}

/// The path of the binary that `make build` made for a function.
#[must_use]
pub fn bootstrap(name: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a variable names the folder of the functions")]
    let folder = std::env::var("FUNCTIONS_DIR").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("lambda"),
        PathBuf::from,
    );
    folder.join(name).join("bootstrap")
}

/// The reserved variables as Lambda sets them for a function on an OS-only runtime.
pub(crate) fn lambda_environment(name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_SESSION_TOKEN", "a-session-token".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef".to_owned()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
    ]
}

/// A process that is ended when it is dropped. A thread waits for it, so that it leaves no zombie.
struct Process {
    pid: Pid,
    status: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    fn spawn(name: &str, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let pid = Pid::from_raw(child.id().cast_signed());
        let (sender, status) = watch::channel(None);
        std::thread::spawn(move || sender.send(child.wait().ok()));
        Self { pid, status }
    }

    async fn exited(&self) -> ExitStatus {
        let mut status = self.status.clone();
        let status = status.wait_for(Option::is_some).await.expect("the thread that waits tells the status");
        status.expect("it was waited for")
    }

    fn kill(&self) {
        if self.status.borrow().is_none() {
            // It may have ended a moment ago.
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Event {
    body: Vec<u8>,
    deadline: Duration,
}

struct EndedInvocation {
    invocation: Invocation,
    took: Duration,
}

/// The event that the function works on.
#[derive(Default)]
struct Current {
    /// Events handed over so far; the request id is made of it.
    number: u64,
    since: Option<Instant>,
}

struct RuntimeApi {
    name: String,
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    current: Mutex<Current>,
    ended: mpsc::UnboundedSender<EndedInvocation>,
    polls: watch::Sender<u64>,
    init_error: watch::Sender<Option<Vec<u8>>>,
}

impl RuntimeApi {
    async fn next(&self) -> Response {
        self.polls.send_modify(|polls| *polls += 1);
        let Some(event) = self.queue.lock().await.recv().await else {
            return Response::new(410, "text/plain", "the test is over");
        };
        let deadline = SystemTime::now() + event.deadline;
        let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let arn = format!("arn:aws:lambda:{REGION}:123456789012:function:{}", self.name);
        let mut current = self.current.lock().expect("no holder panics");
        current.number += 1;
        current.since = Some(Instant::now());
        Response::new(200, "application/json", event.body)
            .with("Lambda-Runtime-Aws-Request-Id", request_id(current.number))
            .with("Lambda-Runtime-Deadline-Ms", deadline.to_string())
            .with("Lambda-Runtime-Invoked-Function-Arn", arn)
            .with(
                "Lambda-Runtime-Trace-Id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
            )
    }

    fn finish(&self, id: &str, invocation: Invocation) -> Response {
        let mut current = self.current.lock().expect("no holder panics");
        let expected = request_id(current.number);
        match current.since.take_if(|_| id == expected) {
            None => refusal(400, "InvalidRequestID"),
            Some(since) => {
                // No receiver waits after the deadline.
                let _ = self.ended.send(EndedInvocation { invocation, took: since.elapsed() });
                Response::new(202, "application/json", r#"{"status":"OK"}"#)
            }
        }
    }
}

impl Handler for RuntimeApi {
    async fn answer(&self, request: Request) -> ResponseAction {
        let path: Vec<&str> = request.target.trim_start_matches('/').split('/').collect();
        ResponseAction::Send(match (request.method.as_str(), path.as_slice()) {
            ("GET", ["2018-06-01", "runtime", "invocation", "next"]) => self.next().await,
            ("POST", ["2018-06-01", "runtime", "invocation", id, "response"]) => {
                self.finish(id, Invocation::Ok(request.body))
            }
            ("POST", ["2018-06-01", "runtime", "invocation", id, "error"]) => {
                let (error_type, error_message) = report_fields(&request.body);
                self.finish(id, Invocation::Err { error_type, error_message, raw: request.body })
            }
            ("POST", ["2018-06-01", "runtime", "init", "error"]) => {
                self.init_error.send_replace(Some(request.body));
                Response::new(202, "application/json", r#"{"status":"OK"}"#)
            }
            _ => refusal(404, "NoSuchResource"),
        })
    }
}

fn request_id(number: u64) -> String {
    format!("8476a536-e9f4-11e8-9739-{number:012}")
}

fn refusal(status: u16, kind: &str) -> Response {
    Response::new(status, "application/json", format!(r#"{{"errorType":"{kind}","errorMessage":"{kind}"}}"#))
}

fn report_fields(report: &[u8]) -> (String, String) {
    let report: Value = serde_json::from_slice(report).unwrap_or_default();
    let field = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    (field("errorType"), field("errorMessage"))
}

/// Reads from the start, whatever the position that the process writes at.
fn read(file: &File) -> String {
    let whole = || -> Result<String> {
        let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    whole().expect("a temporary file can be read")
}
