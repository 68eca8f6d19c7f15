//! Runs a function and counts the system calls that it makes for each event.
//!
//! `count-system-calls FILE PROGRAM` writes one line of JSON to the file each time the program asks the Lambda Runtime
//! API for its next event: how often it made each system call since the request before. So the first line is the
//! start, and every further line is one event.
//!
//! Two things depend on timing and not on the program, so they are not counted: waiting (`epoll_wait` and its
//! variants), and calls that found nothing to do (`EAGAIN`). What is left is the same in every run.
//!
//! A program of its own, because a traced process stops for the thread that traces it and for no other.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program for the tests: a panic is how it fails, and the test shows it"
)]

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The first argument of the copy of this program that becomes the function.
const TRACED: &str = "--traced";

/// How a request for the next event begins.
const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next().expect("a file");
    let program = arguments.next().expect("a program");
    if first == TRACED { become_traced(&program) } else { trace(&first, &program) }
}

/// Lets the parent trace this process, and replaces it by the program.
fn become_traced(program: &OsString) -> ExitCode {
    ptrace::traceme().expect("the system lets a process be traced by its parent");
    panic!("cannot start {}: {}", program.display(), Command::new(program).exec());
}

#[expect(clippy::zombie_processes, reason = "`waitpid` below waits for it")]
fn trace(output: &OsString, program: &OsString) -> ExitCode {
    let mut output = File::create(output).expect("a file that can be written");
    let this = std::env::current_exe().expect("the path of this program");
    let child = Command::new(this).arg(TRACED).arg(program).spawn().expect("this program starts again");
    let child = Pid::from_raw(child.id().cast_signed());
    // It stops once when the program has been loaded.
    let loaded = waitpid(child, None).expect("a child");
    assert!(matches!(loaded, WaitStatus::Stopped(_, Signal::SIGTRAP)), "{loaded:?}");
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(child, options).expect("a traced child");
    let memory = File::open(format!("/proc/{child}/mem")).expect("the memory of a traced child");
    // The system calls that have begun, by their threads: stops at beginnings and ends alternate.
    let mut inside = HashMap::new();
    let mut counts = BTreeMap::new();
    resume(child, None);
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)).expect("a child") {
            WaitStatus::PtraceSyscall(thread) => {
                // A thread may end between its stop and this question.
                if let Ok(call) = SystemCall::of(thread) {
                    match inside.remove(&thread) {
                        None => {
                            if call.asks_for_next_event(&memory) {
                                write_line(&mut output, &mut counts);
                            }
                            inside.insert(thread, call.number);
                        }
                        Some(number) if !waits(number) && call.result != -i64::from(libc::EAGAIN) => {
                            *counts.entry(number).or_default() += 1;
                        }
                        Some(_) => {}
                    }
                }
                resume(thread, None);
            }
            // A new thread begins with SIGSTOP.
            WaitStatus::PtraceEvent(thread, ..) | WaitStatus::Stopped(thread, Signal::SIGSTOP) => {
                resume(thread, None);
            }
            WaitStatus::Stopped(thread, signal) => resume(thread, Some(signal)),
            WaitStatus::Exited(process, code) if process == child => {
                return ExitCode::from(u8::try_from(code).unwrap_or(1));
            }
            WaitStatus::Signaled(process, ..) if process == child => return ExitCode::FAILURE,
            _ => {}
        }
    }
}

fn resume(thread: Pid, signal: Option<Signal>) {
    match ptrace::syscall(thread, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("a stopped thread goes on: {error}"),
    }
}

fn write_line(output: &mut File, counts: &mut BTreeMap<i64, u32>) {
    let counts = std::mem::take(counts).into_iter().map(|(number, count)| (name(number), count.into()));
    let line = serde_json::Value::Object(counts.collect());
    output.write_all(format!("{line}\n").as_bytes()).expect("room for a line");
}

/// A system call at its beginning or its end.
struct SystemCall {
    number: i64,
    arguments: [u64; 3],
    result: i64,
}

impl SystemCall {
    #[cfg(target_arch = "x86_64")]
    fn of(thread: Pid) -> nix::Result<Self> {
        let registers = ptrace::getregs(thread)?;
        Ok(Self {
            number: registers.orig_rax.cast_signed(),
            arguments: [registers.rdi, registers.rsi, registers.rdx],
            result: registers.rax.cast_signed(),
        })
    }

    #[cfg(target_arch = "aarch64")]
    fn of(thread: Pid) -> nix::Result<Self> {
        let [first, second, third, .., number] =
            *ptrace::getregs(thread)?.regs.first_chunk::<9>().expect("31");
        Ok(Self {
            number: number.cast_signed(),
            arguments: [first, second, third],
            result: first.cast_signed(),
        })
    }

    fn asks_for_next_event(&self, memory: &File) -> bool {
        let [_, pointer, _] = self.arguments;
        let start = match self.number {
            libc::SYS_write | libc::SYS_sendto => pointer,
            // The address of the first part.
            libc::SYS_writev => {
                let mut bytes = [0; 8];
                if memory.read_exact_at(&mut bytes, pointer).is_err() {
                    return false;
                }
                u64::from_ne_bytes(bytes)
            }
            _ => return false,
        };
        let mut bytes = [0; NEXT.len()];
        memory.read_exact_at(&mut bytes, start).is_ok() && bytes == NEXT
    }
}

fn waits(number: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if number == libc::SYS_epoll_wait {
        return true;
    }
    [libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2].contains(&number)
}

fn name(number: i64) -> String {
    let name = match number {
        libc::SYS_read => "read",
        libc::SYS_readv => "readv",
        libc::SYS_recvfrom => "recvfrom",
        libc::SYS_recvmsg => "recvmsg",
        libc::SYS_write => "write",
        libc::SYS_writev => "writev",
        libc::SYS_sendto => "sendto",
        libc::SYS_sendmsg => "sendmsg",
        libc::SYS_socket => "socket",
        libc::SYS_connect => "connect",
        libc::SYS_close => "close",
        libc::SYS_epoll_ctl => "epoll_ctl",
        libc::SYS_futex => "futex",
        libc::SYS_getrandom => "getrandom",
        libc::SYS_mmap => "mmap",
        libc::SYS_munmap => "munmap",
        libc::SYS_mremap => "mremap",
        libc::SYS_madvise => "madvise",
        libc::SYS_brk => "brk",
        libc::SYS_clone3 => "clone3",
        libc::SYS_openat => "openat",
        _ => return format!("system call {number}"),
    };
    name.to_owned()
}
