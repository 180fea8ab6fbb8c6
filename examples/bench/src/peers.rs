//! Other servers, which get the same statements over HTTP in the same run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::http::{Connection, Speech};
use crate::load::Outcome;
use crate::node::{PATIENCE, processor_time};
use crate::options::Options;
use crate::report::{Row, Spent};
use crate::suite::{Operation, drive_http, progress, schema};

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Product {
    Rqlite,
    V007,
}

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
struct Peer {
    product: Product,
    process: Child,
    address: SocketAddr,
}

/// What the servers do that the options name, a row for each workload of theirs.
pub(crate) async fn measure(options: &Options, dir: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (product, program, operations) in wanted(options) {
        let peer = Peer::start(product, program, dir).await?;
        peer.make_tables().await?;
        for operation in operations {
            for (index, &clients) in options.clients.iter().enumerate() {
                rows.push(peer.run(operation, (index, clients), options.time()).await?);
            }
        }
    }
    Ok(rows)
}

/// Whether the options ask for any workload of another server.
pub(crate) fn are_wanted(options: &Options) -> bool {
    !wanted(options).is_empty()
}

/// The servers with a workload that the options ask for, and what these do.
fn wanted(options: &Options) -> Vec<(Product, &Path, Vec<Operation>)> {
    let named = [(Product::Rqlite, &options.rqlite), (Product::V007, &options.v007)];
    let wanted = named.into_iter().filter_map(|(product, program)| {
        let is_wanted = |it: &Operation| product.workload(*it).contains(&options.only);
        let operations: Vec<_> = Operation::ALL.into_iter().filter(is_wanted).collect();
        Some((product, program.as_deref()?, operations))
    });
    wanted.filter(|(.., operations)| !operations.is_empty()).collect()
}

impl Product {
    fn name(self) -> &'static str {
        match self {
            Self::Rqlite => "rqlite",
            Self::V007 => "v0.0.7",
        }
    }

    fn workload(self, operation: Operation) -> String {
        format!("{} {}", self.name(), operation.name())
    }

    fn speech(self) -> Speech {
        match self {
            Self::Rqlite => Speech::Rqlite,
            Self::V007 => Speech::Ha,
        }
    }

    /// How it is started, with its files in `dir` and listening for HTTP on `port`.
    fn command(self, program: &Path, dir: &Path, port: u16) -> Result<Command> {
        let mut command = Command::new(program);
        match self {
            Self::Rqlite => {
                let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
                command.args(["-http-addr", &local(port), "-raft-addr", &local(free_port()?)]);
                command.arg(dir);
            }
            Self::V007 => {
                command.args(["--port", &port.to_string(), "--pg-port", &free_port()?.to_string()]);
                command.args(["--nats-port", &free_port()?.to_string(), "--nats-store-dir"]);
                command
                    .arg(dir)
                    .arg(format!("file:{}?_journal=WAL", dir.join("v007.db").display()));
            }
        }
        command.current_dir(dir).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

impl Peer {
    /// Starts it and waits until it answers.
    async fn start(product: Product, program: &Path, dir: &Path) -> Result<Self> {
        let program =
            program.canonicalize().with_context(|| format!("find {}", program.display()))?;
        let dir = dir.canonicalize()?.join(product.name());
        std::fs::create_dir(&dir)?;
        let port = free_port()?;
        let mut command = product.command(&program, &dir, port)?;
        let process = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let mut peer = Self { product, process, address };
        let end = Instant::now() + PATIENCE;
        while let Err(error) = peer.execute("CREATE TABLE IF NOT EXISTS ready (id)").await {
            ensure!(peer.process.try_wait()?.is_none(), "{} ended at its start", product.name());
            ensure!(Instant::now() < end, "{} did not start in time: {error:#}", product.name());
            sleep(Duration::from_millis(100)).await;
        }
        Ok(peer)
    }

    async fn make_tables(&self) -> Result<()> {
        for statement in schema() {
            self.execute(&statement).await?;
        }
        Ok(())
    }

    async fn execute(&self, statement: &str) -> Result<()> {
        let statement = serde_json::Value::from(statement);
        let (path, body) = match self.product.speech() {
            Speech::Ha => ("/", format!(r#"[{{"sql":{statement}}}]"#)),
            Speech::Rqlite => ("/db/execute", format!("[{statement}]")),
        };
        let mut connection = Connection::open(self.address).await?;
        let reply = connection.post_to(path, &body).await?;
        let refused = reply.windows(8).any(|bytes| bytes == b"\"error\":");
        ensure!(!refused, "{}", String::from_utf8_lossy(reply));
        Ok(())
    }

    async fn run(
        &self,
        operation: Operation,
        (index, clients): (usize, u16),
        time: Duration,
    ) -> Result<Row> {
        let name = self.product.workload(operation);
        progress(&format!("{name}, {clients} clients"))?;
        let before = processor_time(&self.process)?;
        let server = (self.address, self.product.speech());
        let outcome: Outcome = drive_http(server, operation, (index, clients), time).await?;
        let processor = processor_time(&self.process)?.saturating_sub(before);
        Ok(Row::new(name, clients, &outcome, Spent { processor, entries: 0 }))
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn only_the_workloads_that_are_asked_for_are_run() {
        let wanted_of = |only: &str| {
            let args = ["bench", "--rqlite", "r", "--v007", "v", "--only", only];
            let options = Options::parse_from(args);
            let names = |(product, _, operations): (Product, _, Vec<Operation>)| {
                operations.into_iter().map(move |it| product.workload(it))
            };
            wanted(&options).into_iter().flat_map(names).collect::<Vec<_>>()
        };
        assert_eq!(wanted_of("").len(), 4);
        assert_eq!(wanted_of("insert"), ["rqlite insert", "v0.0.7 insert"]);
        assert_eq!(wanted_of("rqlite select"), ["rqlite select"]);
        assert!(wanted_of("http insert").is_empty());
    }
}
