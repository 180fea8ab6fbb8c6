mod status;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ha_core::{Error, Lineage, Readiness, Result, Seq, Token};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::audit::Judged;
use crate::host;
use crate::lag::Lag;
use crate::planted::{Bug, planted};
use crate::snapshots::Growth;
use crate::stall::Stall;
use crate::store::Record;
pub(crate) use status::LastAudit;
use status::{Condition, LAG};

/// What the writer thread tells everybody else.
#[derive(Debug)]
pub(crate) struct Shared {
    node: String,
    record: watch::Sender<Record>,
    condition: Mutex<Condition>,
    /// The node has been caught up once, so that its state is worth reading.
    serving: watch::Sender<bool>,
    /// What no snapshot covers.
    pub(crate) growth: Growth,
    /// The disk does not answer.
    pub(crate) stall: Stall,
    /// Other nodes have another state at the same place.
    in_doubt: AtomicBool,
    /// The node has stopped.
    closed: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(
        node: String,
        record: Record,
        end: Seq,
        serving: bool,
        growth: Growth,
        stall: Stall,
    ) -> Self {
        // Who starts with less than it may have had before is not ready for however short a time.
        let is_behind = record.position.seq < end;
        let behind = is_behind.then(Instant::now).and_then(|now| now.checked_sub(LAG));
        Self {
            node,
            record: watch::Sender::new(record),
            condition: Mutex::new(Condition { end, behind, ..Condition::default() }),
            serving: watch::Sender::new(serving),
            growth,
            stall,
            in_doubt: AtomicBool::new(false),
            closed: watch::Sender::new(false),
        }
    }

    pub(crate) fn update(&self, record: Record, trouble: Option<String>, stopped: Option<&str>) {
        let caught_up = {
            let mut condition = self.condition.lock();
            condition.trouble = trouble;
            condition.stopped = stopped.map(str::to_owned);
            let at_end = record.position.seq >= condition.end;
            if at_end {
                (condition.behind, condition.lag) = (None, Lag::default());
            } else {
                condition.behind = condition.behind.or_else(|| Some(Instant::now()));
                let entries = condition.end.0 - record.position.seq.0;
                condition.lag.note(entries);
            }
            condition.stopped.is_none() && at_end && !condition.unconfirmed
        };
        self.record.send_if_modified(|known| std::mem::replace(known, record) != record);
        if caught_up {
            self.serving.send_if_modified(|serving| !std::mem::replace(serving, true));
        }
    }

    pub(crate) fn heard_of(&self, seq: Seq) {
        let mut condition = self.condition.lock();
        condition.end = condition.end.max(seq);
    }

    /// The log ends at `end` now, though it may have gone further before.
    pub(crate) fn ends_at(&self, end: Seq) {
        self.condition.lock().end = end;
    }

    /// Says whether the state is in doubt; of such a one no snapshot is taken.
    pub(crate) fn doubt(&self, in_doubt: bool) {
        self.in_doubt.store(in_doubt, Ordering::Relaxed);
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }

    /// The same state has another place now, in a log that ends at `end`.
    pub(crate) fn moved(&self, end: Seq) {
        let mut condition = self.condition.lock();
        // What an audit found counts until another one finds something else.
        let (distrusted, audit) = (condition.distrusted.take(), condition.audit.take());
        let unconfirmed = condition.unconfirmed;
        *condition = Condition { end, distrusted, audit, unconfirmed, ..Condition::default() };
    }

    /// The state becomes another one of a log that ends at `end`. Readers wait until the node
    /// is there, so that nobody sees time go back.
    pub(crate) fn begin_again(&self, end: Seq) {
        self.doubt(false);
        self.serving.send_replace(false);
        self.moved(end);
    }

    pub(crate) fn reachable(&self, problem: Option<String>) {
        self.condition.lock().unreachable = problem;
    }

    /// The database is not what the log says, for this reason; or is again.
    pub(crate) fn distrust(&self, reason: Option<String>) {
        self.doubt(reason.is_some());
        self.condition.lock().distrusted = reason;
    }

    /// Why the database must not be copied, if it must not.
    pub(crate) fn distrusted(&self) -> Option<String> {
        self.condition.lock().distrusted.clone()
    }

    /// Notes what came of an audit.
    pub(crate) fn audited(&self, judged: &Judged) {
        let last = LastAudit { at: host::system_time(), judged: judged.clone() };
        self.condition.lock().audit = Some(last);
    }

    /// What came of the last one.
    pub(crate) fn last_audit(&self) -> Option<LastAudit> {
        self.condition.lock().audit.clone()
    }

    /// Whether the log is known to go further than `seq` by more than so many entries.
    pub(crate) fn is_behind_by(&self, seq: Seq, entries: u64) -> bool {
        self.condition.lock().end.0.saturating_sub(seq.0) > entries
    }

    /// The node is not ready, nor a state that it reaches worth reading, until
    /// [`Self::confirmed`].
    pub(crate) fn must_confirm(&self) {
        self.condition.lock().unconfirmed = true;
    }

    /// The node has had everything that was acknowledged when it started.
    pub(crate) fn confirmed(&self) {
        let caught_up = {
            let mut condition = self.condition.lock();
            condition.unconfirmed = false;
            condition.stopped.is_none() && self.record.borrow().position.seq >= condition.end
        };
        if caught_up {
            self.serving.send_if_modified(|serving| !std::mem::replace(serving, true));
        }
    }

    /// Returns once the node's state is worth reading.
    pub(crate) async fn serving(&self, patience: std::time::Duration) -> Result<()> {
        if *self.serving.borrow() {
            return Ok(());
        }
        if let Readiness::Stopped(reason) = self.status().readiness {
            return Err(Error::NotReady(reason));
        }
        let mut serving = self.serving.subscribe();
        let waited = tokio::time::timeout(patience, serving.wait_for(|serving| *serving)).await;
        match waited {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::NotReady(self.why_not_ready())),
        }
    }

    /// Returns once the node has reached the position.
    pub(crate) async fn reached(&self, wanted: Token, patience: Duration) -> Result<()> {
        let mut record = self.record.subscribe();
        let there = |record: &Record| {
            let at = record.position;
            at.lineage != wanted.lineage || at.seq >= wanted.seq || planted(Bug::SessionDoesNotWait)
        };
        // What is waited for is a lock on the record, which must not be asked for twice.
        let waited = tokio::time::timeout(patience, record.wait_for(there)).await.map(drop);
        let lineage = self.token().lineage;
        match waited {
            _ if lineage != wanted.lineage => {
                Err(Error::OtherLog { token: wanted, lineage, kept: None })
            }
            Ok(()) => Ok(()),
            Err(_) => Err(Error::NotReady(format!(
                "it is at {} and has not reached {wanted} within {patience:?}",
                self.token()
            ))),
        }
    }

    /// Returns once the node has the entry at `seq` of that log, or follows another one.
    ///
    /// # Errors
    /// [`Error::Closed`] if the node stops before.
    pub(crate) async fn arrived(&self, lineage: Lineage, seq: Seq) -> Result<()> {
        let mut record = self.record.subscribe();
        let there =
            |record: &Record| record.position.lineage != lineage || record.position.seq >= seq;
        let arrived = async { record.wait_for(there).await.map(drop) };
        tokio::select! {
            biased;
            arrived = arrived => arrived.map_err(|_| Error::Closed),
            () = self.closed() => Err(Error::Closed),
        }
    }

    /// The node has stopped: nothing changes any more.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Returns once the node has stopped.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender is here.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Where the node stands.
    pub(crate) fn record(&self) -> Record {
        *self.record.borrow()
    }

    pub(crate) fn token(&self) -> Token {
        let Record { position, transactions } = self.record();
        Token { lineage: position.lineage, seq: position.seq, n: transactions }
    }
}
