//! Transfers between accounts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ha_checker::{Anomaly, bank, bank::Balances};
use rand::Rng;
use serde_json::Value;

use crate::Work;
use crate::connection::{Connection, Told};
use crate::support::Node;
use crate::support::cluster::Cluster;

const ACCOUNTS: u64 = 5;
const EACH: i64 = 100;
const BALANCES: &str = "SELECT id, balance FROM accounts ORDER BY id";

/// What all clients have read. Clones know the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bank {
    reads: Arc<Mutex<Vec<Balances>>>,
    transfers: Arc<AtomicU64>,
}

pub(crate) fn create(node: &Node) {
    node.run(&[
        "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
        "CREATE TABLE transfers(id INTEGER PRIMARY KEY, source, target, amount)",
    ]);
    for id in 0..ACCOUNTS {
        node.run(&[&format!("INSERT INTO accounts VALUES({id}, {EACH})")]);
    }
}

impl Bank {
    /// Transfers and reads until the work is over.
    pub(crate) fn work(&self, work: &Work, mut connection: impl Connection) {
        while !work.stop.load(Ordering::Relaxed) {
            let told = connection.transaction(&self.statements());
            work.bank.add(&told);
            match told {
                Told::Done(results) => {
                    // Balances are read before and after each transfer.
                    let reads = [results.first(), results.last()].into_iter().flatten();
                    self.reads.lock().unwrap().extend(reads.map(|rows| balances(rows)));
                }
                Told::Not => thread::sleep(Duration::from_millis(20)),
                Told::Unknown(_) => {}
            }
        }
    }

    /// A look at all accounts, and in half of the cases a transfer and another look.
    fn statements(&self) -> Vec<String> {
        let mut random = rand::rng();
        if random.random_bool(0.5) {
            return vec![BALANCES.into()];
        }
        let id = self.transfers.fetch_add(1, Ordering::Relaxed);
        let source = random.random_range(0..ACCOUNTS);
        let target = (source + random.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let amount = random.random_range(1..40);
        vec![
            BALANCES.into(),
            format!(
                "INSERT INTO transfers SELECT {id}, {source}, {target}, {amount} FROM accounts WHERE id = {source} AND balance >= {amount}"
            ),
            transfer(id, "-", "source"),
            transfer(id, "+", "target"),
            BALANCES.into(),
        ]
    }

    /// What is wrong with all that was read, and with the balances that the transfers leave.
    pub(crate) fn check(&self, cluster: &Cluster) -> Vec<Anomaly> {
        let reads = self.reads.lock().unwrap();
        let total = EACH * i64::try_from(ACCOUNTS).unwrap();
        let accounts = usize::try_from(ACCOUNTS).unwrap();
        let mut anomalies = bank::check(accounts, total, reads.iter());
        for member in &cluster.members {
            let unexplained = member.select(EXPLAINED);
            anomalies.extend((unexplained != "[]").then(|| bank::unexplained(unexplained)));
        }
        anomalies
    }
}

fn transfer(id: u64, sign: &str, side: &str) -> String {
    format!(
        "UPDATE accounts SET balance = balance {sign} t.amount FROM transfers t WHERE t.id = {id} AND accounts.id = t.{side}"
    )
}

/// The accounts whose balance is not what the transfers make of it.
const EXPLAINED: &str = "SELECT id, balance FROM accounts a WHERE balance <> 100 \
    + (SELECT coalesce(sum(amount), 0) FROM transfers WHERE target = a.id) \
    - (SELECT coalesce(sum(amount), 0) FROM transfers WHERE source = a.id)";

fn balances(rows: &[Vec<Value>]) -> Balances {
    // Over PostgreSQL they come as text.
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_i64().unwrap(),
    };
    rows.iter().map(|row| (u64::try_from(number(&row[0])).unwrap(), number(&row[1]))).collect()
}
