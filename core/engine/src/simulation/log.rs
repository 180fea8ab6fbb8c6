//! The log, with everything that was ever stored in it, and the state after each entry.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use ha_changes::{Change, Entry, Keyed, Kind, RowOp};
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, Draft, Error, Lineage, Result, RunningHash, Seq,
    SnapshotMeta, Stored, Value,
};

use super::Genesis;
use super::state::{MARKS, State};

/// No schedule has so many entries.
const ENDLESS: u64 = 5_000;

/// The log.
pub(super) struct Log {
    lineage: Lineage,
    renamed: bool,
    first: Seq,
    /// The entries and what stands after them, from sequence 0 on.
    chain: Vec<Rc<Point>>,
    attempts: HashMap<AttemptId, Appended>,
    /// The newest last.
    snapshots: Vec<(SnapshotMeta, Bytes)>,
    /// Every point that ever was, by sequence.
    points: HashMap<Seq, Vec<Rc<Point>>>,
}

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
}

impl Point {
    /// The state after the whole entry.
    pub(super) fn state(&self) -> &Rc<State> {
        self.states.last().expect("there is a state before the entry")
    }
}

impl Log {
    pub(super) fn new(lineage: Lineage, genesis: Option<&Genesis>) -> Self {
        let start = Rc::new(Point {
            seq: Seq::ZERO,
            payload: Bytes::new(),
            hash: RunningHash::default(),
            states: vec![Rc::default()],
            ops: Vec::new(),
        });
        let points = HashMap::from([(Seq::ZERO, vec![Rc::clone(&start)])]);
        let mut log = Self {
            lineage,
            renamed: false,
            first: Seq(1),
            chain: vec![start],
            attempts: HashMap::new(),
            snapshots: Vec::new(),
            points,
        };
        genesis.iter().flat_map(|genesis| &genesis.entries).for_each(|one| log.push(one.clone()));
        log
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { lineage: self.lineage, first: self.first, last: self.last(), bytes: 0 }
    }

    pub(super) fn last(&self) -> Seq {
        self.end().seq
    }

    /// The newest point.
    pub(super) fn end(&self) -> &Rc<Point> {
        self.chain.last().expect("it begins with a point")
    }

    /// The points of the log as it is, in order.
    pub(super) fn chain(&self) -> &[Rc<Point>] {
        &self.chain
    }

    /// Whatever ever stood there.
    pub(super) fn points(&self, seq: Seq) -> &[Rc<Point>] {
        self.points.get(&seq).map_or(&[], Vec::as_slice)
    }

    /// Stores a draft as JetStream with one replica does: the condition comes first.
    pub(super) fn store(&mut self, draft: &Draft) -> Result<Appended, AppendError> {
        let last = self.last();
        if draft.expect.is_some_and(|expect| expect != last) {
            return Err(AppendError::Refused { last: Some(last) });
        }
        if let Some(appended) = self.attempts.get(&draft.attempt) {
            return Ok(*appended);
        }
        for part in &draft.parts {
            self.push(part.clone());
        }
        let appended = Appended { first: last.next(), last: self.last() };
        self.attempts.insert(draft.attempt, appended);
        Ok(appended)
    }

    /// Stores something, whoever sent it.
    pub(super) fn push(&mut self, payload: Bytes) {
        let before = Rc::clone(self.end());
        let seq = before.seq.next();
        assert!(seq.0 < ENDLESS, "the log grows for ever");
        let hash = before.hash.extend(seq, &payload);
        let (states, ops) = self.fold(&before, &payload);
        let point = Rc::new(Point { seq, payload, hash, states, ops });
        self.points.entry(seq).or_default().push(Rc::clone(&point));
        self.chain.push(point);
    }

    /// What the entry makes of the state.
    fn fold(&self, before: &Point, payload: &[u8]) -> (Vec<Rc<State>>, Vec<i64>) {
        let mut states = vec![Rc::clone(before.state())];
        let mut ops = Vec::new();
        let Some(entry) = self.valid(before, payload) else { return (states, ops) };
        let Some(Kind::Transactions(marks)) = entry.meta.map(|meta| meta.kind) else {
            return (states, ops);
        };
        let mut rest = &entry.changes[..];
        for mark in marks {
            let (changes, others) = rest.split_at(mark.changes);
            rest = others;
            let before = Rc::clone(states.last().expect("there is one"));
            let mut after = State::clone(&before);
            after.apply(changes).unwrap_or_else(|wrong| panic!("a valid entry: {wrong}"));
            let op = keyed(mark.id.as_ref()).unwrap_or_else(|| marked(changes));
            super::check::effect(op, &before, &after);
            ops.push(op);
            states.push(Rc::new(after));
        }
        (states, ops)
    }

    /// The entry, if it is one and was made on the state before it.
    fn valid(&self, before: &Point, payload: &[u8]) -> Option<Entry> {
        let entry = ha_changes::decode(payload).ok()?;
        let base = entry.meta.as_ref()?.base;
        let fits = base.seq == before.seq && base.hash == before.hash;
        fits.then_some(entry)
    }

    /// The entry at `seq`; `None` if the log ends before it.
    pub(super) fn get(&self, seq: Seq) -> Result<Option<Stored>> {
        if seq < self.first {
            return Err(Error::Truncated { from: seq, first: self.first });
        }
        let point = self.chain.get(seq.0 as usize);
        Ok(point.map(|point| Stored { seq, payload: point.payload.clone() }))
    }

    /// Loses everything after `last`, as a server does that had not synced.
    pub(super) fn rewind(&mut self, last: Seq) {
        self.chain.truncate(last.0 as usize + 1);
        self.attempts.retain(|_, appended| appended.last <= last);
    }

    /// Has another lineage from now on, as a server makes it that forgets when it was made.
    pub(super) fn rename(&mut self) {
        self.lineage.0[0] = self.lineage.0[0].wrapping_add(1);
        self.renamed = true;
    }

    pub(super) fn is_renamed(&self) -> bool {
        self.renamed
    }

    /// Whether everything is still stored.
    pub(super) fn is_whole(&self) -> bool {
        self.first == Seq(1)
    }

    /// The least end that the log can have without a gap to the newest snapshot.
    pub(super) fn held(&self) -> Seq {
        let snapshots = self.snapshots.iter().map(|(meta, _)| meta.seq);
        snapshots.max().unwrap_or(Seq(1)).max(Seq(self.first.0 - 1))
    }

    /// Stores a snapshot.
    pub(super) fn keep(&mut self, meta: SnapshotMeta, body: Bytes) {
        self.snapshots.push((meta, body));
    }

    /// The stored snapshots, the newest first.
    pub(super) fn snapshots(&self) -> Vec<SnapshotMeta> {
        self.snapshots.iter().rev().map(|(meta, _)| meta.clone()).collect()
    }

    /// The body of a snapshot.
    pub(super) fn snapshot(&self, digest: [u8; 32]) -> Option<Bytes> {
        let found = self.snapshots.iter().find(|(meta, _)| meta.digest == digest);
        found.map(|(_, body)| body.clone())
    }

    /// Forgets the entries before.
    pub(super) fn trim(&mut self, before: Seq) {
        self.first = self.first.max(before.min(self.last().next()));
    }
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
