//! When a snapshot is due, and who takes it.

use std::time::Duration;

use ha_core::Seq;

use super::growth::Grown;

/// When snapshots are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The oldest entry that no snapshot covers may be so old.
    pub(super) age: Option<Duration>,
    /// So many bytes of log need not be covered.
    pub(super) bytes: Option<u64>,
}

/// What a node knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) position: Seq,
    /// Where the newest snapshot is; 0 if there is none.
    pub(super) newest: Seq,
    pub(super) grown: Grown,
    /// How old the first entry after the newest snapshot is, if that can be told.
    pub(super) age: Option<Duration>,
}

/// Whether this node is to take a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    No,
    /// At once: it has made the entry that was too much.
    Now,
    /// After a while, if no other has done it by then.
    Later,
}

pub(super) fn due(facts: &Facts, limits: &Limits) -> Due {
    if facts.position <= facts.newest {
        return Due::No;
    }
    let too_much = limits.bytes.is_some_and(|limit| facts.grown.bytes >= limit);
    let too_old = limits.age.zip(facts.age).is_some_and(|(limit, age)| age >= limit);
    match (too_much, too_old) {
        (true, _) if facts.grown.by_us => Due::Now,
        (false, false) => Due::No,
        _ => Due::Later,
    }
}

impl Limits {
    /// Entries that the server drops by itself at some age are covered long before.
    pub(super) fn before(self, dropped_at: Option<Duration>) -> Self {
        let half = dropped_at.map(|age| age / 2);
        Self { age: self.age.into_iter().chain(half).min(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const LIMITS: Limits = Limits { age: Some(HOUR), bytes: Some(100) };

    fn facts(bytes: u64, by_us: bool, age: Duration) -> Facts {
        let grown = Grown { bytes, by_us };
        Facts { position: Seq(9), newest: Seq(5), grown, age: Some(age) }
    }

    #[test]
    fn an_old_entry_or_many_bytes_without_a_snapshot_are_a_reason_for_one() {
        assert_eq!(due(&facts(99, false, HOUR / 2), &LIMITS), Due::No);
        assert_eq!(due(&facts(0, false, HOUR), &LIMITS), Due::Later);
        assert_eq!(due(&facts(100, false, HOUR / 2), &LIMITS), Due::Later);
        assert_eq!(due(&facts(100, true, HOUR / 2), &LIMITS), Due::Now);
        assert_eq!(due(&Facts { age: None, ..facts(99, false, HOUR) }, &LIMITS), Due::No);
    }

    #[test]
    fn nothing_is_due_while_the_log_stands_still() {
        let still = Facts { newest: Seq(9), ..facts(100, true, HOUR) };
        assert_eq!(due(&still, &LIMITS), Due::No);
        let never = Limits { age: None, bytes: None };
        assert_eq!(due(&facts(u64::MAX, false, 99 * HOUR), &never), Due::No);
    }

    #[test]
    fn what_the_server_drops_is_covered_before() {
        assert_eq!(LIMITS.before(None).age, Some(HOUR));
        assert_eq!(LIMITS.before(Some(HOUR)).age, Some(HOUR / 2));
        assert_eq!(LIMITS.before(Some(24 * HOUR)).age, Some(HOUR));
        assert_eq!(Limits { age: None, bytes: None }.before(Some(HOUR)).age, Some(HOUR / 2));
    }
}
