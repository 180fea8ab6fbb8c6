//! Lists that are appended to and read, as text and as rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ha_checker::{Event, History, Kind, Recorder, Step};
use rand::Rng;
use rand::rngs::ThreadRng;
use serde_json::Value;

use crate::Work;
use crate::connection::{Connection, Results, Told};
use crate::http::Http;
use crate::support::cluster::Cluster;
use crate::support::report::outcome;
use crate::support::{Node, until};

/// Lists that are in use at the same time.
const KEYS: u64 = 6;
/// Appends after which a list gives way to a new one, about.
const LENGTH: u64 = 30;

/// What all clients know. Clones know the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    recorder: Recorder,
    values: Arc<AtomicU64>,
    /// The names of transactions of unknown outcome, by process.
    names: Arc<Mutex<BTreeMap<u64, String>>>,
    /// How many of them were stored and not.
    resolved: Arc<Mutex<(usize, usize)>>,
}

pub(crate) fn create(node: &Node) {
    node.run(&[
        "CREATE TABLE texts(k INTEGER PRIMARY KEY, v TEXT)",
        "CREATE TABLE items(n INTEGER PRIMARY KEY AUTOINCREMENT, k INTEGER, v INTEGER)",
    ]);
}

impl Lists {
    /// Executes transactions until the work is over.
    pub(crate) fn work(&self, work: &Work, mut connection: impl Connection) {
        let mut process = self.recorder.process();
        while !work.stop.load(Ordering::Relaxed) {
            let steps = self.steps(&mut rand::rng());
            let told = self.execute(process, &steps, &mut connection);
            work.lists.add(&told);
            match told {
                Told::Done(_) => {}
                // The node may be gone; there is nothing to wait for but its return.
                Told::Not => thread::sleep(Duration::from_millis(20)),
                Told::Unknown(name) => {
                    let mut names = self.names.lock().unwrap();
                    names.extend(name.map(|name| (process, name)));
                    process = self.recorder.process();
                }
            }
        }
    }

    fn execute(&self, process: u64, steps: &[Step], connection: &mut impl Connection) -> Told {
        let statements: Vec<String> = steps.iter().map(sql).collect();
        let call = self.recorder.begin(process, steps.to_vec());
        let told = connection.transaction(&statements);
        match &told {
            Told::Done(results) => call.ok(lists(steps, results)),
            Told::Not => call.fail(),
            Told::Unknown(_) => drop(call),
        }
        told
    }

    /// One to four steps on lists that are in use.
    fn steps(&self, random: &mut ThreadRng) -> Vec<Step> {
        let first = self.values.load(Ordering::Relaxed) / LENGTH;
        let count = random.random_range(1..=4);
        let step = |_| {
            let key = first + random.random_range(0..KEYS);
            if random.random_bool(0.5) {
                Step::Append(key, self.values.fetch_add(1, Ordering::Relaxed))
            } else {
                Step::Read(key, None)
            }
        };
        (0..count).map(step).collect()
    }

    /// Reads all lists on every member and gives the whole history. Transactions of which all
    /// members say that they did not happen have failed in it; those that happened must be there.
    pub(crate) fn finish(&self, cluster: &Cluster) -> History {
        let stored = self.read_all(cluster);
        let mut refused = BTreeSet::new();
        let names = std::mem::take(&mut *self.names.lock().unwrap());
        let history = self.recorder.history();
        for (process, name) in names {
            let said = cluster.members.iter().map(|member| outcome(member, &name));
            let said: BTreeSet<bool> = said.collect();
            assert_eq!(said.len(), 1, "members do not agree on {name}");
            if said.contains(&true) {
                self.resolved.lock().unwrap().0 += 1;
                assert!(is_stored(&history, process, &stored), "{name} is not stored");
            } else {
                self.resolved.lock().unwrap().1 += 1;
                refused.insert(process);
            }
        }
        let resolve = |mut event: Event| {
            if event.kind == Kind::Info && refused.contains(&event.process) {
                event.kind = Kind::Fail;
            }
            event
        };
        History(history.0.into_iter().map(resolve).collect())
    }

    /// All values in the lists, the same on each member.
    fn read_all(&self, cluster: &Cluster) -> BTreeSet<u64> {
        let last = self.values.load(Ordering::Relaxed) / LENGTH + KEYS;
        let mut stored = BTreeSet::new();
        for member in &cluster.members {
            let (process, mut connection) = (self.recorder.process(), Http::new(member.http));
            for key in 0..last {
                let told = until("a list is read", || {
                    let step = [Step::Read(key, None)];
                    match self.execute(process, &step, &mut connection) {
                        Told::Done(results) => Some(results),
                        Told::Not => None,
                        Told::Unknown(_) => panic!("a read has an outcome"),
                    }
                });
                stored.extend(lists(&[Step::Read(key, None)], &told).into_iter().flatten());
            }
        }
        stored
    }

    /// What became of transactions whose outcome was unknown.
    pub(crate) fn resolved(&self) -> String {
        let (stored, not) = *self.resolved.lock().unwrap();
        format!("resolved: stored={stored} not={not}")
    }
}

/// Whether all that the newest transaction of a process appends is stored.
fn is_stored(history: &History, process: u64, stored: &BTreeSet<u64>) -> bool {
    let mut events = history.0.iter().rev();
    let event = events.find(|event| event.process == process).unwrap();
    event.steps.iter().all(|step| match step {
        Step::Append(_, value) => stored.contains(value),
        Step::Read(..) => true,
    })
}

/// Lists of even keys are texts, those of others are rows.
fn sql(step: &Step) -> String {
    match step {
        Step::Append(key, value) if key % 2 == 0 => format!(
            "INSERT INTO texts VALUES({key}, '{value}') ON CONFLICT(k) DO UPDATE SET v = v || ',' || excluded.v"
        ),
        Step::Append(key, value) => format!("INSERT INTO items(k, v) VALUES({key}, {value})"),
        Step::Read(key, _) if key % 2 == 0 => format!("SELECT v FROM texts WHERE k = {key}"),
        Step::Read(key, _) => {
            format!("SELECT group_concat(v) FROM (SELECT v FROM items WHERE k = {key} ORDER BY n)")
        }
    }
}

/// The lists that the reads among `steps` have shown.
fn lists(steps: &[Step], results: &Results) -> Vec<Vec<u64>> {
    let reads = steps.iter().zip(results).filter(|(step, _)| matches!(step, Step::Read(..)));
    reads.map(|(_, rows)| list(rows)).collect()
}

fn list(rows: &[Vec<Value>]) -> Vec<u64> {
    let text = rows.first().and_then(|row| row[0].as_str()).unwrap_or_default();
    text.split(',').filter(|part| !part.is_empty()).map(|part| part.parse().unwrap()).collect()
}
