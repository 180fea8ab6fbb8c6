//! The workloads, in their order.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::disk::syncs_per_second;
use crate::http::{Connection, HttpClient, Speech};
use crate::load::{Outcome, drive};
use crate::node::{Addresses, Node};
use crate::options::Options;
use crate::peers;
use crate::postgres::PostgresClient;
use crate::publish::publishes_per_second;
use crate::report::{Baseline, Report, Row, Spent};
use crate::verify::{Faults, log_end, written_keys};

/// How long disk and NATS server are measured, each time.
const BASELINE: Duration = Duration::from_secs(2);
/// Rows to select, with ids from 1.
pub(crate) const SEEDED: i64 = 1000;

/// Makes the tables of all workloads, and the rows to select.
pub(crate) fn schema() -> [String; 3] {
    let written = "CREATE TABLE written \
                   (id INTEGER PRIMARY KEY, key INTEGER NOT NULL, name TEXT NOT NULL)";
    let seeded = "CREATE TABLE seeded (id INTEGER PRIMARY KEY, name TEXT NOT NULL)";
    let seed = format!(
        "WITH RECURSIVE ids(id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM ids WHERE id < {SEEDED}) \
         INSERT INTO seeded SELECT id, 'name of ' || id FROM ids"
    );
    [written.to_owned(), seeded.to_owned(), seed]
}

/// What a workload does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Inserts one row per request.
    Insert,
    /// Reads one row by its primary key per request.
    Select,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Insert, Self::Select];

    /// A word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Select => "select",
        }
    }
}

/// The front-end that a workload goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Http,
    Postgres,
}

#[derive(Debug, Clone, Copy)]
struct Workload {
    door: Door,
    operation: Operation,
    clients: u16,
}

/// Starts a node, runs the workloads that the options choose, checks the rows and stops the
/// node.
pub(crate) async fn run(options: &Options) -> Result<Report> {
    let any = !workloads(options).is_empty() || peers::are_wanted(options);
    ensure!(any, "no workload's name contains {:?}", options.only);
    let dir = tempfile::Builder::new().prefix("ha-bench-").tempdir_in(&options.dir);
    let dir = dir.with_context(|| format!("make a directory in {}", options.dir.display()))?;
    progress("the disk")?;
    let first = syncs_per_second(dir.path(), BASELINE).await?;
    let node = Node::start(options, dir.path()).await?;
    let mut report = measure(options, &node, dir.path()).await?;
    node.stop().await?;
    report.rows.extend(peers::measure(options, dir.path()).await?);
    report.baseline.fdatasync = (first, syncs_per_second(dir.path(), BASELINE).await?);
    Ok(report)
}

/// The `name` column of the row `key`, in both tables.
pub(crate) fn name_of(key: i64) -> String {
    format!("name of {key}")
}

async fn measure(options: &Options, node: &Node, dir: &Path) -> Result<Report> {
    let addresses = &node.addresses;
    let mut control = Connection::open(addresses.http).await?;
    let tables = Value::from_iter(schema().map(|sql| json!({ "sql": sql })));
    control.post(&tables.to_string()).await.context("make tables")?;
    progress("synced publishes")?;
    let publishes = publishes_per_second(&addresses.nats, BASELINE).await?;
    let (mut rows, mut acknowledged, mut failed) = (Vec::new(), Vec::new(), 0);
    for (index, workload) in workloads(options).into_iter().enumerate() {
        progress(&format!("{}, {} clients", workload.name(), workload.clients))?;
        let before = Spent::so_far(node, &mut control).await?;
        let outcome = workload.run(index, addresses, options.time()).await?;
        let spent = Spent::so_far(node, &mut control).await?.since(before);
        rows.push(Row::new(workload.name(), workload.clients, &outcome, spent));
        if workload.operation == Operation::Insert {
            failed += outcome.errors;
            acknowledged.extend(outcome.acknowledged);
        }
    }
    progress("are all rows there?")?;
    let present = written_keys(&mut control).await?;
    let baseline = Baseline { publishes, ..Baseline::default() };
    let faults = Faults::between(&acknowledged, &present, failed);
    let file_system = dir.canonicalize()?.parent().unwrap_or(dir).to_owned();
    Ok(Report {
        memory: options.memory,
        dir: file_system,
        baseline,
        rows,
        acknowledged: acknowledged.len(),
        faults,
    })
}

fn workloads(options: &Options) -> Vec<Workload> {
    let mut all = Vec::new();
    for operation in Operation::ALL {
        let http = options.clients.iter().map(|&clients| (Door::Http, clients));
        let every = http.chain([(Door::Postgres, options.pg_clients)]);
        all.extend(every.map(|(door, clients)| Workload { door, operation, clients }));
    }
    all.retain(|workload| workload.name().contains(&options.only));
    all
}

impl Workload {
    fn name(self) -> String {
        let door = match self.door {
            Door::Http => "http",
            Door::Postgres => "pg",
        };
        format!("{door} {}", self.operation.name())
    }

    /// Connects all clients, then measures. No two workloads of different `index` share keys.
    async fn run(self, index: usize, addresses: &Addresses, time: Duration) -> Result<Outcome> {
        let operation = self.operation;
        match self.door {
            Door::Http => {
                let server = (addresses.http, Speech::Ha);
                drive_http(server, operation, (index, self.clients), time).await
            }
            Door::Postgres => {
                let mut clients = Vec::new();
                for client in 0..self.clients {
                    let keys = keys(operation, index, client);
                    clients
                        .push((PostgresClient::open(addresses.postgres, operation).await?, keys));
                }
                drive(clients, time).await
            }
        }
    }
}

/// Connects some clients to a server, then measures. No two workloads of different index share
/// keys.
pub(crate) async fn drive_http(
    (address, speech): (SocketAddr, Speech),
    operation: Operation,
    (index, count): (usize, u16),
    time: Duration,
) -> Result<Outcome> {
    let mut clients = Vec::new();
    for client in 0..count {
        let connection = Connection::open(address).await?;
        let keys = keys(operation, index, client);
        clients.push((HttpClient { connection, operation, speech }, keys));
    }
    drive(clients, time).await
}

/// The keys of a client: new ones for inserts, all seeded ones over and over for selects.
fn keys(operation: Operation, workload: usize, client: u16) -> impl Iterator<Item = i64> + Send {
    let client = i64::from(client);
    let first = ((workload as i64) << 48) + (client << 32);
    (0..).map(move |n: i64| match operation {
        Operation::Insert => first + n,
        // A prime far from the start of the others, so that clients do not read in step.
        Operation::Select => 1 + (client * 389 + n) % SEEDED,
    })
}

impl Spent {
    async fn so_far(node: &Node, control: &mut Connection) -> Result<Self> {
        Ok(Self { processor: node.processor_time()?, entries: log_end(control).await? })
    }
}

pub(crate) fn progress(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "measuring: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn inserted_keys_are_unique_and_selected_ones_exist() {
        let of = |workload, client| keys(Operation::Insert, workload, client).take(1000);
        let all: HashSet<i64> = [(0, 0), (0, 1), (0, u16::MAX), (1, 0), (7, 3)]
            .iter()
            .flat_map(|&(w, c)| of(w, c))
            .collect();
        assert_eq!(all.len(), 5000);
        let selected: HashSet<i64> = keys(Operation::Select, 0, 63).take(1000).collect();
        assert_eq!(selected.len(), 1000);
        assert!(selected.iter().all(|id| (1..=SEEDED).contains(id)));
    }
}
