//! The transport over NATS JetStream: the log is a stream, an entry is a message or an atomic
//! batch of messages, snapshots are in an object store beside it.
//!
//! What makes it sound: a message is stored on the condition that the stream ends where the
//! writer stands, every try has a name of its own, and an answer counts as a success or a
//! refusal only if nothing else could explain it. All the rest is
//! [`ha_core::AppendError::Unknown`].

mod answer;
mod append;
mod batch;
mod config;
mod credentials;
mod link;
mod options;
mod roll_call;
mod snapshots;
mod stream;
mod subscription;
mod transport;
mod waiting;

pub use options::Options;
pub use roll_call::Standing;
pub use transport::JetStream;
