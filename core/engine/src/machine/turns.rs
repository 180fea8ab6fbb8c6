//! Turns: a transaction that takes long to execute never finds the log as it was, while other nodes
//! append without a pause. Its node asks them to wait, by an entry that changes nothing and says for
//! how long. Who folds that appends nothing of its own until the asker has, or the time is over.
//!
//! It is a courtesy and decides nothing: what may be committed is decided as ever, and a node that
//! does not know turns harms nobody but the asker. Nobody leads, and nothing has to be given back:
//! if the asker dies, the time passes.

use std::collections::VecDeque;
use std::time::Duration;

use ha_changes::Kind;
use ha_core::{AppendError, Appended, AttemptId, Draft};

use super::{Action, Machine};

/// The most that nodes wait for one turn.
const LONGEST: Duration = Duration::from_secs(5);

/// How many turns are kept in mind; who asks beyond has to ask again.
const MOST: usize = 8;

/// How long the own question is waited for.
const ASKING: Duration = Duration::from_secs(1);

/// The turns that were asked for and are not over.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// In the order of the log. The first one is on.
    waiting: VecDeque<Turn>,
    /// When the first one ends at the latest.
    until: Duration,
    /// The own question on its way, and until when it is waited for.
    asked: Option<(AttemptId, Duration)>,
}

/// A turn, of the process with this name.
#[derive(Debug, Clone, Copy)]
struct Turn {
    boot: u64,
    time: Duration,
}

impl Turns {
    /// Whether it is not the turn of the process `boot`.
    fn hold(&self, boot: u64, now: Duration) -> bool {
        let asks = self.asked.is_some_and(|(_, until)| until > now);
        let others = self.waiting.front().is_some_and(|turn| turn.boot != boot);
        asks || others && self.until > now
    }

    fn begin(&mut self, turn: Turn, now: Duration) {
        self.pass(now);
        // Who asks again in its own turn gives that up.
        self.end(turn.boot, now);
        self.waiting.retain(|other| other.boot != turn.boot);
        if self.waiting.len() < MOST {
            self.waiting.push_back(turn);
        }
        if let [first] = self.waiting.make_contiguous() {
            self.until = now + first.time;
        }
    }

    /// The process has appended what it wanted to.
    fn end(&mut self, boot: u64, now: Duration) {
        if self.waiting.pop_front_if(|turn| turn.boot == boot).is_some() {
            self.next(now);
        }
    }

    /// Time has passed.
    fn pass(&mut self, now: Duration) {
        while !self.waiting.is_empty() && self.until <= now {
            self.waiting.pop_front();
            self.next(now);
        }
    }

    fn next(&mut self, now: Duration) {
        self.until = now + self.waiting.front().map_or(Duration::ZERO, |turn| turn.time);
    }

    /// When [`Self::pass`] is due.
    fn ends_at(&self) -> Option<Duration> {
        let asked = self.asked.map(|(_, until)| until);
        let waiting = (!self.waiting.is_empty()).then_some(self.until);
        asked.into_iter().chain(waiting).min()
    }
}

impl Machine {
    /// Asks the other nodes to wait for so long.
    pub(super) fn ask_turn(&mut self, time: Duration) -> Vec<Action> {
        if !self.can_execute() {
            return Vec::new();
        }
        match self.empty(Kind::Turn(time.min(LONGEST))) {
            Ok(question) => {
                self.turns.asked = Some((question.id, self.now + ASKING));
                let (attempt, parts) = (question.id, question.parts);
                vec![Action::Append(Draft { expect: None, attempt, parts })]
            }
            Err(error) => self.stop(error.to_string()),
        }
    }

    /// Whether the answer is to the question; if so, what follows. One that is stored comes.
    pub(super) fn turn_answered(
        &mut self,
        id: AttemptId,
        result: &Result<Appended, AppendError>,
    ) -> Option<Vec<Action>> {
        self.turns.asked.filter(|(asked, _)| *asked == id)?;
        if result.is_err() {
            self.turns.asked = None;
        }
        Some(Vec::new())
    }

    /// Somebody has asked.
    pub(super) fn turn_begins(&mut self, of: AttemptId, time: Duration) -> Vec<Action> {
        let turn = Turn { boot: of.boot, time: time.min(LONGEST) };
        self.turns.asked.take_if(|(asked, _)| *asked == of);
        self.turns.begin(turn, self.now);
        let is_own = of.boot == self.identity.boot;
        if is_own { Vec::new() } else { vec![Action::Hold(turn.time)] }
    }

    /// A process has appended something that changes the state.
    pub(super) fn turn_ends(&mut self, boot: u64) {
        self.turns.end(boot, self.now);
    }

    /// Whether other nodes are first.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.turns.hold(self.identity.boot, self.now)
    }

    pub(super) fn turns_pass(&mut self) {
        self.turns.asked.take_if(|(_, until)| *until <= self.now);
        self.turns.pass(self.now);
    }

    pub(super) fn turns_wake_at(&self) -> Option<Duration> {
        self.turns.ends_at()
    }
}
