//! In which order the values of each key were appended.

use std::collections::{HashMap, HashSet};

use super::reads::Read;
use super::writes::Writes;
use crate::{Anomaly, Outcome, Transaction};

/// The longest list that was read of each key. What was never read comes after it.
pub(super) struct Orders<'a>(HashMap<u64, &'a [u64]>);

impl<'a> Orders<'a> {
    pub(super) fn of(reads: &[Read<'a>], anomalies: &mut Vec<Anomaly>) -> Self {
        let mut longest: HashMap<u64, &[u64]> = HashMap::new();
        for read in reads {
            let list = longest.entry(read.key).or_default();
            if read.list.len() > list.len() {
                *list = read.list;
            }
        }
        for read in reads.iter().filter(|read| !longest[&read.key].starts_with(read.list)) {
            let detail = format!("key {}: {:?}, {:?}", read.key, read.list, longest[&read.key]);
            anomalies.push(Anomaly::new("incompatible-order", detail));
        }
        Self(longest)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (u64, &'a [u64])> {
        self.0.iter().map(|(key, list)| (*key, *list))
    }

    pub(super) fn of_key(&self, key: u64) -> &'a [u64] {
        self.0.get(&key).copied().unwrap_or_default()
    }

    /// Which transactions have happened: the clients were told so, or somebody has read of them.
    pub(super) fn happened(&self, transactions: &[Transaction], writes: &Writes) -> Vec<bool> {
        let mut happened: Vec<bool> =
            transactions.iter().map(|one| one.outcome == Outcome::Ok).collect();
        for (key, list) in self.keys() {
            for writer in list.iter().filter_map(|value| writes.writer(key, *value)) {
                happened[writer] |= transactions[writer].outcome == Outcome::Info;
            }
        }
        happened
    }

    /// The values of a key that nobody has read, of transactions that have happened.
    pub(super) fn unread(&self, key: u64, writes: &Writes, happened: &[bool]) -> Vec<usize> {
        let read: HashSet<u64> = self.of_key(key).iter().copied().collect();
        let unread = writes.values(key).iter().filter(|value| !read.contains(value));
        let writers = unread.filter_map(|value| writes.writer(key, *value));
        writers.filter(|writer| happened[*writer]).collect()
    }
}
