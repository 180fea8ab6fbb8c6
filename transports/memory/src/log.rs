use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ha_core::{
    AppendError, Appended, AttemptId, Bounds, Draft, Error, Lineage, Result, Seq, SnapshotMeta,
    Stored,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::{Fault, Memory, Spoil};

/// A log that the nodes of one process share. Clones are handles of the same log.
///
/// Everything happens in the order of the calls, on the thread of the caller.
#[derive(Debug, Clone)]
pub struct MemoryLog(Arc<Shared>);

/// How a log is to be.
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    /// Makes the lineage; logs of the same name have the same one.
    pub name: String,
    /// The largest part in bytes.
    pub max_part_bytes: usize,
    /// How many parts an entry may have.
    pub max_parts: u32,
    /// What the transports say about power losses.
    pub synced: bool,
    /// What the transports say about their bounds.
    pub exact_bounds: bool,
}

impl Default for MemoryOptions {
    /// A name of its own, parts of up to 1 MiB, 1000 of them, not synced, with exact bounds.
    fn default() -> Self {
        static LOGS: AtomicU64 = AtomicU64::new(0);
        let name = format!("memory-{}", LOGS.fetch_add(1, Ordering::Relaxed));
        Self { name, max_part_bytes: 1 << 20, max_parts: 1000, synced: false, exact_bounds: true }
    }
}

impl MemoryLog {
    /// An empty log with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::with(MemoryOptions::default())
    }

    /// An empty log.
    #[must_use]
    pub fn with(options: MemoryOptions) -> Self {
        let state = State::new(&options.name);
        Self(Arc::new(Shared {
            options,
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
        }))
    }

    /// A node's transport over this log.
    #[must_use]
    pub fn open(&self) -> Arc<Memory> {
        let mut state = self.0.state.lock();
        state.nodes.push(Node::default());
        Arc::new(Memory::new(Arc::clone(&self.0), state.nodes.len() - 1))
    }

    /// Disturbs the next append that is not disturbed yet, of whichever node.
    pub fn inject(&self, fault: Fault) {
        self.0.state.lock().faults.push_back(fault);
    }

    /// Lets the appends arrive that [`Fault::Delayed`] holds back, in their order.
    pub fn release(&self) {
        self.0.change(|state| {
            for draft in std::mem::take(&mut state.delayed) {
                // Nobody waits for the answer any more.
                let _ = state.store(&draft);
            }
        });
    }

    /// Cuts the node off: appends are not sent, other calls fail, subscriptions stay pending.
    pub fn disconnect(&self, node: &Memory) {
        self.0.change(|state| state.nodes[node.id()].disconnected = true);
    }

    /// Ends [`Self::disconnect`]; the node's subscriptions say so.
    pub fn reconnect(&self, node: &Memory) {
        self.0.change(|state| {
            let node = &mut state.nodes[node.id()];
            node.disconnected = false;
            node.interruptions += 1;
        });
    }

    /// Loses everything after `last`, as a server does that did not sync. The lineage stays.
    pub fn rewind(&self, last: Seq) {
        self.0.change(|state| {
            state.truncate(last);
            state.interrupt_all();
        });
    }

    /// Damages a stored snapshot, as a disk may; its description stays.
    pub fn spoil(&self, meta: &SnapshotMeta, how: Spoil) {
        self.0.change(|state| {
            for (kept, body) in &mut state.snapshots {
                if kept.digest == meta.digest {
                    *body = how.apply(body);
                }
            }
        });
    }

    /// Has every node warned of these.
    pub fn warn(&self, warnings: &[&str]) {
        let warnings = warnings.iter().map(|&text| text.to_owned()).collect();
        self.0.change(|state| state.warnings = warnings);
    }

    /// Gives the log a new lineage, and leaves all it holds as it is: so does a server that tells
    /// another moment of the stream's creation after a restart.
    pub fn rename(&self) {
        self.0.change(|state| {
            state.rename(&self.0.options.name);
            state.interrupt_all();
        });
    }

    /// Makes the log again, empty and with a new lineage. Snapshots stay.
    pub fn recreate(&self) {
        self.0.change(|state| {
            state.recreate(&self.0.options.name);
            state.interrupt_all();
        });
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

/// What the handles of a log and its nodes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: MemoryOptions,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Shared {
    /// Locks the state to look at it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes the state and wakes the subscriptions.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.changed.send_replace(());
        result
    }

    /// Sees every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

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
    delayed: Vec<Draft>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) warnings: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) snapshots: Vec<(SnapshotMeta, Bytes)>,
}

impl State {
    fn new(name: &str) -> Self {
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

    fn rename(&mut self, name: &str) {
        self.created += 1;
        self.lineage = Lineage::of_stream(name, self.created);
    }

    fn recreate(&mut self, name: &str) {
        self.rename(name);
        self.first = Seq(1);
        self.entries.clear();
        self.bytes = 0;
        self.attempts.clear();
    }

    fn truncate(&mut self, last: Seq) {
        let kept = (last.0 + 1).saturating_sub(self.first.0);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX).min(self.entries.len());
        self.bytes -= self.entries.drain(kept..).map(|lost| lost.len() as u64).sum::<u64>();
        self.first = self.first.min(last.next());
        self.attempts.retain(|_, appended| appended.last <= last);
    }

    fn interrupt_all(&mut self) {
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
