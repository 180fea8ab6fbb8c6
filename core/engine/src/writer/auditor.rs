//! What a node knows of comparing states, and the thread that hashes its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use ha_core::{Result, Seq};
use ha_sqlite::{OpenOptions, Role, error};
use rusqlite::Connection;
use tokio::time::Instant;

use super::Message;
use crate::audit::{Ledger, StateHash, state};
use crate::host;
use crate::machine::Event;

/// How long reports of others are waited for, unless all who reported the last time have.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How long a mark is waited for before it is appended again.
const LOST: Duration = Duration::from_secs(30);

/// What a node knows of comparing states.
#[derive(Debug)]
pub(super) struct Auditor {
    path: PathBuf,
    options: OpenOptions,
    inbox: Sender<Message>,
    pub(super) ledger: Ledger,
    /// Between two marks; `None` if this node makes none.
    interval: Option<Duration>,
    due: Option<Instant>,
    /// The state has changed since the last mark.
    changed: bool,
    /// The mark whose state is being hashed.
    pub(super) hashing: Option<Seq>,
    /// How long that took the last time.
    pub(super) took: Duration,
    unwanted: Arc<AtomicBool>,
    /// Marks up to this are none of this node's: they were made before it began, or on a state
    /// that it has given up.
    pub(super) after: Seq,
    /// How often the database was made anew, since it was last found to be right.
    pub(super) trials: u32,
    /// The last comparison did not tell who is right.
    pub(super) in_doubt: bool,
}

/// A state that was hashed.
#[derive(Debug)]
pub(crate) struct Hashed {
    pub(super) mark: Seq,
    pub(super) took: Duration,
    pub(super) result: Result<StateHash>,
}

impl Auditor {
    pub(super) fn new(
        path: PathBuf,
        options: OpenOptions,
        inbox: Sender<Message>,
        node: String,
        interval: Option<Duration>,
        end: Seq,
    ) -> Self {
        let mut auditor = Self {
            path,
            options,
            inbox,
            ledger: Ledger::new(node),
            interval,
            due: None,
            changed: true,
            hashing: None,
            took: Duration::ZERO,
            unwanted: Arc::default(),
            after: end,
            trials: 0,
            in_doubt: false,
        };
        auditor.wait();
        auditor
    }

    /// The state changes.
    pub(super) fn note_change(&mut self) {
        if !std::mem::replace(&mut self.changed, true) {
            // After a long rest a mark is due on every node.
            let pause = self.interval.unwrap_or_default().mul_f64(host::share() / 4.0);
            self.due = self.due.map(|due| due.max(Instant::now() + pause.min(LOST)));
        }
    }

    /// The database is another one: what was said of the former counts no more.
    pub(super) fn renewed(&mut self, end: Seq) {
        self.unwanted.store(true, Ordering::Relaxed);
        (self.unwanted, self.hashing, self.after) = (Arc::default(), None, end);
        self.ledger.forget();
        self.note_change();
        if self.trials > 0 {
            self.ask_again(Duration::ZERO);
        }
    }

    /// The next mark is due then, whether or not anything changes.
    pub(super) fn ask_again(&mut self, pause: Duration) {
        (self.changed, self.due) = (true, Some(Instant::now() + pause));
    }

    /// When the writer has to look after the audit. `started` is its zero.
    pub(super) fn wakes_at(&self, started: Instant) -> Option<Instant> {
        let judge = self.ledger.due_at(self.grace()).map(|at| started + at);
        let mark = self.due.filter(|_| self.changed);
        judge.into_iter().chain(mark).min()
    }

    /// Whether a mark is to be appended.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.changed && self.due.is_some_and(|due| due <= now)
    }

    /// A mark is on its way; it may be lost.
    pub(super) fn wait_for_mark(&mut self, now: Instant) {
        let lost = self.interval.map_or(LOST, |interval| interval.clamp(GRACE / 10, LOST));
        self.put_off(now + lost);
    }

    pub(super) fn put_off(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// Somebody's mark is in the log.
    pub(super) fn passed(&mut self) {
        self.changed = false;
        self.wait();
    }

    /// The next mark is an interval away, and a part of one, so that nodes do not keep step.
    fn wait(&mut self) {
        let jitter = 1.0 + host::share() / 4.0;
        self.due = self.interval.map(|interval| Instant::now() + interval.mul_f64(jitter));
    }

    /// Tells the machine in the next turn: it may be in the middle of the entry that showed it.
    pub(super) fn say(&self, event: Event) {
        // The thread that receives it is this one.
        let _ = self.inbox.send(Message::Event(event));
    }

    pub(super) fn grace(&self) -> Duration {
        let usual = self.interval.map_or(GRACE, |interval| interval.clamp(GRACE / 10, GRACE));
        usual.max(self.took * 3)
    }

    /// Hashes the state that the database has now, on a thread of its own.
    pub(super) fn hash(&mut self, mark: Seq) -> Result<()> {
        let conn = self.snapshot()?;
        let (unwanted, inbox) = (Arc::clone(&self.unwanted), self.inbox.clone());
        let hash = move || {
            let begun = Instant::now();
            let result = state(&conn, mark, &unwanted).map_err(error);
            // The snapshot keeps the write-ahead log from being used again.
            drop(conn);
            let _ = inbox.send(Message::Hashed(Hashed { mark, took: begun.elapsed(), result }));
        };
        host::apart("ha-audit", hash)?;
        self.hashing = Some(mark);
        Ok(())
    }

    /// A connection that keeps seeing the state of now.
    fn snapshot(&self) -> Result<Connection> {
        let conn = ha_sqlite::open(&self.path, Role::Read, &self.options).map_err(error)?;
        let begin = "BEGIN; SELECT count(*) FROM sqlite_schema";
        conn.execute_batch(begin).map_err(error)?;
        Ok(conn)
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }
}
