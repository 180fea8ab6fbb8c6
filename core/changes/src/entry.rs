use std::time::Duration;

use ha_core::{AttemptId, Lineage, RunningHash, Seq};

use crate::{Audit, Change};

/// The version of the message that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What is stored at one sequence of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name of the node that made it.
    pub node: String,
    /// Tells two runs of that node apart: the start of its process in Unix nanoseconds.
    pub process_id: i64,
    /// The maker's wall clock in Unix nanoseconds. It orders nothing.
    pub timestamp_ns: i64,
    /// What only our entries carry; `None` in an entry of v0.0.7, whose changes follow other
    /// rules (see [`crate::RowChange`]).
    pub meta: Option<Meta>,
    /// In the order of execution, effects of triggers and cascades included.
    pub changes: Vec<Change>,
}

/// What v0.0.7 does not say about an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The version of the format, [`FORMAT_VERSION`] in an entry to be encoded.
    pub version: u32,
    /// The try that the entry was made for. All parts of an entry have the same.
    pub id: AttemptId,
    /// Which part of how many, from 1: `(1, 1)` is an entry in one message.
    pub part: (u32, u32),
    /// The position it was made on. The entry is void on any other.
    pub base: Base,
    /// What it is for.
    pub kind: Kind,
    /// The version of SQLite that ran the SQL inside; `None` if there is none.
    pub sqlite: Option<String>,
    /// Functions that the SQL inside needs, in lower case.
    pub functions: Vec<String>,
    /// Virtual table modules that the SQL inside needs, in lower case.
    pub modules: Vec<String>,
}

/// A position of the log, with the hash over everything up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The log.
    pub lineage: Lineage,
    /// The last sequence that was applied.
    pub seq: Seq,
    /// The running hash there.
    pub hash: RunningHash,
}

/// What an entry is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Committed client transactions, in order. The marks cover all changes of the entry;
    /// of several parts only the first has marks, which count the changes of all.
    Transactions(Vec<TransactionMark>),
    /// Nothing: it takes a sequence (to settle a try, or as a barrier for reads).
    Noop,
    /// The log begins with this snapshot.
    Base(BaseSnapshot),
    /// Nothing: the nodes compare their states.
    Audit(Audit),
    /// Nothing: who reads it is asked to append nothing for so long, until its maker has. Whole
    /// milliseconds. To those who do not know it, it is [`Self::Noop`].
    Turn(Duration),
}

/// One client transaction in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionMark {
    /// How many of the entry's changes belong to it, after those of the marks before.
    pub changes: usize,
    /// What the idempotency key that the client gave stands for.
    pub id: Option<Keyed>,
}

/// A client's idempotency key, and what a repetition of its request is answered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The key.
    pub key: String,
    /// A digest of the request: the same key stands for no other.
    pub request: [u8; 32],
    /// Of each of its results, the rows changed and the last rowid inserted.
    pub counts: Vec<(u64, i64)>,
}

/// The snapshot that a log begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseSnapshot {
    /// SHA-256 of the file as it was given, before it was opened; `None` if the base was not
    /// made from a file.
    pub source: Option<[u8; 32]>,
    /// SHA-256 of the stored snapshot.
    pub digest: [u8; 32],
    /// Its length in bytes.
    pub bytes: u64,
    /// The position of its state.
    pub seq: Seq,
    /// The running hash there: the seed of the chain.
    pub hash: RunningHash,
    /// Where in another log the database stood that this one goes on from.
    pub from: Option<Base>,
}

impl Meta {
    /// Of an entry in one part that needs nothing.
    #[must_use]
    pub fn new(id: AttemptId, base: Base, kind: Kind) -> Self {
        Self {
            version: FORMAT_VERSION,
            id,
            part: (1, 1),
            base,
            kind,
            sqlite: None,
            functions: Vec::new(),
            modules: Vec::new(),
        }
    }

    /// What is wrong with it beside this many changes, if anything.
    pub(crate) fn check(&self, changes: usize) -> Result<(), String> {
        let (part, parts) = self.part;
        if self.version == 0 || self.version > FORMAT_VERSION {
            return Err(format!("format version {}", self.version));
        }
        if part == 0 || part > parts {
            return Err(format!("part {part} of {parts}"));
        }
        let marked = self.kind.marked();
        if parts == 1 && marked != changes {
            return Err(format!("{changes} changes, {marked} of them marked"));
        }
        Ok(())
    }
}

impl Kind {
    /// How many changes the marks claim.
    pub(crate) fn marked(&self) -> usize {
        match self {
            Self::Transactions(marks) => {
                marks.iter().fold(0, |sum, mark| sum.saturating_add(mark.changes))
            }
            Self::Noop | Self::Base(_) | Self::Audit(_) | Self::Turn(_) => 0,
        }
    }
}
