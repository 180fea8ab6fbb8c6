//! Unknown outcomes are settled, never guessed: while the log ends at the position, nothing
//! else is executed on it.

use ha_core::{AppendError, Appended, Error, Seq, Stored};

use super::{Action, Attempt, Fate, Machine, Phase, RETRY, Settling};
use crate::planted::{Bug, planted};

impl Machine {
    /// The attempt may or may not be stored.
    pub(super) fn settle(&mut self, attempt: Attempt) -> Vec<Action> {
        self.phase =
            Phase::Settling(Settling { attempt, open: true, retry_at: None, is_sent: false });
        vec![Action::Read(self.next_seq())]
    }

    pub(super) fn later_answer(
        &mut self,
        settling: Settling,
        result: &Result<Appended, AppendError>,
    ) -> Vec<Action> {
        if matches!(result, Ok(appended) if *appended == self.places(&settling.attempt)) {
            return self.stored(&settling);
        }
        if planted(Bug::SecondAnswerCounts) && settling.open && result.is_err() {
            self.phase = Phase::Idle;
            return self.roll_back(Fate::Again);
        }
        // After an earlier send even a refusal proves nothing: the entry in the way may be
        // this one.
        self.look_again(settling);
        Vec::new()
    }

    pub(super) fn read_back(
        &mut self,
        seq: Seq,
        result: Result<Option<Stored>, Error>,
    ) -> Vec<Action> {
        let Phase::Settling(settling) = self.phase.clone() else { return Vec::new() };
        if seq != self.next_seq() {
            return Vec::new();
        }
        match result {
            Ok(Some(stored)) => self.delivered(stored),
            Ok(None) if settling.attempt.seen > 0 => self.ends_inside(settling),
            Ok(None) => {
                let draft = self.draft(&settling.attempt);
                let sent = Settling { retry_at: None, is_sent: true, ..settling };
                self.phase = Phase::Settling(sent);
                vec![Action::Append(draft)]
            }
            Err(_) => {
                self.look_again(settling);
                Vec::new()
            }
        }
    }

    pub(super) fn settling_tick(&mut self, settling: Settling) -> Vec<Action> {
        if settling.open && settling.attempt.deadline <= self.now {
            return self.give_up(&settling.attempt.clone(), settling.retry_at);
        }
        if settling.retry_at.is_none_or(|at| at > self.now) {
            return Vec::new();
        }
        self.phase = Phase::Settling(Settling { retry_at: None, ..settling });
        vec![Action::Read(self.next_seq())]
    }

    /// The clients have waited long enough. Their place in the log is taken by a no-op,
    /// unless it turns out to be theirs.
    pub(super) fn give_up(
        &mut self,
        attempt: &Attempt,
        retry_at: Option<std::time::Duration>,
    ) -> Vec<Action> {
        let noop = match self.noop() {
            Ok(noop) => noop,
            Err(error) => return self.stop(error.to_string()),
        };
        let seen = self.seen(attempt);
        let mut unknown = self.roll_back(Fate::Unknown(self.name(attempt.id)));
        if !seen.is_empty() {
            // The place is taken: what becomes of the parts is for the log to say.
            self.phase = Phase::Idle;
            unknown.extend(self.then(seen));
            return unknown;
        }
        let retry_at = Some(retry_at.unwrap_or(self.now));
        self.phase =
            Phase::Settling(Settling { attempt: noop, open: false, retry_at, is_sent: false });
        unknown
    }

    /// The settling attempt stands at the next place.
    fn stored(&mut self, settling: &Settling) -> Vec<Action> {
        if settling.open {
            return self.commit(&settling.attempt);
        }
        let noop = self.stored_parts(&settling.attempt, 1);
        noop.into_iter().flat_map(|stored| self.absorb(stored)).collect()
    }

    pub(super) fn look_again(&mut self, settling: Settling) {
        let retry_at = Some(self.now + RETRY);
        self.phase = Phase::Settling(Settling { retry_at, is_sent: false, ..settling });
    }
}
