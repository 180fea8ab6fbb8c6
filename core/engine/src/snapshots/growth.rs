//! How much the log has grown beyond the newest snapshot.

use parking_lot::Mutex;

/// The bytes of log that this node has folded since the newest snapshot that it knows of.
#[derive(Debug)]
pub(crate) struct Growth {
    /// So many are a reason for another snapshot.
    limit: Option<u64>,
    grown: Mutex<Grown>,
}

/// The bytes, and whose they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grown {
    pub(crate) bytes: u64,
    /// They are too many, and it was an entry of this node that made them so.
    pub(crate) by_us: bool,
}

impl Growth {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, grown: Mutex::default() }
    }

    /// Counts an entry. Of the nodes that count it, the one that made it is the first that is
    /// to do something about it.
    pub(crate) fn note(&self, bytes: usize, ours: bool) {
        let Some(limit) = self.limit else { return };
        let mut grown = self.grown.lock();
        let before = grown.bytes;
        grown.bytes += bytes as u64;
        grown.by_us |= ours && before < limit && grown.bytes >= limit;
    }

    pub(crate) fn get(&self) -> Grown {
        *self.grown.lock()
    }

    /// Whether a snapshot is due.
    pub(crate) fn is_too_much(&self) -> bool {
        self.limit.is_some_and(|limit| self.get().bytes >= limit)
    }

    /// Counts anew, from `bytes` on. If they are too many still, it is still whose entry it was.
    pub(crate) fn restart(&self, bytes: u64) {
        let mut grown = self.grown.lock();
        let too_much = self.limit.is_some_and(|limit| bytes >= limit);
        *grown = Grown { bytes, by_us: grown.by_us && too_much };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_entry_was_too_much_is_told_once() {
        let growth = Growth::new(Some(100));
        growth.note(60, true);
        assert!(!growth.is_too_much() && !growth.get().by_us);
        growth.note(60, false);
        growth.note(60, true);
        assert!(growth.is_too_much() && !growth.get().by_us, "another's entry was the one");
        growth.restart(90);
        growth.note(10, true);
        assert_eq!(growth.get(), Grown { bytes: 100, by_us: true });
        growth.restart(110);
        assert!(growth.get().by_us, "nobody has done anything about it");
        growth.restart(10);
        assert_eq!(growth.get(), Grown { bytes: 10, by_us: false });
    }

    #[test]
    fn without_a_limit_nothing_is_too_much() {
        let growth = Growth::new(None);
        growth.note(usize::MAX / 2, true);
        assert!(!growth.is_too_much());
    }
}
