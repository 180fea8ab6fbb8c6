use ha_core::{Batch, Result, ResultSet};
use ha_sqlite::Moment;

use crate::host;
use crate::store::is_passing;
use crate::writer::{ReadOf, Step};

/// How much of a transaction is kept for a replay.
const STEPS: usize = 10_000;
const BYTES: usize = 16 << 20;

/// What a transaction did, to be repeated on a newer state.
#[derive(Debug)]
pub(super) struct Script {
    begun: Moment,
    /// Steps until now, kept or not.
    count: u64,
    steps: Vec<Step>,
    bytes: usize,
    /// Something is missing: there was too much, or it cannot be repeated.
    incomplete: bool,
}

impl Script {
    /// Begins now: time stands still from here on.
    pub(super) fn new() -> Self {
        let unix_ms = i64::try_from(host::unix_time().as_millis()).unwrap_or(i64::MAX);
        let begun = Moment { unix_ms, seed: host::chance() };
        Self { begun, count: 0, steps: Vec::new(), bytes: 0, incomplete: false }
    }

    /// The next step, with chances of its own.
    pub(super) fn next(&self, batch: Batch, hides_rowids: bool) -> Step {
        let seed = self.begun.seed.wrapping_add(self.count);
        let moment = Some(Moment { seed, ..self.begun });
        Step { moment, hides_rowids, ..Step::new(batch) }
    }

    /// Notes what was run and what its client was shown, and for a read what it was of.
    pub(super) fn add(
        &mut self,
        step: Step,
        outcome: &Result<Vec<ResultSet>>,
        read: Option<ReadOf>,
    ) {
        let step = Step { shown: Some(step.digest(outcome)), read, ..step };
        self.count += 1;
        self.bytes += step.size();
        // A statement that was stopped might run for ever in a replay.
        let is_chance = outcome.as_ref().is_err_and(is_passing);
        let too_long = self.steps.len() >= STEPS || self.bytes > BYTES;
        self.incomplete |= too_long || is_chance;
        if self.incomplete {
            self.steps = Vec::new();
        } else {
            self.steps.push(step);
        }
    }

    /// Whether there will be everything after this step as well, unless it is stopped.
    pub(super) fn has_room_for(&self, step: &Step) -> bool {
        !self.incomplete && self.steps.len() < STEPS && self.bytes + step.size() <= BYTES
    }

    /// Everything, or `None` if it cannot be repeated.
    pub(super) fn whole(&self) -> Option<Vec<Step>> {
        (!self.incomplete).then(|| self.steps.clone())
    }
}
