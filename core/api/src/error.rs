use std::time::Duration;

use crate::{Lineage, Seq, Token, TransactionName};

/// The result of most calls in `ha`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong across the borders of the parts. Each kind is one that a caller acts on
/// differently.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", content = "detail", rename_all = "snake_case")
)]
pub enum Error {
    /// SQLite refuses the statement.
    #[error("{message}")]
    Sql {
        /// SQLite's extended result code.
        code: i32,
        /// SQLite's own words.
        message: String,
        /// Where in the statement, in bytes, if SQLite tells.
        offset: Option<usize>,
    },
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The statement is one that clients may not run here.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// `ha` cannot do this yet.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Another node was first too often, or the state a transaction had read has changed.
    /// Nothing was stored; the same request may succeed now.
    #[error("could not serialize access because of concurrent writes on other nodes; try again")]
    Conflict,
    /// The write was handed to the log and no answer tells its outcome. It is everywhere or
    /// nowhere; the name can be asked for later.
    #[error("the outcome of the transaction is unknown; ask for {0} later")]
    OutcomeUnknown(TransactionName),
    /// A position that the client gave belongs to another log than the node follows.
    #[error(
        "position {token} belongs to another log, this node follows {lineage}: the database was begun anew{}; read without it",
        begun_from(*kept)
    )]
    OtherLog {
        /// What the client gave.
        token: Token,
        /// The node's log.
        lineage: Lineage,
        /// The last entry of the other log that the node's has, if it is known to go on from that log.
        #[cfg_attr(feature = "json", serde(default))]
        kept: Option<Seq>,
    },
    /// An idempotency key was used before, for another request. Nothing was executed.
    #[error("idempotency key {0:?} was used for another request")]
    KeyReused(String),
    /// The write was not handed to the log. Nothing was stored.
    #[error("the write was not stored: {0}")]
    NotSent(String),
    /// The node cannot serve this now.
    #[error("the node is not ready: {0}")]
    NotReady(String),
    /// The node takes no writes.
    #[error("the node is read-only: {0}")]
    ReadOnly(String),
    /// The statement took longer than it may.
    #[error("canceling statement due to statement timeout ({0:?})")]
    Timeout(Duration),
    /// The statement was cancelled.
    #[error("canceling statement due to user request")]
    Interrupted,
    /// A limit was exceeded.
    #[error("{what} exceeds the limit of {limit}; {hint}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// How large it may be.
        limit: u64,
        /// How to get by, or which flag raises the limit.
        hint: String,
    },
    /// The transaction had written and its client did nothing for too long: it was rolled back.
    #[error("terminating transaction: it was idle for longer than {0:?}")]
    IdleTransaction(Duration),
    /// A call that needs an open transaction, or one that is not gone.
    #[error("{0}")]
    NoTransaction(String),
    /// The log no longer holds what was asked for.
    #[error("the log begins at {first}, {from} is no longer stored")]
    Truncated {
        /// What was asked for.
        from: Seq,
        /// The oldest that is stored.
        first: Seq,
    },
    /// What was stored is not what it should be.
    #[error("{0}")]
    Corrupt(String),
    /// The part is closed or the node is stopping.
    #[error("the node is stopping")]
    Closed,
    /// A setting is wrong.
    #[error("{key}: {reason}")]
    Config {
        /// The flag or key.
        key: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The transport failed.
    #[error("{origin}: {reason}")]
    Transport {
        /// Which transport, and what it did.
        origin: String,
        /// What happened.
        reason: String,
    },
    /// The operating system failed.
    #[error("{context}: {reason}")]
    Io {
        /// What was being done to what.
        context: String,
        /// What the system said.
        reason: String,
    },
}

impl Error {
    /// [`Self::Invalid`].
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }

    /// That there is no member `name` to be removed, nor any other.
    #[must_use]
    pub fn no_members(name: &str) -> Self {
        Self::Unsupported(format!(
            "removing {name:?}: this node's log is not kept by a cluster of embedded servers"
        ))
    }

    /// [`Self::Io`] from a system error.
    pub fn io(context: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Io { context: context.into(), reason: error.to_string() }
    }

    /// [`Self::Transport`].
    #[allow(
        clippy::needless_pass_by_value,
        reason = "errors and texts are handed over as they are"
    )]
    pub fn transport(origin: impl Into<String>, reason: impl ToString) -> Self {
        Self::Transport { origin: origin.into(), reason: reason.to_string() }
    }

    /// [`Self::Config`].
    pub fn config(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { key: key.into(), reason: reason.into() }
    }

    /// Whether the same call may succeed without a change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict | Self::NotSent(_) | Self::NotReady(_))
    }
}

/// Where in another log the followed one begins.
fn begun_from(last: Option<Seq>) -> String {
    last.map_or_else(String::new, |last| {
        format!(" from entry {last} of that log, and has nothing of what was written there later")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_that_a_new_log_has_not_is_refused_with_what_it_has() {
        let token: Token = "00000000000000aa-9.1".parse().unwrap();
        let error = |kept| Error::OtherLog { token, lineage: Lineage([1; 8]), kept }.to_string();
        assert_eq!(
            error(Some(Seq(7))),
            "position 00000000000000aa-9.1 belongs to another log, this node follows 0101010101010101: the \
             database was begun anew from entry 7 of that log, and has nothing of what was written there \
             later; read without it"
        );
        assert!(error(None).ends_with("the database was begun anew; read without it"));
    }
}
