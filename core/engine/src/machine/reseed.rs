//! Becoming another state of the log: a snapshot's, and then what stands after it.

use std::time::Duration;

use ha_changes::BaseSnapshot;
use ha_core::{Bounds, Lineage, Seq, Stored};

use super::phase::{Mending, Phase};
use super::{Action, Machine, Position};

macro_rules! advice {
    ($copy:literal) => {
        concat!(
            "Start from ",
            $copy,
            " of the database (GET / of a node that is ready). If no node is, nobody has the state that the \
             stream goes on from: delete the stream (of an embedded server its store directory), start the node \
             that is furthest with --new-lineage, and then the others"
        )
    };
}

/// What to do if there is nothing to become.
pub const COPY: &str = advice!("a copy");

/// The same for a node whose database is too old.
pub const NEWER_COPY: &str = advice!("a newer copy");

/// The pause after the first try that failed; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why the database becomes another state, and which.
#[derive(Debug, Clone)]
pub struct Reseed {
    /// For people: what is wrong with the state there is.
    pub reason: String,
    /// What they have to do if there is nothing to restore.
    pub advice: String,
    /// What it becomes.
    pub target: Target,
}

/// The state that a database is to become.
#[derive(Debug, Clone)]
pub enum Target {
    /// The newest snapshot of the log as it is now; an empty database if there is none and the
    /// log has all its entries.
    Newest {
        /// The log. Of another one, that has come in its place since, nothing is known.
        lineage: Lineage,
    },
    /// What an entry of the log says that the log begins with.
    Base {
        /// The log.
        lineage: Lineage,
        /// What the entry names.
        snapshot: Box<BaseSnapshot>,
        /// The entry, at which the database stands then.
        entry: Stored,
    },
}

/// Why nothing was restored.
#[derive(Debug, Clone)]
pub enum NoSeed {
    /// It is to be tried again.
    Failed(String),
    /// Nothing is stored that could be restored.
    Nothing(String),
    /// The log is not the one any more of which it was to be.
    OtherLog,
}

/// The database is to become another state, and is fetching it.
#[derive(Debug, Clone)]
pub(super) struct Reseeding {
    pub(super) reseed: Reseed,
    tries: u32,
    /// When it is tried again; `None` while it is tried.
    pub(super) retry_at: Option<Duration>,
    /// How far it is, in words.
    pub(super) progress: String,
}

/// What was restored last, and how often one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restored {
    at: Position,
    times: u32,
}

impl Reseed {
    /// Becoming the newest state of the log `lineage`. `advice` is for the case that there is none.
    pub fn newest(lineage: Lineage, reason: impl Into<String>, advice: impl Into<String>) -> Self {
        let target = Target::Newest { lineage };
        Self { reason: reason.into(), advice: advice.into(), target }
    }

    /// Bridging what is gone from the log between the position and its beginning, if that is so.
    #[must_use]
    pub fn across_gap(position: &Position, bounds: &Bounds) -> Option<Self> {
        let same_log = bounds.lineage == position.lineage || position.seq == Seq::ZERO;
        if !same_log || bounds.first <= position.seq.next() || bounds.last < position.seq {
            return None;
        }
        let first = bounds.first;
        let (reason, advice) = if position.seq == Seq::ZERO {
            ("what is before is gone: an empty database cannot follow it".to_owned(), COPY)
        } else {
            let at = position.seq;
            (format!("this database is at {at}: the entries between are gone"), NEWER_COPY)
        };
        let reason = format!("the stream begins at {first}, and {reason}");
        Some(Self::newest(bounds.lineage, reason, advice))
    }

    /// Restoring what the base entry `entry` of the log `lineage` names.
    #[must_use]
    pub fn base(lineage: Lineage, snapshot: BaseSnapshot, entry: Stored) -> Self {
        Self {
            reason: format!("the log begins with a database at entry {}", entry.seq),
            advice: COPY.to_owned(),
            target: Target::Base { lineage, snapshot: Box::new(snapshot), entry },
        }
    }
}

impl Machine {
    /// Whether the database is about to become another state. Nothing of the log is applied
    /// until it has.
    #[must_use]
    pub fn is_reseeding(&self) -> bool {
        matches!(self.phase, Phase::Reseeding(_))
    }

    /// What the database was made last, if it was.
    #[must_use]
    pub fn restored_at(&self) -> Option<Position> {
        self.restored.map(|restored| restored.at)
    }

    /// Gives up what is open, and has the new state fetched. Writes that may be in the log are
    /// "unknown" to their clients.
    pub(super) fn reseed(&mut self, reseed: Reseed) -> Vec<Action> {
        if let Phase::Stopped(_) | Phase::Reseeding(_) = &self.phase {
            return Vec::new();
        }
        let (fate, staged) = (self.fate_of_open(), self.unstaging());
        let tries = self.tries_before(&reseed.target);
        tracing::warn!(position = %self.ground.seq, reason = reseed.reason, "restoring another state");
        self.reads.forget();
        self.next.clear();
        self.stand_at(self.ground);
        // What was restored did not do: it may not do at once again.
        let retry_at = tries.checked_sub(1).map(|before| self.now + pause(before));
        let fetch = retry_at.is_none().then(|| Action::Fetch(reseed.target.clone()));
        let progress = "looking for it".to_owned();
        self.phase = Phase::Reseeding(Reseeding { reseed, tries, retry_at, progress });
        fate.map(Action::Rollback).into_iter().chain(staged).chain(fetch).collect()
    }

    /// How often the database was made what it is now, in vain.
    fn tries_before(&self, target: &Target) -> u32 {
        match (target, self.restored) {
            (Target::Newest { .. }, Some(Restored { at, times })) if at == self.ground => times,
            (Target::Newest { .. } | Target::Base { .. }, _) => 0,
        }
    }

    /// Whether the database has given up its state for all that the log was to bring, and has nothing of that.
    pub(super) fn was_emptied(&self) -> bool {
        let is_here = |restored: Restored| restored.at == self.position;
        self.position.seq == Seq::ZERO && self.restored.is_some_and(is_here)
    }

    pub(super) fn fetching(&mut self, done: u64, total: u64) {
        const MB: u64 = 1_000_000;
        if let Phase::Reseeding(reseeding) = &mut self.phase {
            reseeding.progress = format!("{} of {} MB", done / MB, total.div_ceil(MB));
        }
    }

    pub(super) fn no_seed(&mut self, why: NoSeed) -> Vec<Action> {
        let Phase::Reseeding(reseeding) = &mut self.phase else { return Vec::new() };
        match why {
            NoSeed::Failed(reason) => {
                tracing::warn!(reason, "no snapshot was restored; trying again");
                reseeding.retry_at = Some(self.now + pause(reseeding.tries));
                reseeding.tries += 1;
                reseeding.progress = format!("{reason}; trying again");
                Vec::new()
            }
            NoSeed::Nothing(found) => {
                let Reseed { reason, advice, .. } = &reseeding.reseed;
                let reason = format!("{reason}. {found}. {advice}");
                self.stop(reason)
            }
            NoSeed::OtherLog => self.doubt_the_log(),
        }
    }

    /// The log has changed since it was decided that the database is to become another state: what it
    /// means for the one there is, is looked at anew.
    fn doubt_the_log(&mut self) -> Vec<Action> {
        if self.position.seq == Seq::ZERO {
            return self.follow_again();
        }
        let reason = "the stream was made again just now".to_owned();
        tracing::warn!(reason, position = %self.position.seq, "nothing is restored");
        self.phase = Phase::Mending(Mending { reason, hopeless: false, look_at: None });
        vec![Action::Mend]
    }

    /// The database stands there. If it was re-seeded, or is part of another log now, the log is followed from there on, and
    /// nothing is executed before its end is reached.
    pub(super) fn adopted(&mut self, position: Position) -> Vec<Action> {
        let elsewhere = self.is_reseeding() || self.is_mending();
        if let Phase::Reseeding(reseeding) = &self.phase {
            let same = self.restored.is_some_and(|restored| restored.at == position);
            let times = if same { reseeding.tries.saturating_add(1) } else { 1 };
            self.restored = Some(Restored { at: position, times });
        }
        (self.heard, self.lost_end, self.torn) = (position.seq, None, None);
        self.include_loose();
        self.stand_at(position);
        self.go_on();
        let mut actions = self.serve();
        if elsewhere {
            actions.extend(self.follow_again());
        }
        actions
    }

    pub(super) fn reseeding_tick(&mut self, reseeding: Reseeding) -> Vec<Action> {
        if reseeding.retry_at.is_none_or(|at| at > self.now) {
            return Vec::new();
        }
        let target = reseeding.reseed.target.clone();
        self.phase = Phase::Reseeding(Reseeding { retry_at: None, ..reseeding });
        vec![Action::Fetch(target)]
    }
}

/// How long is waited after so many tries before the one that failed.
fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << tries.min(6)).min(LONGEST_PAUSE)
}

impl Reseeding {
    /// What others are told.
    pub(super) fn text(&self) -> String {
        format!("restoring a snapshot, {}: {}", self.progress, self.reseed.reason)
    }
}
