use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ha_core::{Seq, SnapshotMeta};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::state::{Node, State};
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
