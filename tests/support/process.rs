//! A program that a test has started.

use std::fs;
use std::iter;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::until;

/// A process that logs to a file. It is killed when it is dropped, and a test that fails prints the
/// end of the log then.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// What was started.
    line: String,
    log: PathBuf,
}

impl Process {
    /// Starts a program that reads nothing, and whose standard error is appended to `log`.
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let line = format!("{:?}", Vec::from_iter(words(command)));
        let errors = fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdin(Stdio::null()).stderr(errors).spawn().unwrap();
        Self { child, line, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        until("the process ends", || self.ended())
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end with SIGTERM and waits for that.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_end()
    }

    /// Sends a signal to a process that has not been waited for.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// The program and its arguments.
fn words(command: &Command) -> impl Iterator<Item = &std::ffi::OsStr> {
    iter::once(command.get_program()).chain(command.get_args())
}

impl Drop for Process {
    #[allow(clippy::print_stderr, reason = "it explains a test that failed")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            eprintln!("the log of {}:\n{}", self.line, last.join("\n"));
        }
    }
}
