//! What came of schedules.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::fault::{FAULTS, Fault};
use super::op::Told;
use super::world::World;

/// Ways out of trouble, as the trace names them.
pub(super) const PATHS: [&str; 14] = [
    "sent again",
    "read back",
    "asked for bounds",
    "subscribed again",
    "was reconnected",
    "gave up",
    "repeated",
    "fetched a snapshot",
    "was refused",
    "stored parts",
    "stored a snapshot",
    "trimmed the log",
    "compared states",
    "followed a log begun anew",
];

/// What came of a schedule.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) faults: BTreeMap<Fault, u64>,
    /// What nodes did about it.
    pub(super) paths: BTreeMap<&'static str, u64>,
    pub(super) calls: u64,
    pub(super) reads: u64,
    pub(super) acknowledged: u64,
    pub(super) unknown: u64,
    pub(super) failed: u64,
    /// The events in order, as a hash.
    pub(super) trace: u64,
}

impl World {
    pub(super) fn report(&self) -> Report {
        let mut hash = DefaultHasher::new();
        self.trace.borrow().hash(&mut hash);
        let mut report =
            Report { faults: self.faults.happened(), trace: hash.finish(), ..Report::default() };
        for (_, what, ..) in self.trace.borrow().iter() {
            report.reads += u64::from(*what == "read");
            if PATHS.contains(what) {
                *report.paths.entry(what).or_default() += 1;
            }
        }
        for told in self.ops.borrow().iter().flat_map(|op| &op.told) {
            report.calls += 1;
            match told {
                Told::Committed(_) => report.acknowledged += 1,
                Told::Failed(_) => report.failed += 1,
                Told::Unknown(_) | Told::Gone => report.unknown += 1,
            }
        }
        report
    }
}

impl Report {
    pub(super) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.reads += other.reads;
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.failed += other.failed;
        add(&mut self.faults, &other.faults);
        add(&mut self.paths, &other.paths);
    }

    /// Everything that can go wrong did, and every way out of it was taken.
    pub(super) fn must_be_thorough(&self) {
        for fault in FAULTS {
            assert!(self.faults.contains_key(&fault), "{fault:?} never happened");
        }
        for path in PATHS {
            assert!(self.paths.contains_key(path), "nobody {path}");
        }
        assert!(self.acknowledged > 0 && self.unknown > 0 && self.failed > 0);
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { faults, paths, calls, reads, acknowledged, unknown, failed, trace: _ } = self;
        write!(
            f,
            "writes={calls} acknowledged={acknowledged} unknown={unknown} failed={failed} \
             reads={reads} faults={} {faults:?} {paths:?}",
            faults.values().sum::<u64>()
        )
    }
}

fn add<K: Copy + Ord>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}
