//! What goes wrong. Each schedule has some kinds of faults and not the others, each at a rate of
//! its own: so rare combinations are met as well.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use super::executor::Executor;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// An entry is stored, and its acknowledgement is lost.
    AckLost,
    /// An acknowledgement comes after its sender has given up.
    AckLate,
    /// An entry is lost on its way.
    RequestLost,
    /// An entry arrives after its sender has given up.
    RequestLate,
    /// An entry is refused for another one that is never stored.
    Refused,
    /// An entry is not handed over.
    NotSent,
    /// A subscription gives an entry again.
    Duplicate,
    /// A subscription leaves an entry out.
    Gap,
    /// A subscription fails.
    Broken,
    /// The log does not answer a question.
    Unanswered,
    /// An entry stands in the log a second time, on another state.
    Stray,
    /// Only the first parts of an entry are stored.
    Torn,
    /// Something that is no entry stands in the log.
    Garbage,
    /// A node cannot reach the log for a while.
    Partition,
    /// All connections to the log are made anew.
    Reconnect,
    /// A node is killed.
    Crash,
    /// A node loses its last commits with the power.
    PowerLoss,
    /// A node is stopped and started.
    Restart,
    /// A node is started on an old copy of its file.
    OldFile,
    /// A node is started on a copy of another node's file.
    OthersFile,
    /// A node is started without a file.
    NoFile,
    /// A node stands still for a while.
    Pause,
    /// A node asks the others to wait, whether or not it has something to do.
    Turn,
    /// The log forgets entries that are in a snapshot.
    Trim,
    /// The log loses its end.
    Rewind,
    /// The log loses its end, and with it what is in the way of an entry that arrives; whatever else is on
    /// its way is lost as well.
    RewindUnder,
    /// The log gets another lineage, and is the same.
    Rename,
    /// The log is deleted, and begun anew with a node's database.
    Again,
    /// The newest snapshot is damaged.
    BadSnapshot,
    /// The log tells an end that it had before.
    Behind,
    /// A node's wall clock is set.
    ClockJump,
    /// A client goes away in the middle of a call.
    Cancel,
    /// A client thinks for longer than it may.
    Idle,
}

/// The kinds that schedules have. That a log gets another lineage is left to those who ask for it
/// with `HA_SIM_RENAME`: clients' positions are void then; [`Fault::RewindUnder`] comes with [`Rewinds::Under`].
pub(super) const FAULTS: [Fault; 31] = [
    Fault::AckLost,
    Fault::AckLate,
    Fault::RequestLost,
    Fault::RequestLate,
    Fault::Refused,
    Fault::NotSent,
    Fault::Duplicate,
    Fault::Gap,
    Fault::Broken,
    Fault::Unanswered,
    Fault::Stray,
    Fault::Torn,
    Fault::Garbage,
    Fault::Partition,
    Fault::Reconnect,
    Fault::Crash,
    Fault::PowerLoss,
    Fault::Restart,
    Fault::OldFile,
    Fault::OthersFile,
    Fault::NoFile,
    Fault::Pause,
    Fault::Turn,
    Fault::Trim,
    Fault::Rewind,
    Fault::Again,
    Fault::BadSnapshot,
    Fault::Behind,
    Fault::ClockJump,
    Fault::Cancel,
    Fault::Idle,
];

/// How often something goes wrong, in a thousand occasions.
const RATES: [u64; 4] = [10, 50, 150, 400];

/// In every so many schedules the log is deleted.
const AGAIN: u64 = 10;

/// Which schedules have a log that loses its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rewinds {
    /// Some.
    Few,
    /// All.
    All,
    /// All, and many of these under entries that arrive.
    Under,
}

/// The faults of a schedule.
#[derive(Debug)]
pub(super) struct Faults {
    /// In a thousand occasions.
    rates: BTreeMap<Fault, u64>,
    happened: RefCell<BTreeMap<Fault, u64>>,
    over: Cell<bool>,
}

impl Faults {
    /// Draws which faults there are, and how often. Of a log that loses its end less is promised, so
    /// that fewer schedules have that.
    pub(super) fn draw(seed: u64, dice: &Executor, rewinds: Rewinds) -> Self {
        let mut rates = BTreeMap::new();
        let renames = std::env::var_os("HA_SIM_RENAME").is_some();
        let under = (rewinds == Rewinds::Under).then_some(Fault::RewindUnder);
        let again = std::env::var_os("HA_SIM_AGAIN").is_some();
        let drawn = FAULTS.into_iter().filter(|fault| *fault != Fault::Again);
        for fault in drawn.chain(renames.then_some(Fault::Rename)).chain(under) {
            let share = match fault {
                Fault::Rewind if rewinds == Rewinds::Few => 1,
                Fault::Rewind => 5,
                _ => 2,
            };
            // Nobody can tell which of two histories is the log's whose snapshots bridge the same gap.
            let may = fault != Fault::RewindUnder || !rates.contains_key(&Fault::Trim);
            if dice.below(5) < share && may {
                rates.insert(fault, RATES[dice.below(4) as usize]);
            }
        }
        if again || seed.is_multiple_of(AGAIN) {
            rates.insert(Fault::Again, RATES[3]);
        }
        Self { rates, happened: RefCell::default(), over: Cell::new(false) }
    }

    /// Nothing goes wrong.
    pub(super) fn none() -> Self {
        Self { rates: BTreeMap::new(), happened: RefCell::default(), over: Cell::new(true) }
    }

    /// Whether it happens now; it is counted if so.
    pub(super) fn strikes(&self, dice: &Executor, fault: Fault) -> bool {
        let Some(rate) = self.rates.get(&fault).filter(|_| !self.over.get()) else { return false };
        let strikes = dice.below(1_000) < *rate;
        if strikes {
            self.count(fault);
        }
        strikes
    }

    /// Whether the schedule has it.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.rates.contains_key(&fault) && !self.over.get()
    }

    /// Whether the schedule has it as often as any has.
    pub(super) fn has_often(&self, fault: Fault) -> bool {
        self.rates.get(&fault) == RATES.last()
    }

    /// It has happened.
    pub(super) fn count(&self, fault: Fault) {
        *self.happened.borrow_mut().entry(fault).or_default() += 1;
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn end(&self) {
        self.over.set(true);
    }

    pub(super) fn are_over(&self) -> bool {
        self.over.get()
    }

    pub(super) fn happened(&self) -> BTreeMap<Fault, u64> {
        self.happened.borrow().clone()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.happened.borrow())
    }
}
