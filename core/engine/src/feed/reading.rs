//! Reading transactions out of the messages.

use std::collections::VecDeque;
use std::sync::Arc;

use ha_changes::{Assembler, Kind, Meta, Part, Progress};
use ha_core::{Error, Result, RunningHash, Seq, Token, Transaction};

use super::source::{Message, Source};
use super::transactions::transactions;

/// A reader's place in the log.
pub(super) struct Feed {
    source: Source,
    next: Seq,
    /// Transactions of the next entry that were read before.
    passed: u32,
    /// The hash before `next`, if it is known.
    hash: Option<RunningHash>,
    assembler: Assembler,
    ready: VecDeque<Arc<Transaction>>,
    /// What ends the feed once they are read.
    failure: Option<Error>,
}

impl Feed {
    pub(super) fn new(source: Source, next: Seq, hash: Option<RunningHash>) -> Self {
        let (assembler, ready) = (Assembler::default(), VecDeque::new());
        Self { source, next, passed: 0, hash, assembler, ready, failure: None }
    }

    /// Without the first so many transactions of the next entry.
    pub(super) fn without(self, passed: u32) -> Self {
        Self { passed, ..self }
    }

    /// The next transaction, once the node has it.
    pub(super) async fn next(&mut self) -> Result<Arc<Transaction>> {
        loop {
            if let Some(transaction) = self.ready.pop_front() {
                return Ok(transaction);
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let messages = self.source.messages(self.next).await?;
            self.failure = messages.into_iter().try_for_each(|message| self.take(message)).err();
        }
    }

    fn take(&mut self, message: Message) -> Result<()> {
        let Message { seq, payload, part } = message;
        match part {
            Some(part) => self.push(seq, part)?,
            None => drop(self.assembler.cut()),
        }
        self.hash = self.hash.map(|hash| hash.extend(seq, &payload));
        self.next = seq.next();
        Ok(())
    }

    fn push(&mut self, seq: Seq, part: Part) -> Result<()> {
        match part.meta() {
            Some(Meta { kind: Kind::Base(_), .. }) => {
                // The state begins anew here, and not by changes.
                return Err(Error::Truncated { from: seq, first: seq.next() });
            }
            Some(Meta { kind: Kind::Noop | Kind::Audit(_) | Kind::Turn(_), .. }) => return Ok(()),
            Some(meta) if meta.part.0 == 1 => self.chain(seq, &meta.clone())?,
            Some(_) | None => {}
        }
        let mut pushed = self.assembler.push(part);
        if let Ok(Progress::Cut(part)) = pushed {
            pushed = self.assembler.push(*part);
        }
        match pushed {
            Ok(Progress::Complete(entry)) => {
                let last = Token { lineage: self.source.lineage(), seq, n: 0 };
                let passed = std::mem::take(&mut self.passed);
                let told = transactions(entry, last).skip(passed as usize);
                self.ready.extend(told.map(Arc::new));
                Ok(())
            }
            Ok(Progress::More) => Ok(()),
            Ok(Progress::Cut(_) | Progress::Stray) => {
                Err(Error::Corrupt(format!("entry {seq} begins before what was read")))
            }
            Err(error) => Err(Error::Corrupt(format!("entry {seq}: {error}"))),
        }
    }

    /// An entry that the node has applied was made on what was read before it, or what was read
    /// is no longer what the log says.
    fn chain(&mut self, seq: Seq, meta: &Meta) -> Result<()> {
        let follows = meta.base.seq.next() == seq;
        match self.hash {
            Some(hash) if follows && hash == meta.base.hash => Ok(()),
            None if follows => {
                self.hash = Some(meta.base.hash);
                Ok(())
            }
            _ => Err(Error::Corrupt(format!(
                "the log has lost what it had before entry {seq}; begin again from a snapshot"
            ))),
        }
    }
}
