use std::time::Duration;

use bytes::Bytes;
use ha_changes::{Audit, BaseSnapshot, Entry, Part};
use ha_core::{
    AppendError, Appended, AttemptId, AttemptName, Bounds, Draft, Error, RunningHash, Seq, Stored,
};

use super::{NoSeed, Position, Reseed, Target};

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A group was executed on the position and is open in SQLite. Only when
    /// [`super::Machine::can_execute`].
    Executed {
        /// The attempt that [`super::Machine::next_meta`] named.
        id: AttemptId,
        /// The entry's messages: one, or several parts.
        parts: Vec<Bytes>,
        /// When its first client must be answered.
        deadline: Duration,
    },
    /// The group of [`Action::Offer`] is not offered: what it is made of has changed.
    Withdrawn,
    /// An append was answered.
    Acked {
        /// Which.
        id: AttemptId,
        /// The answer.
        result: Result<Appended, AppendError>,
    },
    /// A read of the log was answered.
    ReadBack {
        /// What was read.
        seq: Seq,
        /// The answer.
        result: Result<Option<Stored>, Error>,
    },
    /// The subscription gave an entry.
    Delivered(Stored),
    /// An entry was committed or applied, or skipped, and the position with it.
    Moved {
        /// The entry.
        seq: Seq,
        /// The hash after it.
        hash: RunningHash,
    },
    /// A part that is not the last of its entry was applied, in a transaction that stays open.
    Staged,
    /// The parts that came contradict each other, on every node; what was applied of them is
    /// taken back.
    Torn,
    /// The database is to become another state, whatever the node is doing.
    Reseed(Reseed),
    /// So many bytes of the snapshot of [`Action::Fetch`] have arrived.
    Fetching {
        /// Those that have arrived.
        done: u64,
        /// All.
        total: u64,
    },
    /// The snapshot of [`Action::Fetch`] was restored, or [`Action::Mend`] has found the same state
    /// in another log; the database stands there.
    Adopted(Position),
    /// The log is not the one that was applied here; the text says in what.
    Misfit(String),
    /// The log fits the position again.
    Mended,
    /// [`Action::Mend`] has come to nothing.
    NotMended {
        /// What is in the way.
        reason: String,
        /// Somebody has to act; otherwise it is not known what the log is like.
        hopeless: bool,
    },
    /// Nothing was restored.
    NoSeed(NoSeed),
    /// The commit that [`Action::Commit`] asked for failed on this node.
    CommitFailed {
        /// What SQLite said.
        reason: String,
    },
    /// The log is like this.
    Bounds(Bounds),
    /// The log cannot be reached.
    Unreachable(String),
    /// An entry could not be applied for now: the disk is full, say.
    Stuck(String),
    /// Something that this node cannot get over by itself.
    Failed(String),
    /// The entries of [`Action::Record`] and the position are written.
    Recorded,
    /// A strong read has arrived; reads are numbered from 1, in the order of arrival.
    Asked {
        /// Its number.
        read: u64,
    },
    /// Ask the other nodes to append nothing for so long. Ignored unless
    /// [`super::Machine::can_execute`].
    AskTurn(Duration),
    /// Everything that had arrived was told, and every group that may be executed is.
    Quiet,
    /// Time has passed.
    Tick,
}

/// An entry that changes no state, on which an open group stands already.
#[derive(Debug, Clone)]
pub struct Folded {
    /// The entry.
    pub stored: Stored,
    /// Why it changes no state, if it should have.
    pub reason: Option<String>,
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Send it and tell [`Event::Acked`].
    Append(Draft),
    /// Read it and tell [`Event::ReadBack`].
    Read(Seq),
    /// Compare what the log holds at the position with what was applied, before anything else
    /// that the log says is told; tell [`Event::Misfit`] if it differs or is gone.
    Verify,
    /// Do what makes the log and the position fit, and tell [`Event::Mended`], [`Event::Adopted`],
    /// [`Event::Reseed`] or [`Event::NotMended`].
    Mend,
    /// Ask for the log's bounds and tell [`Event::Bounds`].
    AskBounds,
    /// Commit the open group as this entry, answer its clients, and tell [`Event::Moved`] or
    /// [`Event::CommitFailed`].
    Commit {
        /// The entries between the database's position and this one.
        folded: Vec<Folded>,
        /// The place of the entry's last part.
        seq: Seq,
        /// The hash after it.
        hash: RunningHash,
        /// The parts' bytes.
        parts: Vec<Bytes>,
    },
    /// Encode the open group for the position and tell [`Event::Executed`] or [`Event::Withdrawn`].
    Offer,
    /// Roll the open group back.
    Rollback(Fate),
    /// Write these and the position after them, and tell [`Event::Recorded`], or
    /// [`Event::Stuck`] or [`Event::Failed`]. Nothing is open.
    Record {
        /// The entries.
        folded: Vec<Folded>,
        /// Where the database stands then.
        position: Position,
    },
    /// Another node has asked for so long; nothing is executed until then, or until it has
    /// appended.
    Hold(Duration),
    /// Strong reads up to this number may open their snapshots.
    Serve(u64),
    /// Apply an entry and tell [`Event::Moved`], [`Event::Stuck`] or [`Event::Failed`]; for
    /// [`How::Base`] only tell [`Event::Reseed`]. Of a part that is not its entry's last tell
    /// [`Event::Staged`] instead of [`Event::Moved`], of one that contradicts those before it
    /// [`Event::Torn`].
    Apply {
        /// Its place.
        seq: Seq,
        /// The hash after it.
        hash: RunningHash,
        /// Its bytes.
        payload: Bytes,
        /// What it means.
        how: How,
    },
    /// Take part in comparing the nodes' states. The database has the state of that place.
    Audit(Heard),
    /// Take back what was applied of an entry of which not all parts have come.
    Unstage,
    /// Follow the log no longer, find the state that the database is to become, restore it, and
    /// tell [`Event::Adopted`] or [`Event::NoSeed`]. Nothing is open.
    Fetch(Target),
    /// Subscribe anew from here.
    Resubscribe(Seq),
    /// Say so; the node takes no writes and applies nothing any more.
    Stop(String),
}

/// A step of comparing the nodes' states, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its place.
    pub seq: Seq,
    /// Who made it.
    pub node: String,
    /// What it is.
    pub audit: Audit,
}

/// What becomes of the transactions of a group that was rolled back.
#[derive(Debug, Clone)]
pub enum Fate {
    /// They are executed again.
    Again,
    /// Their clients are told this.
    Failed(Error),
    /// Their clients are told that the outcome is unknown.
    Unknown(AttemptName),
    /// They are in the log under this name; the entry is applied next, and then their clients
    /// are answered.
    Applying(AttemptName),
}

/// What an entry means for this node.
#[derive(Debug, Clone)]
pub enum How {
    /// One of ours: it must apply.
    Ours(Box<Entry>),
    /// A part of one of ours. The first opens a transaction that the last one commits, with
    /// the position.
    Part(Box<Part>),
    /// One of v0.0.7: it may fail, the same way on each node.
    Foreign(Box<Entry>),
    /// A base: the database becomes its snapshot.
    Base(BaseSnapshot),
    /// A step of comparing the nodes' states, which changes nothing.
    Audit(Heard),
    /// The node that made this attempt asks the others to wait.
    Turn(AttemptId, Duration),
    /// It changes no state; the reason, if it should have.
    Nothing(Option<String>),
}
