//! What each transaction has read of others.

use std::collections::{HashMap, HashSet};

use super::name;
use super::writes::Writes;
use crate::{Anomaly, Outcome, Step, Transaction};

/// A list as its reader found it.
#[derive(Debug)]
pub(super) struct Read<'a> {
    /// The reader.
    pub(super) by: usize,
    pub(super) key: u64,
    /// All that was read.
    pub(super) list: &'a [u64],
    /// How much of the list is of others; the rest are the reader's own appends before.
    pub(super) others: usize,
}

impl Read<'_> {
    /// What the reader found there when it began.
    pub(super) fn external(&self) -> &[u64] {
        &self.list[..self.others]
    }
}

/// The reads of transactions that have happened. Those that contradict their own transaction
/// are anomalies and left out.
pub(super) fn collect<'a>(
    transactions: &'a [Transaction],
    anomalies: &mut Vec<Anomaly>,
) -> Vec<Read<'a>> {
    let mut reads = Vec::new();
    for (by, transaction) in transactions.iter().enumerate() {
        if transaction.outcome == Outcome::Ok && !of_one(by, transaction, &mut reads) {
            anomalies.push(Anomaly::new("internal", name(by, transaction)));
        }
    }
    reads
}

/// Adds the reads of one transaction; whether it agrees with itself.
fn of_one<'a>(by: usize, transaction: &'a Transaction, reads: &mut Vec<Read<'a>>) -> bool {
    let mut consistent = true;
    let mut found: HashMap<u64, &[u64]> = HashMap::new();
    let mut own: HashMap<u64, Vec<u64>> = HashMap::new();
    for step in &transaction.steps {
        match step {
            Step::Append(key, value) => own.entry(*key).or_default().push(*value),
            Step::Read(_, None) => {}
            Step::Read(key, Some(list)) => {
                let mine = own.get(key).map_or(&[][..], Vec::as_slice);
                let Some(others) = list.strip_suffix(mine) else {
                    consistent = false;
                    continue;
                };
                consistent &= *found.entry(*key).or_insert(others) == others;
                reads.push(Read { by, key: *key, list, others: others.len() });
            }
        }
    }
    consistent
}

/// Reports values that a list must not hold.
pub(super) fn check_values(
    reads: &[Read<'_>],
    transactions: &[Transaction],
    writes: &Writes,
    anomalies: &mut Vec<Anomaly>,
) {
    for read in reads {
        let mut report = |name: &str, value: u64| {
            let reader = super::name(read.by, &transactions[read.by]);
            let detail = format!("{value} of key {} is read by {reader}", read.key);
            anomalies.push(Anomaly::new(name, detail));
        };
        let mut seen = HashSet::new();
        for &value in read.list {
            if !seen.insert(value) {
                report("duplicate", value);
            }
            match writes.writer(read.key, value) {
                None => report("unknown-value", value),
                Some(writer) if transactions[writer].outcome == Outcome::Fail => {
                    report("G1a", value);
                }
                Some(_) => {}
            }
        }
        let newest = read.external().last();
        let newest = newest.and_then(|value| Some((*value, writes.get(read.key, *value)?)));
        if let Some((value, write)) = newest
            && (!write.last || write.by == read.by)
        {
            report("G1b", value);
        }
    }
}
