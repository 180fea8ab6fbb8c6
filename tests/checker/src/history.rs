use std::collections::HashMap;

/// What clients did and were told, in the order in which it happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(pub Vec<Event>);

/// A client began something or learned how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which of the two, and the end.
    pub kind: Kind,
    /// Who; does one thing at a time.
    pub process: u64,
    /// Nanoseconds since some moment, the same for all processes.
    pub time: u64,
    /// The steps of the transaction. Reads have a list once it is known.
    pub steps: Vec<Step>,
}

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A transaction begins.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen and never will.
    Fail,
    /// It may have happened, or may still.
    Info,
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Appends a value, which nobody else ever appends to this key.
    Append(u64, u64),
    /// Reads the list of a key; `None` if nobody knows what it returned.
    Read(u64, Option<Vec<u64>>),
}

/// The two events of a transaction together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who did it.
    pub process: u64,
    /// When it began.
    pub invoked: u64,
    /// When the client learned how it ended; `None` if it never did.
    pub completed: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Its steps, with the lists if it happened.
    pub steps: Vec<Step>,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened between its two moments.
    Ok,
    /// It did not happen.
    Fail,
    /// It happened at some moment after it began, or never.
    Info,
}

/// A history that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line cannot be read.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A process does two things at once, or ends what it has not begun.
    #[error("process {process} has {what} at {time}")]
    Process {
        /// Which.
        process: u64,
        /// What it has done.
        what: &'static str,
        /// When.
        time: u64,
    },
    /// A value is appended to a key twice, so that nobody can tell who did.
    #[error("{value} is appended to {key} twice")]
    Ambiguous {
        /// The list.
        key: u64,
        /// The value.
        value: u64,
    },
}

impl History {
    /// The transactions, in the order in which they began. One without an end is
    /// [`Outcome::Info`].
    ///
    /// # Errors
    /// [`Malformed::Process`].
    pub fn transactions(&self) -> Result<Vec<Transaction>, Malformed> {
        let mut open = HashMap::new();
        let mut all: Vec<Transaction> = Vec::new();
        for event in &self.0 {
            let wrong =
                |what| Malformed::Process { process: event.process, what, time: event.time };
            if event.kind == Kind::Invoke {
                if open.insert(event.process, all.len()).is_some() {
                    return Err(wrong("two transactions"));
                }
                all.push(Transaction::begun(event));
            } else {
                let place = open.remove(&event.process).ok_or_else(|| wrong("no transaction"))?;
                all[place].end(event);
            }
        }
        Ok(all)
    }
}

impl Transaction {
    fn begun(event: &Event) -> Self {
        Self {
            process: event.process,
            invoked: event.time,
            completed: None,
            outcome: Outcome::Info,
            steps: event.steps.clone(),
        }
    }

    fn end(&mut self, event: &Event) {
        self.outcome = match event.kind {
            Kind::Ok => Outcome::Ok,
            Kind::Fail => Outcome::Fail,
            Kind::Info | Kind::Invoke => Outcome::Info,
        };
        if self.outcome == Outcome::Ok {
            self.steps.clone_from(&event.steps);
        }
        self.completed = (self.outcome != Outcome::Info).then_some(event.time);
    }

    /// What it appends, in order.
    pub fn appends(&self) -> impl Iterator<Item = (u64, u64)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Append(key, value) => Some((*key, *value)),
            Step::Read(..) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, process: u64, time: u64) -> Event {
        Event { kind, process, time, steps: vec![Step::Read(1, None)] }
    }

    #[test]
    fn events_are_paired_by_process() {
        let history = History(vec![
            event(Kind::Invoke, 1, 10),
            event(Kind::Invoke, 2, 11),
            event(Kind::Fail, 2, 12),
            event(Kind::Invoke, 2, 13),
            event(Kind::Ok, 1, 14),
        ]);
        let all = history.transactions().unwrap();
        let ends: Vec<_> = all.iter().map(|one| (one.outcome, one.completed)).collect();
        let expected = [(Outcome::Ok, Some(14)), (Outcome::Fail, Some(12)), (Outcome::Info, None)];
        assert_eq!(ends, expected);
    }

    #[test]
    fn a_process_does_one_thing_at_a_time() {
        let twice = History(vec![event(Kind::Invoke, 1, 1), event(Kind::Invoke, 1, 2)]);
        let never = History(vec![event(Kind::Ok, 1, 1)]);
        assert!(twice.transactions().is_err() && never.transactions().is_err());
    }
}
