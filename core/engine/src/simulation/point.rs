//! A place in a log, and what its entries make of the state.

use std::rc::Rc;

use bytes::Bytes;
use ha_changes::{
    Assembler, BaseSnapshot, Change, Entry, Keyed, Kind, Meta, Part, Progress, RowOp,
};
use ha_core::{RunningHash, Seq, Value};

use super::check;
use super::state::{MARKS, State};

/// A place in a log, and the states it stands for.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) seq: Seq,
    pub(super) payload: Bytes,
    pub(super) hash: RunningHash,
    /// Before the entry and after each of its transactions.
    pub(super) states: Vec<Rc<State>>,
    /// Whose transactions they are.
    pub(super) ops: Vec<i64>,
    /// Those of the whole history, with the logs that it goes on from.
    pub(super) done: Rc<Vec<i64>>,
    /// What the log was begun anew with, if this is its base.
    pub(super) origin: Option<Rc<Self>>,
    /// The entry goes on after this part, if its other parts come.
    open: Option<Run>,
}

/// The parts of an entry that have come, and what the last of them says.
#[derive(Debug, Clone)]
struct Run {
    parts: Vec<Part>,
    meta: Meta,
}

impl Point {
    /// Before the first entry.
    pub(super) fn start() -> Self {
        Self {
            seq: Seq::ZERO,
            payload: Bytes::new(),
            hash: RunningHash::default(),
            states: vec![Rc::default()],
            ops: Vec::new(),
            done: Rc::default(),
            origin: None,
            open: None,
        }
    }

    /// The base of a log that goes on from `origin`.
    pub(super) fn base(payload: Bytes, base: &BaseSnapshot, origin: &Rc<Self>) -> Self {
        let seq = base.seq.next();
        Self {
            hash: base.hash.extend(seq, &payload),
            states: vec![Rc::clone(origin.state())],
            done: Rc::clone(&origin.done),
            origin: Some(Rc::clone(origin)),
            seq,
            payload,
            ..Self::start()
        }
    }

    /// What stands after `before` once a payload comes there.
    pub(super) fn after(before: &Self, payload: Bytes) -> Self {
        let seq = before.seq.next();
        let hash = before.hash.extend(seq, &payload);
        let mut point = Self {
            seq,
            payload,
            hash,
            states: vec![Rc::clone(before.state())],
            ops: Vec::new(),
            done: Rc::clone(&before.done),
            origin: None,
            open: None,
        };
        let Ok(part) = ha_changes::decode_part(&point.payload) else { return point };
        let Some(meta) = part.meta().cloned() else { return point };
        let parts = match &before.open {
            Some(run) if part.continues(&run.meta) => [&run.parts[..], &[part]].concat(),
            _ if meta.part.0 == 1 && before.is_base_of(&meta) => vec![part],
            _ => return point,
        };
        if meta.part.0 < meta.part.1 {
            point.open = Some(Run { parts, meta });
        } else if let Some(entry) = whole(parts) {
            point.fold(&entry);
        }
        point
    }

    /// Whether an entry was made on this state.
    fn is_base_of(&self, Meta { base, .. }: &Meta) -> bool {
        base.seq == self.seq && base.hash == self.hash
    }

    /// The state after the whole entry.
    pub(super) fn state(&self) -> &Rc<State> {
        self.states.last().expect("there is a state before the entry")
    }

    /// Whether it may be in the middle of an entry, given what comes after it: nobody stands here as
    /// long as that may be one.
    pub(super) fn is_inside(&self, after: &[Rc<Self>]) -> bool {
        let Some(run) = &self.open else { return false };
        let mut meta = run.meta.clone();
        for point in after {
            let part = ha_changes::decode_part(&point.payload).ok();
            let part = part.filter(|part| part.continues(&meta));
            let Some(next) = part.as_ref().and_then(Part::meta) else { return false };
            meta = next.clone();
            if meta.part.0 == meta.part.1 {
                return true;
            }
        }
        true
    }

    /// What the entry makes of the state.
    fn fold(&mut self, entry: &Entry) {
        let kind = entry.meta.as_ref().map(|meta| &meta.kind);
        let Some(Kind::Transactions(marks)) = kind else { return };
        let mut rest = &entry.changes[..];
        for mark in marks {
            let (changes, others) = rest.split_at(mark.changes);
            rest = others;
            let before = Rc::clone(self.state());
            let mut after = State::clone(&before);
            after.apply(changes).unwrap_or_else(|wrong| panic!("a valid entry: {wrong}"));
            let op = keyed(mark.id.as_ref()).unwrap_or_else(|| marked(changes));
            check::effect(op, &before, &after);
            self.ops.push(op);
            Rc::make_mut(&mut self.done).push(op);
            self.states.push(Rc::new(after));
        }
    }
}

/// The entry that these are the parts of.
fn whole(parts: Vec<Part>) -> Option<Entry> {
    let mut assembler = Assembler::default();
    let mut pushed = parts.into_iter().map(|part| assembler.push(part));
    pushed.find_map(|progress| match progress {
        Ok(Progress::Complete(entry)) => Some(entry),
        _ => None,
    })
}

/// The number of the transaction, from the key that it has.
fn keyed(id: Option<&Keyed>) -> Option<i64> {
    id?.key.strip_prefix("op ")?.parse().ok()
}

/// The number of the transaction, from the row that each inserts; 0 if there is none.
fn marked(changes: &[Change]) -> i64 {
    let mut numbers = changes.iter().filter_map(|change| match change {
        Change::Row(row) if row.table.name == MARKS => match &row.op {
            RowOp::Insert { new, .. } => match new[..] {
                [Value::Integer(op)] => Some(op),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    numbers.next_back().unwrap_or(0)
}
