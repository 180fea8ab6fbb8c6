//! A node of v0.0.7 as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::contents::Database;
use crate::support::members::ports;
use crate::support::nats::ask_at;
use crate::support::process::Process;
use crate::support::{http, until};

/// A node of v0.0.7, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct GoNode {
    process: Process,
    pub(crate) name: String,
    args: Vec<String>,
    home: PathBuf,
    pub(crate) http: SocketAddr,
    /// Its port for PostgreSQL's clients.
    pub(crate) pg: u16,
    /// The URL of the NATS server that keeps its log.
    pub(crate) nats: String,
}

impl GoNode {
    /// Starts a node with a NATS server of its own, and waits until it serves.
    pub(crate) fn start(home: &Path, name: &str, place: &str) -> Self {
        Self::launch(home, name, place, None)
    }

    /// Starts a node whose log is in the NATS server at `url`.
    pub(crate) fn join(home: &Path, name: &str, place: &str, url: &str) -> Self {
        Self::launch(home, name, place, Some(url))
    }

    /// `place` is a database file, or `-m`. The ports that v0.0.7 is told may be taken meanwhile.
    fn launch(home: &Path, name: &str, place: &str, url: Option<&str>) -> Self {
        until("v0.0.7 starts", || {
            let [http, pg, nats] = ports::<3>();
            let own = format!("nats://127.0.0.1:{nats}");
            let mut args: Vec<String> = vec!["--name".into(), name.into()];
            args.extend(["--port".into(), http.to_string(), "--pg-port".into(), pg.to_string()]);
            args.extend(match url {
                Some(url) => {
                    ["--nats-port", "0", "--replication-url", url].map(Into::into).to_vec()
                }
                None => vec!["--nats-port".into(), nats.to_string()],
            });
            if url.is_none() {
                args.extend(["--nats-store-dir".into(), format!("{name}.nats")]);
            }
            args.push(place.into());
            let http = SocketAddr::from(([127, 0, 0, 1], http));
            let nats = url.map_or(own, Into::into);
            Self::spawn(home.to_owned(), name.to_owned(), args, (http, pg), nats)
        })
    }

    /// `None` if it ended instead of serving.
    fn spawn(
        home: PathBuf,
        name: String,
        args: Vec<String>,
        (http, pg): (SocketAddr, u16),
        nats: String,
    ) -> Option<Self> {
        let program = std::env::var_os("HA_V007").expect("HA_V007 names the binary of v0.0.7");
        let log = home.join(format!("{name}.log"));
        let mut command = Command::new(program);
        command.args(&args).current_dir(&home).env("TMPDIR", &home).env_remove("HA_V007");
        let process = Process::start(command.stdout(Stdio::null()), log);
        let mut node = Self { process, name, args, home, http, pg, nats };
        until("v0.0.7 serves or ends", || {
            let serves = http::send(http, "GET", "/healthz", &[], b"").is_ok();
            (serves || node.process.ended().is_some()).then_some(serves)
        })
        .then_some(node)
    }

    /// Ends it with SIGTERM.
    pub(crate) fn stop(&mut self) {
        self.process.terminate();
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a process that has ended again, on the same ports and files.
    pub(crate) fn again(&mut self) {
        let again = || {
            let (home, name, args) = (self.home.clone(), self.name.clone(), self.args.clone());
            Self::spawn(home, name, args, (self.http, self.pg), self.nats.clone())
        };
        *self = until("v0.0.7 starts again", again);
    }

    /// Runs one statement over HTTP, with what becomes of it.
    pub(crate) fn query(&self, sql: &str) -> http::Answer {
        let body = json!([{ "sql": sql }]).to_string();
        http::send(self.http, "POST", "/", &[], body.as_bytes()).unwrap()
    }

    pub(crate) fn run(&self, statements: &[&str]) {
        for sql in statements {
            let answer = self.query(sql);
            assert_eq!(answer.status, 200, "{sql}: {}", answer.body);
        }
    }

    /// Stores its database as `file`, over HTTP.
    pub(crate) fn backup(&self, file: &str) {
        let home = self.home.join(file);
        let mut command = Command::new("curl");
        command.args(["-sSf", "-o"]).arg(home).arg(format!("http://{}/", self.http));
        assert!(command.status().expect("curl is installed").success());
    }

    /// How many messages it has not got, and how many it could not apply.
    pub(crate) fn lag(&self) -> Option<(u64, u64)> {
        let subject = format!("CONSUMER.INFO.ha_replication.{}", self.name);
        let info = ask_at(&self.nats, &subject, &Value::Null);
        Some((info["num_pending"].as_u64()?, info["num_ack_pending"].as_u64()?))
    }

    /// Waits until it has applied the whole log but for `poisoned` messages.
    pub(crate) fn wait_applied(&self, poisoned: u64) {
        let wanted = Some((0, poisoned));
        until("v0.0.7 has applied the log", || (self.lag() == wanted).then_some(()));
    }
}

impl Database for GoNode {
    fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        self.query(sql).rows(0)
    }
}
