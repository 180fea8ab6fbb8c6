//! Asking for a turn, and giving others theirs.

use std::time::Duration;

use tokio::time::Instant;

use super::group::Group;
use super::{Work, Writer};
use crate::machine::Event;

/// A transaction that was executed so often in vain, and for so long, asks for a turn.
const TRIES: u32 = 3;
const IN_VAIN: Duration = Duration::from_millis(100);

/// What a transaction has cost until now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effort {
    /// How often it was executed since it last asked for a turn.
    tries: u32,
    /// How long it was executed in all.
    spent: Duration,
}

impl Effort {
    /// It was executed again.
    pub(super) fn add(&mut self, spent: Duration) {
        self.tries += 1;
        self.spent += spent;
    }

    /// For how long others should wait, if it is time to ask them.
    fn turn(&mut self) -> Option<Duration> {
        let is_due = self.tries >= TRIES && self.spent >= IN_VAIN;
        is_due.then(|| std::mem::take(&mut self.tries)).map(|_| self.spent)
    }
}

impl Writer {
    /// The group is executed again, before everything else. One that others have overtaken too
    /// often asks for a turn first.
    pub(super) fn execute_again(&mut self, mut group: Group) {
        self.note_attempt(&mut group);
        for mut job in group.jobs.into_iter().rev() {
            self.hand_back(&job);
            self.wanted_turn = self.wanted_turn.max(job.effort.turn());
            self.queue.push_front(Work::Job(job));
        }
        self.forget_attempts();
    }

    pub(super) fn ask_turn(&mut self) {
        if !self.machine.can_execute() || self.lease.is_some() || self.verifying {
            return;
        }
        if let Some(time) = self.wanted_turn.take() {
            tracing::info!(
                ?time,
                "a transaction was overtaken too often: other nodes are asked to wait"
            );
            self.tell(Event::AskTurn(time));
        }
    }

    /// Others are first for so long: those who wait meanwhile are not charged for it.
    pub(super) fn hold(&mut self, time: Duration) {
        self.excuse(time);
        self.busy_until = self.busy_until.max(Instant::now() + time);
    }
}
