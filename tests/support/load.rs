//! Clients that write to two nodes at once, and whether the tables hold what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{self, Answer};
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
enum Work {
    /// A row with the key; the answer is its id.
    Item,
    /// A name that every client wants, for the key.
    Name,
    /// One more; the answer is the sum.
    Count,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq)]
enum Told {
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

#[derive(Debug)]
struct Attempt {
    work: Work,
    key: String,
    /// The name that is wanted, for [`Work::Name`].
    round: usize,
    told: Told,
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
        Report(attempts.collect())
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

/// What all clients were told.
#[derive(Debug)]
pub struct Report(Vec<Attempt>);

impl Report {
    /// Waits until both nodes hold the same rows, and checks that these are what the clients
    /// were told.
    pub fn check(&self, nodes: [&Node; 2]) {
        let outcomes = self.outcomes(nodes);
        let tables = until("both nodes hold the same", || {
            let [first, second] = nodes.map(Tables::of);
            (first == second).then_some(first)
        });
        self.check_items(&tables, &outcomes);
        self.check_names(&tables, &outcomes);
        self.check_counter(&tables, &outcomes);
    }

    /// How many writes were acknowledged.
    pub fn written(&self) -> usize {
        self.0.iter().filter(|attempt| matches!(attempt.told, Told::Written(_))).count()
    }

    /// Whether the transactions whose outcome was unknown are stored; both nodes must say so.
    fn outcomes(&self, nodes: [&Node; 2]) -> BTreeMap<String, bool> {
        let unknown = self.0.iter().filter_map(|attempt| match &attempt.told {
            Told::Unknown(name) => Some(name.clone()),
            _ => None,
        });
        unknown
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|name| {
                let [first, second] = nodes.map(|node| outcome(node, &name));
                assert_eq!(first, second, "{name}");
                (name, first)
            })
            .collect()
    }

    fn check_items(&self, tables: &Tables, outcomes: &BTreeMap<String, bool>) {
        for attempt in self.of(Work::Item) {
            let ids = tables.items.get(&attempt.key).map_or(&[][..], Vec::as_slice);
            let expected = match attempt.stored(outcomes) {
                Some(stored) => ids.len() == usize::from(stored),
                None => ids.len() <= 1,
            };
            let told_id = match &attempt.told {
                Told::Written(id) => id.as_i64(),
                _ => ids.first().copied(),
            };
            assert!(expected && told_id == ids.first().copied(), "{attempt:?}: {ids:?}");
        }
    }

    fn check_names(&self, tables: &Tables, outcomes: &BTreeMap<String, bool>) {
        for attempt in self.of(Work::Name) {
            let owner = tables.names.get(&format!("name {}", attempt.round));
            let has_it = owner == Some(&attempt.key);
            let expected = match (&attempt.told, attempt.stored(outcomes)) {
                (Told::Taken, _) => owner.is_some() && !has_it,
                // A refusal that was not confirmed in time is unknown too, with the name of
                // the others' transactions.
                (Told::Unknown(_), Some(true)) => owner.is_some(),
                (_, Some(stored)) => has_it == stored,
                (_, None) => true,
            };
            assert!(expected, "{attempt:?}: {owner:?}");
        }
    }

    fn check_counter(&self, tables: &Tables, outcomes: &BTreeMap<String, bool>) {
        let mut sums = BTreeSet::new();
        let (mut least, mut most) = (0, 0);
        for attempt in self.of(Work::Count) {
            let stored = attempt.stored(outcomes);
            least += i64::from(stored == Some(true));
            most += i64::from(stored != Some(false));
            if let Told::Written(sum) = &attempt.told {
                assert!(sums.insert(sum.as_i64()), "counted twice to the same: {attempt:?}");
            }
        }
        let n = tables.counter;
        assert!((least..=most).contains(&n), "{n} is not between {least} and {most}");
    }

    fn of(&self, work: Work) -> impl Iterator<Item = &Attempt> {
        self.0.iter().filter(move |attempt| attempt.work == work)
    }
}

impl Attempt {
    /// Whether it must be stored; `None` if nobody was told.
    fn stored(&self, outcomes: &BTreeMap<String, bool>) -> Option<bool> {
        match &self.told {
            Told::Written(_) => Some(true),
            Told::Taken | Told::Not => Some(false),
            Told::Unknown(name) => Some(outcomes[name]),
            Told::Nothing => None,
        }
    }
}

/// Waits until a node knows what became of a transaction: whether it is stored.
pub fn outcome(node: &Node, name: &str) -> bool {
    until(&format!("the outcome of {name} is known"), || {
        let answer = node.get(&format!("/v1/outcome/{name}"));
        if answer.status != 200 {
            return None;
        }
        match answer.json()["outcome"].as_str().unwrap() {
            "committed" => Some(true),
            "not_committed" => Some(false),
            "unknown" => None,
            other => panic!("{name} is {other}"),
        }
    })
}

/// All rows.
#[derive(Debug, PartialEq)]
struct Tables {
    /// The ids by key.
    items: BTreeMap<String, Vec<i64>>,
    /// The owners by name.
    names: BTreeMap<String, String>,
    counter: i64,
}

impl Tables {
    fn of(node: &Node) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut items = BTreeMap::<String, Vec<i64>>::new();
        for row in node.run(&["SELECT key, id FROM items"]) {
            items.entry(text(&row[0])).or_default().push(row[1].as_i64().unwrap());
        }
        let names = node.run(&["SELECT name, owner FROM names"]);
        let names = names.iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
        let counter = node.run(&["SELECT n FROM counter"])[0][0].as_i64().unwrap();
        Self { items, names, counter }
    }
}
