//! Histories made up for tests.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::collections::BTreeMap;

use ha_checker::{Event, History, Kind, Step, append};

/// A transaction that somebody says he did.
#[derive(Debug, Clone)]
pub struct Told {
    pub process: u64,
    /// When it began and ended.
    pub span: (u64, u64),
    /// How it ended.
    pub end: Kind,
    pub steps: Vec<Step>,
}

/// The history of transactions in the order of time; an end is before a beginning at the same
/// moment only if it is its own.
pub fn history(told: &[Told]) -> History {
    let mut events: Vec<(u64, bool, Event)> = Vec::new();
    for one in told {
        let event = |kind, time, steps| Event { kind, process: one.process, time, steps };
        let asked = one.steps.iter().map(forget).collect();
        let steps = if one.end == Kind::Ok { one.steps.clone() } else { Vec::clone(&asked) };
        events.push((one.span.0, false, event(Kind::Invoke, one.span.0, asked)));
        events.push((one.span.1, true, event(one.end, one.span.1, steps)));
    }
    events.sort_by_key(|(time, end, _)| (*time, *end));
    History(events.into_iter().map(|(_, _, event)| event).collect())
}

fn forget(step: &Step) -> Step {
    match step {
        Step::Append(..) => step.clone(),
        Step::Read(key, _) => Step::Read(*key, None),
    }
}

/// The names of what is wrong with a history.
pub fn names(history: &History) -> Vec<String> {
    let anomalies = append::check(history).unwrap();
    anomalies.into_iter().map(|anomaly| anomaly.name).collect()
}

/// The lists of a database.
pub type Lists = BTreeMap<u64, Vec<u64>>;

/// Executes steps: fills in the lists of the reads.
pub fn execute(lists: &mut Lists, steps: &mut [Step]) {
    for step in steps {
        match step {
            Step::Append(key, value) => lists.entry(*key).or_default().push(*value),
            Step::Read(key, list) => *list = Some(lists.get(key).cloned().unwrap_or_default()),
        }
    }
}
