//! Taking part in the comparison of the nodes' states: marks are appended when they are due,
//! the state at a mark is hashed beside the writer, and what the reports say is drawn.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use ha_changes::{Audit, Entry, Kind};
use ha_core::{Draft, Result, Seq};
use ha_sqlite::{OpenOptions, Role, error};
use rusqlite::Connection;
use tokio::time::Instant;

use super::encoding::now_ns;
use super::{Message, Writer};
use crate::audit::{Judged, Ledger, StateHash, Verdict, state};
use crate::host;
use crate::machine::{Event, Heard, Reseed};

/// A node that is further behind than this does not hash old states.
const RECENT: u64 = 10_000;

/// How long reports of others are waited for, unless all who reported the last time have.
const GRACE: Duration = Duration::from_secs(10);

/// So often a database is made anew in a row, while nobody knows who is right.
const TRIALS: u32 = 3;

/// How long a mark is waited for before it is appended again.
const LOST: Duration = Duration::from_secs(30);

/// What a node knows of comparing states.
#[derive(Debug)]
pub(super) struct Auditor {
    path: PathBuf,
    options: OpenOptions,
    inbox: Sender<Message>,
    ledger: Ledger,
    /// Between two marks; `None` if this node makes none.
    interval: Option<Duration>,
    due: Option<Instant>,
    /// The state has changed since the last mark.
    changed: bool,
    /// The mark whose state is being hashed.
    hashing: Option<Seq>,
    /// How long that took the last time.
    took: Duration,
    unwanted: Arc<AtomicBool>,
    /// Marks up to this are none of this node's: they were made before it began, or on a state
    /// that it has given up.
    after: Seq,
    /// How often the database was made anew, since it was last found to be right.
    trials: u32,
    /// The last comparison did not tell who is right.
    in_doubt: bool,
}

/// A state that was hashed.
#[derive(Debug)]
pub(crate) struct Hashed {
    mark: Seq,
    took: Duration,
    result: Result<StateHash>,
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
    fn ask_again(&mut self, pause: Duration) {
        (self.changed, self.due) = (true, Some(Instant::now() + pause));
    }

    /// When the writer has to look after the audit. `started` is its zero.
    pub(super) fn wakes_at(&self, started: Instant) -> Option<Instant> {
        let judge = self.ledger.due_at(self.grace()).map(|at| started + at);
        let mark = self.due.filter(|_| self.changed);
        judge.into_iter().chain(mark).min()
    }

    /// The next mark is an interval away, and a part of one, so that nodes do not keep step.
    fn wait(&mut self) {
        let jitter = 1.0 + host::share() / 4.0;
        self.due = self.interval.map(|interval| Instant::now() + interval.mul_f64(jitter));
    }

    /// Tells the machine in the next turn: it may be in the middle of the entry that showed it.
    fn say(&self, event: Event) {
        // The thread that receives it is this one.
        let _ = self.inbox.send(Message::Event(event));
    }

    fn grace(&self) -> Duration {
        let usual = self.interval.map_or(GRACE, |interval| interval.clamp(GRACE / 10, GRACE));
        usual.max(self.took * 3)
    }

    /// Hashes the state that the database has now, on a thread of its own.
    fn hash(&mut self, mark: Seq) -> Result<()> {
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

impl Writer {
    /// A step that the log has at the place where the database stands.
    pub(super) fn audit(&mut self, heard: Heard) {
        if self.machine.is_partial() {
            return tracing::debug!("a database that has not the whole log is not compared");
        }
        match heard.audit {
            Audit::Mark => self.pass_mark(heard.seq),
            // The own report is known before it is in the log.
            Audit::Report(report) if heard.node == self.identity.node => {
                tracing::debug!(mark = %report.mark, "the own report is in the log");
            }
            Audit::Report(report) if report.mark <= self.auditor.after => {}
            Audit::Report(report) => {
                let now = self.started.elapsed();
                self.auditor.ledger.report(&heard.node, report, now);
                self.judge();
            }
        }
    }

    fn pass_mark(&mut self, mark: Seq) {
        if mark <= self.auditor.after {
            return;
        }
        self.auditor.changed = false;
        self.auditor.wait();
        if self.auditor.hashing.is_some() || self.shared.is_behind_by(mark, RECENT) {
            tracing::debug!(%mark, "the state at an audit mark is not hashed");
            return;
        }
        if let Err(error) = self.auditor.hash(mark) {
            tracing::warn!(%mark, %error, "the state could not be audited");
        }
    }

    /// Reports a state that was hashed.
    pub(super) fn hashed(&mut self, hashed: Hashed) {
        let Hashed { mark, took, result } = hashed;
        if self.auditor.hashing.take_if(|hashing| *hashing == mark).is_none() {
            return;
        }
        let hash = match result {
            Ok(hash) => hash,
            Err(error) => {
                tracing::warn!(%mark, %error, "the state could not be audited");
                return self.auditor.ask_again(GRACE);
            }
        };
        self.auditor.took = took;
        tracing::debug!(%mark, bytes = hash.bytes, ?took, "the state is hashed");
        let room = self.limits.parts.max_part_bytes / 2;
        let report = hash.report(mark, room);
        let node = self.identity.node.clone();
        self.auditor.ledger.report(&node, report.clone(), self.started.elapsed());
        self.append_audit(Audit::Report(report));
        self.judge();
    }

    /// Appends a mark if one is due, and judges what was waited for.
    pub(super) fn mind_audit(&mut self) {
        self.judge();
        let now = Instant::now();
        let due = self.auditor.changed && self.auditor.due.is_some_and(|due| due <= now);
        let sound = self.machine.stopped().is_none() && self.machine.trouble().is_none();
        if due && self.probes && sound && !self.verifying && !self.machine.is_partial() {
            let lost =
                self.auditor.interval.map_or(LOST, |interval| interval.clamp(GRACE / 10, LOST));
            self.auditor.due = Some(now + lost);
            self.append_audit(Audit::Mark);
        } else if due {
            self.auditor.due = Some(now + Duration::from_secs(1));
        }
    }

    fn append_audit(&mut self, audit: Audit) {
        let meta = self.machine.next_meta(Kind::Audit(audit));
        let attempt = meta.id;
        let entry = Entry {
            node: self.identity.node.clone(),
            process_id: self.identity.process_id,
            timestamp_ns: now_ns(),
            meta: Some(meta),
            changes: Vec::new(),
        };
        match ha_changes::encode(&entry) {
            Ok(payload) => {
                self.link.append(Draft { expect: None, attempt, parts: vec![payload.into()] });
            }
            Err(error) => tracing::warn!(%error, "an audit entry cannot be written"),
        }
    }

    fn judge(&mut self) {
        let grace = self.auditor.grace();
        while let Some(judged) = self.auditor.ledger.judge(self.started.elapsed(), grace) {
            self.draw(&judged);
        }
    }

    fn draw(&mut self, judged: &Judged) {
        let Judged { mark, reports, verdict } = judged;
        self.shared.audited(judged);
        match verdict {
            Verdict::Agree => {
                tracing::debug!(%mark, reports, "all nodes have the same state");
                self.trusted_again();
            }
            Verdict::OthersDiffer { nodes, tables } => {
                tracing::warn!(%mark, ?nodes, ?tables, "other nodes have another state, and most are as this one");
                self.trusted_again();
            }
            Verdict::Differs { nodes, tables, outvoted } => {
                self.differs(*mark, nodes, tables, *outvoted);
            }
        }
    }

    fn trusted_again(&mut self) {
        self.auditor.in_doubt = false;
        if std::mem::take(&mut self.auditor.trials) > 0 {
            tracing::info!("the database is what the log says again");
        }
        self.shared.distrust(None);
    }

    /// This node is wrong, or nobody knows who is. Its database is made anew, which is right by
    /// definition: what the log says is the database. When that does not help, the node stops.
    fn differs(&mut self, mark: Seq, nodes: &[String], tables: &[String], outvoted: bool) {
        let (tables, nodes) = (listed(tables), nodes.join(", "));
        let what = format!("the database is not the same as on {nodes} at entry {mark}: {tables}");
        if !outvoted && !std::mem::replace(&mut self.auditor.in_doubt, true) {
            tracing::warn!(%mark, "{what}; nobody knows who is right, the nodes are asked again");
            return self.auditor.ask_again(Duration::ZERO);
        }
        tracing::error!(%mark, tables, nodes, "the database differs from that of other nodes");
        self.shared.distrust(Some(what.clone()));
        let trials = self.auditor.trials;
        if trials >= TRIALS || outvoted && trials > 0 {
            let reason = format!(
                "{what}, although it was made anew from the log. The nodes may run different versions; \
                 save the database file, and start this node with an empty one"
            );
            return self.auditor.say(Event::Failed(reason));
        }
        self.auditor.trials += 1;
        // Whatever else was hashed is as wrong.
        self.auditor.renewed(Seq(u64::MAX));
        let advice = "Start this node with an empty database file";
        self.auditor.say(Event::Reseed(Reseed::newest(what, advice)));
    }
}

fn listed(tables: &[String]) -> String {
    if tables.is_empty() { "a table that is not named".to_owned() } else { tables.join(", ") }
}
