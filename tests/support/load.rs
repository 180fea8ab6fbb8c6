//! Clients that write to two nodes at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{self, Answer};
use super::report::Report;
use super::{Node, until};

/// Clients of each node.
const CLIENTS: usize = 8;

const TABLES: [&str; 4] = [
    "CREATE TABLE items(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT)",
    "CREATE TABLE names(name TEXT UNIQUE, owner TEXT)",
    "CREATE TABLE counter(n INTEGER)",
    "INSERT INTO counter VALUES(0)",
];

/// What a client wants. A key is unique among all attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A row with the key; the answer is its id.
    Item,
    /// A name that every client wants, for the key.
    Name,
    /// One more; the answer is the sum.
    Count,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is stored, with this answer.
    Written(Value),
    /// Somebody else has the name.
    Taken,
    /// It is not stored.
    Not,
    /// The transaction of this name decides.
    Unknown(String),
    /// The connection ended before an answer came.
    Nothing,
}

/// One write and its answer.
#[derive(Debug)]
pub struct Attempt {
    pub work: Work,
    pub key: String,
    /// Which name is wanted, for [`Work::Name`].
    pub round: usize,
    pub told: Told,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    /// Acknowledged writes by node.
    written: [Arc<AtomicUsize>; 2],
    clients: Vec<JoinHandle<Vec<Attempt>>>,
}

impl Load {
    /// Makes the tables and starts the clients of both nodes. Each does `rounds` of every kind
    /// of work, or works until [`Self::finish`].
    pub fn start(nodes: [&Node; 2], rounds: Option<usize>) -> Self {
        nodes[0].run(&TABLES);
        nodes[1].wait_rows("SELECT n FROM counter", &json!([[0]]));
        let stop = Arc::new(AtomicBool::new(false));
        let written = [Arc::default(), Arc::default()];
        let mut clients = Vec::new();
        for (node, written) in nodes.iter().zip(&written) {
            for _ in 0..CLIENTS {
                let client = Client {
                    number: clients.len(),
                    node: node.http,
                    stop: Arc::clone(&stop),
                    written: Arc::clone(written),
                };
                clients.push(thread::spawn(move || client.work(rounds.unwrap_or(usize::MAX))));
            }
        }
        Self { stop, written, clients }
    }

    /// Waits until `count` more writes were acknowledged by each of the nodes.
    pub fn wait_written(&self, count: usize, nodes: &[usize]) {
        for &node in nodes {
            let goal = self.written[node].load(Ordering::Relaxed) + count;
            until(&format!("node {node} acknowledges {count} writes more"), || {
                (self.written[node].load(Ordering::Relaxed) >= goal).then_some(())
            });
        }
    }

    /// Waits until all rounds are done.
    pub fn finish_rounds(self) -> Report {
        let attempts = self.clients.into_iter().flat_map(|client| client.join().unwrap());
        Report::new(attempts.collect())
    }

    /// Ends the work.
    pub fn finish(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.finish_rounds()
    }
}

struct Client {
    number: usize,
    node: SocketAddr,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
}

impl Client {
    fn work(self, rounds: usize) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        for round in 0..rounds {
            for work in [Work::Item, Work::Name, Work::Count] {
                if self.stop.load(Ordering::Relaxed) {
                    return attempts;
                }
                let key = format!("{}-{round}", self.number);
                let told = self.attempt(work, &key, round);
                attempts.push(Attempt { work, key, round, told });
            }
        }
        attempts
    }

    fn attempt(&self, work: Work, key: &str, round: usize) -> Told {
        let statements: &[&str] = match work {
            Work::Item => &["INSERT INTO items(key) VALUES(:key) RETURNING id"],
            Work::Name => &["INSERT INTO names VALUES(:name, :key) RETURNING owner"],
            Work::Count => &["UPDATE counter SET n = n + 1", "SELECT n FROM counter"],
        };
        let params = json!({"key": key, "name": format!("name {round}")});
        let body = http::statements(statements, &params);
        let told = match http::send(self.node, "POST", "/v1/query", &[], body.as_bytes()) {
            Ok(answer) => told(&answer, statements.len() - 1),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Told::Not,
            Err(_) => Told::Nothing,
        };
        match told {
            Told::Written(_) => drop(self.written.fetch_add(1, Ordering::Relaxed)),
            // The node is gone; there is nothing to wait for but its return.
            Told::Not | Told::Nothing => thread::sleep(Duration::from_millis(20)),
            Told::Taken | Told::Unknown(_) => {}
        }
        told
    }
}

fn told(answer: &Answer, last: usize) -> Told {
    match answer.status {
        200 => Told::Written(answer.rows(last)[0][0].clone()),
        400 if answer.body.contains("UNIQUE constraint failed") => Told::Taken,
        409 | 503 => Told::Not,
        504 => Told::Unknown(answer.header("x-ha-transaction").unwrap().to_owned()),
        _ => panic!("{answer:?}"),
    }
}
