use ha_core::{
    AttemptId, Batch, Description, Error, Params, Reply, Result, ResultSet, Seq, Statement, Token,
    TransactionName, Value,
};
use ha_sqlite::{Interrupt, Moment};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::turns::Effort;
use crate::claim::Claim;
use crate::planted::{Bug, planted};
use crate::store::Request;

/// A digest of everything a client was shown by a call.
pub(crate) type Digest = [u8; 32];

/// A transaction that waits for the writer, or for the log.
#[derive(Debug)]
pub(crate) struct Job {
    /// What to execute. The reply is that of the last step.
    pub(crate) steps: Vec<Step>,
    /// When the client must be answered; set when the writer takes the job.
    pub(crate) deadline: Instant,
    pub(crate) interrupt: Interrupt,
    pub(crate) reply: oneshot::Sender<Result<Reply>>,
    /// Its client has the other one.
    pub(crate) claim: Claim,
    /// What its execution gave; told when the log has acknowledged it.
    pub(crate) outcome: Option<Result<Vec<ResultSet>>>,
    /// The log has something of it if it has the entry.
    pub(crate) ships: bool,
    /// Its place among the transactions of the entry, from 1; of those before it, if it ships
    /// nothing.
    pub(crate) n: u32,
    /// Under this it happens once.
    pub(crate) request: Option<Request>,
    /// It was executed before, in this entry.
    pub(crate) done_at: Option<Seq>,
    /// Attempts that it was part of, and that may be stored.
    pub(crate) attempts: Vec<AttemptId>,
    /// Its deadline has the time for a large entry in it.
    pub(crate) has_more_time: bool,
    pub(crate) effort: Effort,
}

/// A part of a transaction that was or is to be executed.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) batch: Batch,
    /// What it is told of time and chance, in each execution.
    pub(crate) moment: Option<Moment>,
    /// What its client was shown. A replay that shows something else is a conflict.
    pub(crate) shown: Option<Digest>,
    /// Its client is not shown rowids.
    pub(crate) hides_rowids: bool,
    /// It was a read: while what it read is the same, it need not be repeated.
    pub(crate) read: Option<ReadOf>,
}

/// What a read was of.
#[derive(Debug, Clone)]
pub(crate) struct ReadOf {
    /// The state.
    pub(crate) at: Token,
    /// The tables, in lower case; `None` if it read something else as well.
    pub(crate) tables: Option<Vec<String>>,
}

/// Names a lease among all of its node.
pub(crate) type LeaseId = u64;

/// A session's transaction that wants the writer for a while.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    /// What the transaction has done until now.
    pub(crate) script: Vec<Step>,
    /// What it wants next.
    pub(crate) command: Command,
    /// When it must be granted; set when the writer takes the lease.
    pub(crate) deadline: Instant,
    pub(crate) granted: oneshot::Sender<Result<()>>,
}

/// What a session asks of the writer while its transaction is open there. If it is not, the
/// reply is dropped.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run it. Unless it can be repeated afterwards, the transaction is not rolled back for
    /// others.
    Run { step: Box<Step>, repeatable: bool, interrupt: Interrupt, reply: oneshot::Sender<Ran> },
    /// Describe it.
    Describe { sql: String, reply: oneshot::Sender<Result<Description>> },
    /// Commit; the script is everything the transaction did, or `None` if that was too much
    /// to keep.
    Commit { script: Option<Vec<Step>>, claim: Claim, reply: oneshot::Sender<Result<Reply>> },
    /// Roll back.
    Rollback { reply: oneshot::Sender<Result<()>> },
}

/// What came of [`Command::Run`].
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Result<Vec<ResultSet>>,
    /// SQLite took the whole transaction back.
    pub(crate) lost: bool,
}

impl Job {
    pub(crate) fn new(
        steps: Vec<Step>,
        interrupt: Interrupt,
        reply: oneshot::Sender<Result<Reply>>,
    ) -> Self {
        let deadline = Instant::now();
        Self {
            steps,
            deadline,
            interrupt,
            reply,
            claim: Claim::default(),
            outcome: None,
            ships: false,
            n: 0,
            request: None,
            done_at: None,
            attempts: Vec::new(),
            has_more_time: false,
            effort: Effort::default(),
        }
    }

    /// A batch that is a transaction of its own.
    pub(crate) fn alone(
        batch: Batch,
        interrupt: Interrupt,
        reply: oneshot::Sender<Result<Reply>>,
    ) -> Self {
        let request = Request::of(&batch);
        Self { request, ..Self::new(vec![Step::new(batch)], interrupt, reply) }
    }

    /// Whether what the client is told might be something else on a newer state.
    pub(crate) fn depends_on_state(&self) -> bool {
        match &self.outcome {
            // What a key was answered with stands in the log.
            Some(Ok(_)) => self.done_at.is_none(),
            Some(Err(Error::Sql { .. })) | None => true,
            Some(Err(_)) => false,
        }
    }

    /// Tells the client an error.
    pub(crate) fn fail(self, error: Error) {
        // A client that is gone needs no answer.
        let _ = self.reply.send(Err(error));
    }

    /// Tells the client that nobody knows whether it is stored, under this name; without one it is
    /// not, because it changed nothing.
    pub(crate) fn unknown(self, name: Option<TransactionName>) {
        let unconfirmed = "the state that it was executed on could not be confirmed";
        let nothing = || Error::NotSent(unconfirmed.to_owned());
        self.fail(name.map_or_else(nothing, Error::OutcomeUnknown));
    }

    /// Tells the client what the execution gave. `position` is the entry it is confirmed by.
    pub(crate) fn finish(self, position: Token) {
        let seq = self.done_at.unwrap_or(position.seq);
        let position = Token { n: self.n, seq, ..position };
        let outcome = self.outcome.unwrap_or(Err(Error::Closed));
        let _ = self.reply.send(outcome.map(|results| Reply { results, position }));
    }
}

impl Step {
    /// A step whose client was shown nothing yet.
    pub(crate) fn new(batch: Batch) -> Self {
        Self { batch, moment: None, shown: None, hides_rowids: false, read: None }
    }

    /// Runs SQL in the step's moment.
    pub(crate) fn during<T>(&self, run: impl FnOnce() -> T) -> T {
        match self.moment {
            Some(moment) => moment.during(run),
            None => run(),
        }
    }

    /// Whether the step shows the client what it was shown before.
    pub(crate) fn agrees(&self, outcome: &Result<Vec<ResultSet>>) -> bool {
        planted(Bug::ReplayUnchecked)
            || self.shown.is_none_or(|shown| shown == self.digest(outcome))
    }

    /// The digest of what it showed: rows in order, types, names, counts, or the error.
    pub(crate) fn digest(&self, outcome: &Result<Vec<ResultSet>>) -> Digest {
        let mut hash = Sha256::new();
        match outcome {
            Err(error) => hash.update(format!("{error:?}")),
            Ok(results) => results.iter().for_each(|result| {
                if !self.hides_rowids {
                    hash.update(result.last_insert_rowid.to_be_bytes());
                }
                add_result(&mut hash, result);
            }),
        }
        hash.finalize().into()
    }

    /// Bytes it takes to keep.
    pub(crate) fn size(&self) -> usize {
        let size = |statement: &Statement| statement.sql.len() + bytes(&statement.params) + 64;
        self.batch.statements.iter().map(size).sum()
    }
}

fn add_result(hash: &mut Sha256, result: &ResultSet) {
    hash.update(result.changes.to_be_bytes());
    for column in &result.columns {
        add_bytes(hash, b'c', column.name.as_bytes());
    }
    for value in result.rows.iter().flatten() {
        match value {
            Value::Null => hash.update(b"n"),
            Value::Integer(integer) => add_bytes(hash, b'i', &integer.to_be_bytes()),
            Value::Real(real) => add_bytes(hash, b'r', &real.to_bits().to_be_bytes()),
            Value::Text(text) => add_bytes(hash, b't', text.as_bytes()),
            Value::RawText(bytes) => add_bytes(hash, b'x', bytes),
            Value::Blob(bytes) => add_bytes(hash, b'b', bytes),
        }
    }
}

fn add_bytes(hash: &mut Sha256, kind: u8, bytes: &[u8]) {
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// Bytes that the values take.
fn bytes(params: &Params) -> usize {
    match params {
        Params::None => 0,
        Params::Positional(values) => values.iter().map(Value::size).sum(),
        Params::Named(values) => values.iter().map(|(name, value)| name.len() + value.size()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_step_counts_its_parameters() {
        let insert = Statement::with("INSERT INTO t VALUES(?)", vec![vec![0; 1 << 20].into()]);
        let batch = Batch { statements: vec![insert], ..Batch::default() };
        assert!(Step::new(batch).size() > 1 << 20);
    }
}
