use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::{Event, History, Kind, Step};

/// Writes down what clients do, from any thread. Clones write the same history.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    processes: u64,
}

/// A transaction that has begun. Dropped without an end, it is [`Kind::Info`].
#[derive(Debug)]
pub struct Call {
    recorder: Recorder,
    process: u64,
    steps: Vec<Step>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self(Arc::new(Inner { start: Instant::now(), state: Mutex::default() }))
    }
}

impl Recorder {
    /// A process of its own. One whose transaction ended as [`Kind::Info`] needs a new one,
    /// since nobody knows whether it is at its end.
    #[must_use]
    pub fn process(&self) -> u64 {
        let mut state = self.state();
        state.processes += 1;
        state.processes
    }

    /// A transaction begins now: call this before anything is sent.
    #[must_use]
    pub fn begin(&self, process: u64, steps: Vec<Step>) -> Call {
        self.push(Kind::Invoke, process, steps.clone());
        Call { recorder: self.clone(), process, steps }
    }

    /// What was written down so far.
    #[must_use]
    pub fn history(&self) -> History {
        History(self.state().events.clone())
    }

    /// The time is taken under the lock, so that events are in its order.
    fn push(&self, kind: Kind, process: u64, steps: Vec<Step>) {
        let mut state = self.state();
        let nanos = self.0.start.elapsed().as_nanos();
        let time = u64::try_from(nanos).expect("no test runs for 500 years");
        state.events.push(Event { kind, process, time, steps });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// It happened; `lists` are those of its reads, in order.
    pub fn ok(mut self, lists: impl IntoIterator<Item = Vec<u64>>) {
        let mut lists = lists.into_iter();
        for step in &mut self.steps {
            if let Step::Read(_, list) = step {
                *list = lists.next();
            }
        }
        self.end(Kind::Ok);
    }

    /// It did not happen.
    pub fn fail(mut self) {
        self.end(Kind::Fail);
    }

    fn end(&mut self, kind: Kind) {
        let steps = mem::take(&mut self.steps);
        self.recorder.push(kind, self.process, steps);
        self.process = 0;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.process != 0 {
            self.end(Kind::Info);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_down_with_their_ends() {
        let recorder = Recorder::default();
        let steps = || vec![Step::Append(1, 1), Step::Read(1, None)];
        recorder.begin(recorder.process(), steps()).ok([vec![1]]);
        recorder.begin(recorder.process(), steps()).fail();
        drop(recorder.begin(recorder.process(), steps()));
        let history = recorder.history();
        let kinds: Vec<Kind> = history.0.iter().map(|event| event.kind).collect();
        use Kind::{Fail, Info, Invoke, Ok};
        assert_eq!(kinds, [Invoke, Ok, Invoke, Fail, Invoke, Info]);
        assert_eq!(history.0[1].steps[1], Step::Read(1, Some(vec![1])));
        assert!(history.0.is_sorted_by_key(|event| event.time));
        assert_eq!(history.transactions().unwrap().len(), 3);
    }
}
