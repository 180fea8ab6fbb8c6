//! What a log holds, and what becomes of it.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, Draft, Error, Lineage, Result, Seq, SnapshotMeta,
    Stored,
};

use crate::Fault;

/// One node's connection to the log.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) closed: bool,
    pub(crate) disconnected: bool,
    /// How often continuity was interrupted.
    pub(crate) interruptions: u64,
}

/// The log itself.
#[derive(Debug)]
pub(crate) struct State {
    lineage: Lineage,
    created: i128,
    first: Seq,
    entries: VecDeque<Bytes>,
    /// All entries together.
    bytes: u64,
    attempts: HashMap<AttemptId, Appended>,
    pub(crate) delayed: Vec<Draft>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) warnings: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) snapshots: Vec<(SnapshotMeta, Bytes)>,
}

impl State {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            lineage: Lineage::of_stream(name, 0),
            created: 0,
            first: Seq(1),
            entries: VecDeque::new(),
            bytes: 0,
            attempts: HashMap::new(),
            delayed: Vec::new(),
            faults: VecDeque::new(),
            warnings: Vec::new(),
            nodes: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    pub(crate) fn rename(&mut self, name: &str) {
        self.created += 1;
        self.lineage = Lineage::of_stream(name, self.created);
    }

    pub(crate) fn recreate(&mut self, name: &str) {
        self.rename(name);
        self.first = Seq(1);
        self.entries.clear();
        self.bytes = 0;
        self.attempts.clear();
    }

    pub(crate) fn truncate(&mut self, last: Seq) {
        let kept = (last.0 + 1).saturating_sub(self.first.0);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX).min(self.entries.len());
        self.bytes -= self.entries.drain(kept..).map(|lost| lost.len() as u64).sum::<u64>();
        self.first = self.first.min(last.next());
        self.attempts.retain(|_, appended| appended.last <= last);
    }

    pub(crate) fn interrupt_all(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.interruptions += 1);
    }

    pub(crate) fn last(&self) -> Seq {
        Seq(self.first.0 + self.entries.len() as u64 - 1)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let (first, last, bytes) = (self.first, self.last(), self.bytes);
        Bounds { lineage: self.lineage, first, last, bytes }
    }

    /// Stores a draft. As in JetStream with one replica the condition is looked at before the
    /// attempt: an entry that is stored already is refused unless it is unconditional.
    pub(crate) fn store(&mut self, draft: &Draft) -> Result<Appended, AppendError> {
        let last = self.last();
        if draft.expect.is_some_and(|expect| expect != last) {
            return Err(AppendError::Refused { last: Some(last) });
        }
        if let Some(appended) = self.attempts.get(&draft.attempt) {
            return Ok(*appended);
        }
        self.bytes += draft.parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.entries.extend(draft.parts.iter().cloned());
        let appended = Appended { first: last.next(), last: self.last() };
        self.attempts.insert(draft.attempt, appended);
        Ok(appended)
    }

    /// Stores the first parts of a draft, if its condition holds.
    pub(crate) fn tear(&mut self, draft: &Draft, parts: usize) {
        if draft.parts.len() <= parts {
            let _ = self.store(draft);
        } else if draft.expect.is_none_or(|expect| expect == self.last()) {
            let stored = &draft.parts[..parts];
            self.bytes += stored.iter().map(|part| part.len() as u64).sum::<u64>();
            self.entries.extend(stored.iter().cloned());
        }
    }

    pub(crate) fn delay(&mut self, draft: Draft) {
        self.delayed.push(draft);
    }

    /// The entry at `seq`; `None` if the log ends before it.
    pub(crate) fn get(&self, seq: Seq) -> Result<Option<Stored>> {
        let Some(index) = seq.0.checked_sub(self.first.0) else {
            return Err(Error::Truncated { from: seq, first: self.first });
        };
        let payload = usize::try_from(index).ok().and_then(|index| self.entries.get(index));
        Ok(payload.map(|payload| Stored { seq, payload: payload.clone() }))
    }

    pub(crate) fn trim(&mut self, before: Seq) {
        let before = before.min(self.last().next());
        while self.first < before {
            let forgotten = self.entries.pop_front();
            self.bytes -= forgotten.map_or(0, |payload| payload.len() as u64);
            self.first = self.first.next();
        }
    }
}
