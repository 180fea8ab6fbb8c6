//! Clients that insert numbers, each once, and remember what they were told of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ha_checker::{Anomaly, set};
use serde_json::Value;

use super::http::{self, Answer, Unanswered};
use super::report::outcome_if_kept;
use super::{Node, say, until};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// What all clients know.
#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    rest: AtomicBool,
    told: Mutex<Told>,
}

/// What they were told, by number.
#[derive(Debug, Default)]
struct Told {
    attempts: BTreeMap<u64, set::Fate>,
    /// The names of transactions whose outcome was unknown.
    names: BTreeMap<u64, String>,
    /// The positions of those that were acknowledged.
    positions: BTreeMap<u64, String>,
    /// When the newest acknowledgement came, and the longest time between two since
    /// [`Inserts::forget_gap`].
    newest: Option<Instant>,
    gap: Duration,
}

/// Clients at work.
#[derive(Debug)]
pub struct Inserts {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

/// What became of all inserts.
#[derive(Debug)]
pub struct Verdict {
    pub acknowledged: usize,
    pub refused: usize,
    pub unknown: usize,
    /// Of the unknown ones, those that the nodes know to be stored or not.
    pub resolved: usize,
    pub anomalies: Vec<Anomaly>,
}

impl Inserts {
    /// Makes the table and starts `clients` for each address; the node has one of them.
    pub fn start(node: &Node, addresses: &[SocketAddr], clients: usize) -> Self {
        node.run(&["CREATE TABLE inserts(n INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER)"]);
        let shared = Arc::new(Shared::default());
        let all = addresses.iter().flat_map(|address| std::iter::repeat_n(*address, clients));
        let clients = all.map(|address| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work(address))
        });
        Self { clients: clients.collect(), shared }
    }

    /// Waits until `count` more were acknowledged.
    pub fn wait_acknowledged(&self, count: usize) {
        let goal = self.acknowledged() + count;
        until(&format!("{count} inserts more are acknowledged"), || {
            (self.acknowledged() >= goal).then_some(())
        });
    }

    /// Waits until a member is ready, and the clients with it: they may write faster than its disk,
    /// and it would never catch up.
    pub fn rest_until_ready(&self, node: &Node) {
        self.rest_until("the member is ready", || (node.readiness()?.status == 200).then_some(()));
    }

    /// As [`until`], and begins no insert meanwhile.
    pub fn rest_until<T>(&self, what: &str, condition: impl FnMut() -> Option<T>) -> T {
        self.shared.rest.store(true, Ordering::Relaxed);
        let value = until(what, condition);
        self.shared.rest.store(false, Ordering::Relaxed);
        value
    }

    /// Begins to look for the longest time without an acknowledgement.
    pub fn forget_gap(&self) {
        self.shared.told.lock().unwrap().gap = Duration::ZERO;
    }

    /// The longest time between two acknowledgements since [`Self::forget_gap`].
    pub fn gap(&self) -> Duration {
        self.shared.told.lock().unwrap().gap
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        let told = self.shared.told.lock().unwrap();
        told.attempts.values().filter(|fate| **fate == set::Fate::Acknowledged).count()
    }

    /// Ends the work, asks for what is unknown, and compares with the rows of every node.
    pub fn finish(self, nodes: &[Node]) -> Verdict {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        let mut told = std::mem::take(&mut *self.shared.told.lock().unwrap());
        let count = |fate| told.count(fate);
        let (acknowledged, refused) = (count(set::Fate::Acknowledged), count(set::Fate::Refused));
        let unknown = count(set::Fate::Unknown);
        let resolved = told.names.len();
        told.resolve(nodes);
        let rows = same_rows(nodes);
        let mut anomalies = set::check(&told.attempts, &rows);
        anomalies.iter_mut().for_each(|anomaly| told.locate(anomaly));
        Verdict { acknowledged, refused, unknown, resolved, anomalies }
    }
}

impl Verdict {
    /// Prints what happened and demands that nothing is wrong.
    pub fn report(&self, test: &str, faults: &str) {
        let count = |name| self.anomalies.iter().filter(|one| one.name == name).count();
        let attempts = self.acknowledged + self.refused + self.unknown;
        say(&format!(
            "{test}: {faults} attempts={attempts} acked={} refused={} unknown={} resolved={} lost={} doubled={} anomalies={}",
            self.acknowledged,
            self.refused,
            self.unknown,
            self.resolved,
            count("lost"),
            count("doubled"),
            self.anomalies.len(),
        ));
        assert!(self.anomalies.is_empty(), "{:#?}", self.anomalies);
    }
}

/// The numbers that are stored, the same on all nodes.
fn same_rows(nodes: &[Node]) -> Vec<u64> {
    let rows = |node: &Node| -> Vec<u64> {
        let rows = node.run(&["SELECT id FROM inserts ORDER BY n"]);
        rows.iter().map(|row| row[0].as_u64().unwrap()).collect()
    };
    until("all nodes hold the same", || {
        let first = rows(&nodes[0]);
        nodes[1..].iter().all(|node| rows(node) == first).then_some(first)
    })
}

impl Told {
    fn count(&self, fate: set::Fate) -> usize {
        self.attempts.values().filter(|one| **one == fate).count()
    }

    /// All nodes must say the same of a transaction whose outcome was unknown.
    fn resolve(&mut self, nodes: &[Node]) {
        for (id, name) in std::mem::take(&mut self.names) {
            let said: Vec<_> = nodes.iter().map(|node| outcome_if_kept(node, &name)).collect();
            assert!(said.iter().all(|one| *one == said[0]), "{name}: {said:?}");
            let fate = match said[0] {
                Some(true) => set::Fate::Acknowledged,
                Some(false) => set::Fate::Refused,
                None => set::Fate::Unknown,
            };
            self.attempts.insert(id, fate);
        }
    }

    /// Adds to what is wrong with a number what was said of it.
    fn locate(&self, anomaly: &mut Anomaly) {
        let number = anomaly.detail.parse().ok();
        let position = number.and_then(|number: u64| self.positions.get(&number));
        let said = position.map_or("not acknowledged at once", String::as_str);
        anomaly.detail = format!("{}: {said}", anomaly.detail);
    }

    fn acknowledge(&mut self) {
        let now = Instant::now();
        if let Some(newest) = self.newest.replace(now) {
            self.gap = self.gap.max(now - newest);
        }
    }
}

impl Shared {
    fn work(&self, address: SocketAddr) {
        while !self.stop.load(Ordering::Relaxed) {
            if self.rest.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
                continue;
            }
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let (fate, name) = insert(address, id);
            let mut told = self.told.lock().unwrap();
            told.attempts.insert(id, fate);
            let names =
                if fate == set::Fate::Unknown { &mut told.names } else { &mut told.positions };
            names.extend(name.map(|name| (id, name)));
            if fate == set::Fate::Acknowledged {
                told.acknowledge();
            } else {
                drop(told);
                // The node may be gone; there is nothing to wait for but its return.
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// What became of an insert, and its position or the name of its transaction.
fn insert(address: SocketAddr, id: u64) -> (set::Fate, Option<String>) {
    let sql = format!("INSERT INTO inserts(id) VALUES({id})");
    let body = http::statements(&[&sql], &Value::Null);
    match http::post_within(PATIENCE, address, "/v1/query", &[], body.as_bytes()) {
        Ok(answer) => told(&answer),
        Err(Unanswered::NotSent) => (set::Fate::Refused, None),
        Err(Unanswered::Lost) => (set::Fate::Unknown, None),
    }
}

fn told(answer: &Answer) -> (set::Fate, Option<String>) {
    match answer.status {
        200 => (set::Fate::Acknowledged, answer.header("x-ha-position").map(Into::into)),
        409 | 503 => (set::Fate::Refused, None),
        504 => (set::Fate::Unknown, answer.header("x-ha-transaction").map(Into::into)),
        _ => panic!("{answer:?}"),
    }
}
