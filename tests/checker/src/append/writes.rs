use std::collections::HashMap;

use crate::{Malformed, Transaction};

/// Who appends which value.
pub(super) struct Writes {
    by_value: HashMap<(u64, u64), Write>,
    by_key: HashMap<u64, Vec<u64>>,
}

/// An append.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    /// The transaction that does it.
    pub(super) by: usize,
    /// Whether it is the transaction's last one to that key.
    pub(super) last: bool,
}

impl Writes {
    pub(super) fn of(transactions: &[Transaction]) -> Result<Self, Malformed> {
        let mut writes = Self { by_value: HashMap::new(), by_key: HashMap::new() };
        for (by, transaction) in transactions.iter().enumerate() {
            let mut newest = HashMap::new();
            for (key, value) in transaction.appends() {
                writes.add(key, value, by)?;
                newest.insert(key, value);
            }
            for place in newest {
                writes.by_value.entry(place).and_modify(|write| write.last = true);
            }
        }
        Ok(writes)
    }

    fn add(&mut self, key: u64, value: u64, by: usize) -> Result<(), Malformed> {
        let write = Write { by, last: false };
        if self.by_value.insert((key, value), write).is_some() {
            return Err(Malformed::Ambiguous { key, value });
        }
        self.by_key.entry(key).or_default().push(value);
        Ok(())
    }

    pub(super) fn get(&self, key: u64, value: u64) -> Option<Write> {
        self.by_value.get(&(key, value)).copied()
    }

    /// The transaction that appends the value, if one does.
    pub(super) fn writer(&self, key: u64, value: u64) -> Option<usize> {
        self.get(key, value).map(|write| write.by)
    }

    /// All values that are appended to a key, read or not.
    pub(super) fn values(&self, key: u64) -> &[u64] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }
}
