use ha_core::{Batch, Result, ResultSet};

use crate::store::is_passing;
use crate::writer::{Step, digest};

/// How much of a transaction is kept for a replay.
const STEPS: usize = 10_000;
const BYTES: usize = 16 << 20;

/// What a transaction did, to be repeated on a newer state.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: Vec<Step>,
    bytes: usize,
    /// Something is missing: there was too much, or it cannot be repeated.
    incomplete: bool,
}

impl Script {
    /// Notes what was run and what its client was shown.
    pub(super) fn add(&mut self, batch: Batch, outcome: &Result<Vec<ResultSet>>) {
        let step = Step { batch, shown: Some(digest(outcome)) };
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

    /// Everything, or `None` if it cannot be repeated.
    pub(super) fn whole(&self) -> Option<Vec<Step>> {
        (!self.incomplete).then(|| self.steps.clone())
    }
}
