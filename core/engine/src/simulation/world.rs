//! What there is in a schedule, and who knows what of it.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ha_core::{Lineage, Seq, Token};
use tokio::sync::watch;
use tokio::time::Instant;

use super::executor::{Executor, Owner, WORLD};
use super::fault::{Fault, Faults, Rewinds};
use super::image::Image;
use super::log::Log;
use super::nodes::{File, Notice, Slot};
use super::op::{Op, Spec, millis};
use super::{Event, Genesis, world};
use crate::snapshots::{Retention, SnapshotOptions};

/// What there is in a schedule.
pub(super) struct World {
    pub(super) dice: Rc<Executor>,
    pub(super) log: RefCell<Log>,
    /// The log, or the way to it, has changed.
    pub(super) changed: watch::Sender<()>,
    pub(super) slots: Vec<Slot>,
    /// By number; number 0 made the tables.
    pub(super) ops: RefCell<Vec<Op>>,
    pub(super) faults: Faults,
    pub(super) floor: Cell<Floor>,
    /// How often the log has lost its end together with everything on its way to nodes.
    pub(super) crashes: Cell<u64>,
    /// What nodes do by themselves.
    pub(super) upkeep: Upkeep,
    /// The longest time between two calls of a client, in milliseconds.
    pub(super) pause: u64,
    /// The log tells its bounds as they are.
    pub(super) exact_bounds: bool,
    pub(super) owners: Cell<Owner>,
    pub(super) started: Instant,
    pub(super) trace: RefCell<Vec<Event>>,
    pub(super) clients_left: Cell<usize>,
}

/// What nodes do by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Upkeep {
    /// They take snapshots.
    pub(super) snapshots: Option<SnapshotOptions>,
    /// They trim the log.
    pub(super) retention: Retention,
    /// The log takes entries of several parts of this size.
    pub(super) part_bytes: Option<usize>,
    /// They compare their states.
    pub(super) audits: Option<Duration>,
}

impl Upkeep {
    fn draw(dice: &Executor) -> Self {
        let snapshots = (dice.below(4) == 0).then(|| {
            let interval = (dice.below(2) == 0).then(|| millis(200 + dice.below(600)));
            let bytes = (interval.is_none() || dice.below(2) == 0).then_some(1_500);
            SnapshotOptions {
                patience: millis(20 + dice.below(200)),
                ..SnapshotOptions::every(interval, bytes)
            }
        });
        let max_age = (dice.below(2) == 0).then(|| millis(100 + dice.below(1_000)));
        let audits = (dice.below(4) == 0).then(|| millis(100 + dice.below(900)));
        let parts = std::env::var_os("HA_SIM_PARTS").is_some();
        let part_bytes = (dice.below(4) == 0 || parts).then(|| 500 + dice.below(400) as usize);
        Self { part_bytes, snapshots, retention: Retention { max_age, max_bytes: None }, audits }
    }
}

/// What somebody was told of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floor {
    /// The changes up to here.
    pub(super) seq: u64,
    /// How often the log has lost its end.
    pub(super) rewinds: u64,
}

impl World {
    pub(super) fn new(
        seed: u64,
        dir: &Path,
        nodes: usize,
        genesis: Option<&Genesis>,
        rewinds: Rewinds,
    ) -> Self {
        let dice = Executor::new(seed);
        let slot = |index| {
            let latency = [0, 2, 10, 50][dice.below(4) as usize];
            let slot = Slot::new(dir.join(format!("{index}.db")), latency);
            if let Some(genesis) = genesis.filter(|_| dice.below(8) > 0) {
                slot.give(File::Replaced(Image::of(genesis.file.clone())));
            }
            slot
        };
        let slots = (0..nodes).map(slot).collect();
        let faults =
            if genesis.is_some() { Faults::draw(seed, &dice, rewinds) } else { Faults::none() };
        let setup = Op { spec: Spec::Mark, keyed: false, told: Vec::new() };
        let exact_bounds = genesis.is_none() || dice.below(2) == 0;
        let mut upkeep = if genesis.is_some() { Upkeep::draw(&dice) } else { Upkeep::default() };
        upkeep.snapshots = upkeep.snapshots.filter(|_| !faults.has(Fault::RewindUnder));
        let pause = [10, 60, 200][dice.below(3) as usize];
        Self {
            dice,
            log: RefCell::new(Log::new(Lineage::of_stream("simulation", 0), genesis)),
            changed: watch::Sender::new(()),
            slots,
            ops: RefCell::new(vec![setup]),
            faults,
            floor: Cell::default(),
            crashes: Cell::new(0),
            upkeep,
            pause,
            exact_bounds,
            owners: Cell::new(WORLD),
            started: Instant::now(),
            trace: RefCell::default(),
            clients_left: Cell::new(0),
        }
    }

    pub(super) fn draw(end: u64) -> u64 {
        world().dice.below(end)
    }

    pub(super) fn note(&self, what: &'static str, a: u64, b: u64) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!("{ms} ms  {what} {a} {b}");
        self.trace.borrow_mut().push((ms, what, a, b));
    }

    /// The wall clock of whoever is running.
    pub(super) fn unix_time(&self) -> Duration {
        let owner = self.dice.running();
        let slot = self.slots.iter().find(|slot| owner != WORLD && slot.owner.get() == owner);
        let ahead = slot.map_or(0, |slot| slot.clock.get());
        let right = Duration::from_secs(1_700_000_000) + self.started.elapsed();
        let wrong = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 { right.saturating_sub(wrong) } else { right + wrong }
    }

    pub(super) fn next_owner(&self) -> Owner {
        self.owners.set(self.owners.get() + 1);
        self.owners.get()
    }

    /// Somebody was told of this position.
    pub(super) fn seen(&self, token: Token) {
        let log = self.log.borrow();
        if log.former().is_some() && !log.is_renamed() && token.lineage != log.bounds().lineage {
            return;
        }
        let floor = self.floor.get();
        let seq = floor.seq.max(log.changed_by(token.seq).0);
        self.floor.set(Floor { seq, ..floor });
    }

    /// The log ends here now, and has forgotten what was after it.
    pub(super) fn rewound(&self, last: Seq) {
        let Floor { seq, rewinds } = self.floor.get();
        let left = self.log.borrow().changed_by(last);
        self.floor.set(Floor { seq: seq.min(left.0), rewinds: rewinds + 1 });
        for slot in &self.slots {
            slot.notice.set(Notice::Unaware);
            slot.mixes.set(true);
            slot.cut_off.set(false);
        }
        self.slots.iter().for_each(Slot::interrupt);
    }

    /// As [`Self::rewound`]; whatever is on its way to nodes is lost as well.
    pub(super) fn crashed(&self, last: Seq) {
        self.rewound(last);
        self.crashes.set(self.crashes.get() + 1);
        self.slots.iter().for_each(|slot| slot.cut_off.set(true));
    }

    /// How often the log has lost its end.
    pub(super) fn losses(&self) -> u64 {
        self.floor.get().rewinds
    }

    /// Whether the log has ever lost something.
    pub(super) fn has_lost(&self) -> bool {
        self.losses() > 0
    }

    /// Whether a position has everything that was known at `floor`, as far as the log still had it.
    pub(super) fn has(&self, token: Token, floor: Floor) -> bool {
        token.seq.0 >= floor.seq || floor.rewinds != self.floor.get().rewinds
    }
}
