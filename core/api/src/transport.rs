use std::fmt::{Debug, Display};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{AttemptId, Lineage, Result, RunningHash, Seq, TransportHealth};

/// A stream of chunks of any size; an error ends it.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// The ordered log that all nodes share.
///
/// Implementations promise: sequences start at 1 and grow by one per stored part; what is
/// stored at a sequence never changes; an entry's parts are stored all or none, one after the
/// other. A clone of the `Arc` shares all state.
#[async_trait]
pub trait ChangeTransport: Debug + Display + Send + Sync + 'static {
    /// What this transport can do. Constant after it was opened.
    fn capabilities(&self) -> Capabilities;

    /// Stores the draft's parts as one entry, all or none.
    ///
    /// Returns only after the entry is as durable as [`Capabilities::synced`] says. A draft
    /// that is sent again with the same attempt is stored at most once as long as its
    /// condition is kept. Dropping the future leaves the outcome unknown.
    async fn append(&self, draft: Draft) -> Result<Appended, AppendError>;

    /// Everything from `from` on, in order and without a gap, then what is appended later,
    /// own entries included. Yields [`Delivery::Reconnected`] after continuity was
    /// interrupted, before the next entry. [`crate::Error::Truncated`] if `from` is no longer
    /// stored (an error item if it is trimmed while the subscription lags).
    async fn subscribe(&self, from: Seq) -> Result<BoxStream<'static, Result<Delivery>>>;

    /// What is stored at `seq`: `None` if the log ends before it,
    /// [`crate::Error::Truncated`] if it was trimmed. Never served by a lagging replica.
    async fn read(&self, seq: Seq) -> Result<Option<Stored>>;

    /// Which log this is, and where it begins and ends now.
    async fn bounds(&self) -> Result<Bounds>;

    /// Forgets the entries below `before`.
    async fn trim(&self, before: Seq) -> Result<()>;

    /// Stores a snapshot. It is listed, and this returns, only after what was stored has been
    /// read back and found to have the digest and the length of `meta`: the log is trimmed by
    /// what is listed. Stores it again under the same digest without harm.
    async fn put_snapshot(&self, meta: SnapshotMeta, body: ByteStream) -> Result<()>;

    /// The stored snapshots, the newest position first; those of one position in the same order for
    /// everybody who asks.
    async fn snapshots(&self) -> Result<Vec<SnapshotMeta>>;

    /// The body of a snapshot that [`Self::snapshots`] listed.
    async fn get_snapshot(&self, meta: &SnapshotMeta) -> Result<ByteStream>;

    /// Forgets a snapshot; no error if there is none. Who reads its body meanwhile may get an
    /// error.
    async fn remove_snapshot(&self, meta: &SnapshotMeta) -> Result<()>;

    /// What of the log is worse than it was, in words for an operator: fewer replicas, say. A node
    /// is not ready while there is anything. Told from memory, without asking anybody.
    fn warnings(&self) -> Vec<String>;

    /// How the transport is. It does not ask the log, so that it answers when nothing else does;
    /// one that knows nothing says nothing.
    async fn health(&self) -> TransportHealth;

    /// Takes a server that keeps the log together with others out of their number for good.
    /// [`crate::Error::no_members`] where there are none.
    async fn remove_member(&self, name: &str) -> Result<()>;

    /// Ends all subscriptions and releases connections. Later calls fail with
    /// [`crate::Error::Closed`]; closing again is no error.
    async fn close(&self) -> Result<()>;
}

/// What a transport can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Other nodes can read what is appended.
    pub replicated: bool,
    /// An acknowledged entry survives a power loss of the machine that stores it.
    pub synced: bool,
    /// The largest part in bytes.
    pub max_part_bytes: usize,
    /// How many parts an entry may have.
    pub max_parts: u32,
    /// Snapshots can be stored.
    pub snapshots: bool,
    /// [`ChangeTransport::trim`] works.
    pub trim: bool,
    /// [`ChangeTransport::read`] and [`ChangeTransport::subscribe`] give back what was stored.
    pub readable: bool,
    /// [`ChangeTransport::bounds`] always counts what was acknowledged. Otherwise it may tell
    /// less for a moment, as a replica does that has just become the leader.
    pub exact_bounds: bool,
}

/// An entry to be stored.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Store only if the log ends exactly here; `None` stores unconditionally.
    pub expect: Option<Seq>,
    /// Names this try.
    pub attempt: AttemptId,
    /// The payloads, at least one.
    pub parts: Vec<Bytes>,
}

/// Where an entry was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The sequence of the first part.
    pub first: Seq,
    /// The sequence of the last part.
    pub last: Seq,
}

/// Why an append was not acknowledged. Only [`Self::Unknown`] may have stored the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
pub enum AppendError {
    /// The log did not end at `expect`, for certain: a transport whose servers may disagree about
    /// it has to say [`Self::Unknown`]. `last` is where it ended, if the server told; entries
    /// up to it need not exist for ever.
    #[error("the log no longer ends where the entry was made{}", last.map(|seq| format!(" (it ends at {seq})")).unwrap_or_default())]
    Refused {
        /// The log's end as the refusal told it.
        last: Option<Seq>,
    },
    /// The entry was handed over and no answer proves or excludes that it is stored.
    #[error("outcome unknown: {reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// Nothing was handed over.
    #[error("not sent: {reason}")]
    NotSent {
        /// What is in the way.
        reason: String,
    },
    /// The entry can never be stored by this transport.
    #[error("the entry has {size} bytes, the transport takes {limit}")]
    TooLarge {
        /// Bytes of the entry.
        size: usize,
        /// The limit it exceeds.
        limit: usize,
    },
    /// The transport is closed.
    #[error("the transport is closed")]
    Closed,
}

/// What a subscription yields.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The next entry.
    Entry(Stored),
    /// Continuity was interrupted; the log is now like this. The next entry follows the last
    /// one delivered, or the subscription fails.
    Reconnected(Bounds),
}

/// A payload at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence.
    pub seq: Seq,
    /// Its bytes, as they were appended.
    pub payload: Bytes,
}

/// The log's identity and extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Bounds {
    /// Which log.
    pub lineage: Lineage,
    /// The oldest stored sequence; `last + 1` if nothing is stored.
    pub first: Seq,
    /// The newest sequence ever stored; 0 in a new log. Trimming does not change it.
    pub last: Seq,
    /// Bytes that the stored entries take, as the transport counts them; 0 if it cannot tell.
    pub bytes: u64,
}

/// What a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct SnapshotMeta {
    /// SHA-256 of the body.
    #[cfg_attr(feature = "json", serde(with = "crate::json::digest"))]
    pub digest: [u8; 32],
    /// The body's length in bytes.
    pub bytes: u64,
    /// The log it belongs to.
    pub lineage: Lineage,
    /// The position of its state.
    pub seq: Seq,
    /// The running hash at that position.
    pub hash: RunningHash,
}
