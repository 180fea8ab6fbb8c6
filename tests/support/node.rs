//! `ha` as a process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::http::{self, Answer};
use super::network;
use super::process::Process;
use super::until;

/// A node, killed when it is dropped.
#[derive(Debug)]
pub struct Node {
    process: Process,
    args: Vec<String>,
    home: PathBuf,
    /// The network namespace it runs in, if it is not the one of the test.
    namespace: Option<String>,
    pub http: SocketAddr,
    pub pg: SocketAddr,
    /// The URL of its NATS server, if it has one.
    pub nats: Option<String>,
}

impl Node {
    /// Starts `ha` in `home` with free ports and waits until it is ready. Two nodes of a
    /// directory share the files that the arguments name.
    pub fn start(home: &Path, args: &[&str]) -> Self {
        let node = Self::launch(home, args);
        node.wait_ready();
        node
    }

    /// As [`Self::start`], but waits for the ports only.
    pub fn launch(home: &Path, args: &[&str]) -> Self {
        Self::launch_in(None, home, args)
    }

    /// As [`Self::launch`], in a network namespace.
    pub fn launch_in(namespace: Option<String>, home: &Path, args: &[&str]) -> Self {
        let mut all: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let given = |flag: &str| args.contains(&flag);
        if !given("--port") {
            all.extend(["--port", "0"].map(Into::into));
        }
        if !given("--pg-port") {
            all.extend(["--pg-port", "any"].map(Into::into));
        }
        if !["--nats-port", "--nats-config", "--replication-url"].into_iter().any(given) {
            all.extend(["--nats-port", "any"].map(Into::into));
        }
        Self::spawn(namespace, home.to_owned(), all, "replication by")
    }

    /// Starts `ha` with these arguments alone, and waits until it takes connections, whether or
    /// not its log is there.
    pub fn begin(home: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self::spawn(None, home.to_owned(), args, "PostgreSQL on ")
    }

    fn spawn(namespace: Option<String>, home: PathBuf, args: Vec<String>, awaited: &str) -> Self {
        Self::try_spawn(namespace, home, args, awaited).unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// An error with the log of a process that ends instead.
    fn try_spawn(
        namespace: Option<String>,
        home: PathBuf,
        args: Vec<String>,
        awaited: &str,
    ) -> Result<Self, String> {
        let mut process = spawn(namespace.as_deref(), &home, &args).unwrap();
        let lines = until("ha starts", || {
            // Asked first: what it says before its end is in the log then.
            let ended = process.ended();
            let text = process.log();
            if let Some(ended) = ended {
                return Some(Err(format!("ha {args:?} ended with {ended:?}:\n{text}")));
            }
            text.contains(awaited).then_some(Ok(text))
        })?;
        let address = |what: &str| after(&lines, what).map(|text| text.parse().unwrap());
        Ok(Self {
            http: address("HTTP on ").unwrap(),
            pg: address("PostgreSQL on ").unwrap(),
            nats: after(&lines, "embedded NATS at ").map(Into::into),
            process,
            args,
            home,
            namespace,
        })
    }

    /// Starts a process that has ended again, on the same ports and files.
    pub fn again(&mut self) {
        self.restart();
        self.wait_ready();
    }

    /// As [`Self::again`], but waits for the ports only.
    pub fn restart(&mut self) {
        self.respawn("replication by").unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// As [`Self::restart`], but waits until it takes connections only, whether or not its log is
    /// there. An error with the log of a process that ends instead.
    pub fn try_restart(&mut self) -> Result<(), String> {
        self.respawn("PostgreSQL on ")
    }

    /// Another test's process may have been given a port of this one while it was down, and is
    /// waited for.
    fn respawn(&mut self, awaited: &str) -> Result<(), String> {
        *self = until("its ports are free", || {
            let (namespace, home) = (self.namespace.clone(), self.home.clone());
            match Self::try_spawn(namespace, home, self.same_ports(), awaited) {
                Err(log) if log.to_lowercase().contains("address already in use") => None,
                outcome => Some(outcome),
            }
        })?;
        Ok(())
    }

    fn same_ports(&self) -> Vec<String> {
        let ports = [
            ("--port", Some(self.http.port().to_string())),
            ("--pg-port", Some(self.pg.port().to_string())),
            ("--nats-port", self.nats_port().map(Into::into)),
        ];
        let mut args = self.args.clone();
        for (flag, port) in ports {
            let place = args.iter().position(|arg| arg == flag);
            if let (Some(place), Some(port)) = (place, port) {
                args[place + 1] = port;
            }
        }
        args
    }

    /// The port of its NATS server.
    pub fn nats_port(&self) -> Option<&str> {
        self.nats.as_deref().and_then(|url| url.rsplit(':').next())
    }

    /// The URL that a second node joins by.
    pub fn url(&self) -> &str {
        self.nats.as_deref().expect("it has a NATS server")
    }

    pub fn wait_ready(&self) {
        until("the node is ready", || (self.readiness()?.status == 200).then_some(()));
    }

    /// What `/readyz` answers, if anything.
    pub fn readiness(&self) -> Option<Answer> {
        http::send(self.http, "GET", "/readyz", &[], b"").ok()
    }

    /// Waits for a line that contains `text` in the log of this process.
    pub fn wait_log(&self, text: &str) {
        until(&format!("the log says {text:?}"), || self.log().contains(text).then_some(()));
    }

    /// What this process has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Waits until the process ends by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        self.process.wait_end()
    }

    /// Ends the process with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the process to end with SIGTERM and waits for that.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.terminate()
    }

    /// SIGSTOP: from now on the process does nothing, and its connections stay open. What it has
    /// asked of the system is done when this returns.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
        until("all threads are stopped", || self.is_stopped().then_some(()));
    }

    /// Whether all threads are in the state `T` of proc(5).
    fn is_stopped(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        threads.flatten().all(|thread| {
            // One that has just ended has no state.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// The most memory that the process has had resident, in bytes (`VmHWM` of proc(5)).
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Posts a body; an error means that nobody knows what became of it.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> io::Result<Answer> {
        http::send(self.http, "POST", path, &[], body.as_ref())
    }

    pub fn get(&self, path: &str) -> Answer {
        http::send(self.http, "GET", path, &[], b"").unwrap()
    }

    /// Runs one statement over `/v1/query`.
    pub fn query(&self, sql: &str) -> Answer {
        self.post("/v1/query", json!([{ "sql": sql }]).to_string()).unwrap()
    }

    /// Runs statements, all of which must succeed; the rows of the last one.
    pub fn run(&self, statements: &[&str]) -> Vec<Vec<Value>> {
        let body = http::statements(statements, &Value::Null);
        self.post("/v1/query", body).unwrap().rows(statements.len() - 1)
    }

    /// The rows of a SELECT, as JSON text.
    pub fn select(&self, sql: &str) -> String {
        Value::from(self.run(&[sql]).into_iter().map(Value::from).collect::<Vec<_>>()).to_string()
    }

    /// Waits until a SELECT gives these rows.
    pub fn wait_rows(&self, sql: &str, rows: &Value) {
        until(&format!("{sql} gives {rows}"), || {
            let answer = self.query(sql);
            (answer.status == 200 && answer.json()["results"][0]["rows"] == *rows).then_some(())
        });
    }

    /// The position that the node has reached.
    pub fn position(&self) -> String {
        self.readiness().unwrap().json()["position"].as_str().unwrap().to_owned()
    }
}

/// Runs `ha` until it ends by itself; its exit code, standard output and standard error.
pub fn run_to_end(home: &Path, args: &[&str]) -> (i32, String, String) {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let printed = super::home();
    let [out, err] = ["out", "err"].map(|name| printed.path().join(name));
    let mut command = command(None, home, &args);
    let mut process = Process::start(command.stdout(fs::File::create(&out).unwrap()), err);
    let code = process.wait_end().code().unwrap();
    (code, fs::read_to_string(out).unwrap(), process.log())
}

/// `ha`, in a directory that is its temporary directory as well, without the environment's
/// settings.
fn command(namespace: Option<&str>, home: &Path, args: &[String]) -> Command {
    let ha = env!("CARGO_BIN_EXE_ha");
    let mut command = namespace.map_or_else(|| Command::new(ha), |name| network::inside(name, ha));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HA_"))
    {
        command.env_remove(name);
    }
    command.args(args).current_dir(home).env("TMPDIR", home);
    command
}

fn spawn(namespace: Option<&str>, home: &Path, args: &[String]) -> io::Result<Process> {
    let (_, log) = tempfile::Builder::new().prefix("log-").tempfile_in(home)?.keep()?;
    Ok(Process::start(command(namespace, home, args).stdout(Stdio::null()), log))
}

fn after<'a>(lines: &'a str, what: &str) -> Option<&'a str> {
    lines.split_once(what).and_then(|(_, rest)| rest.lines().next())
}
