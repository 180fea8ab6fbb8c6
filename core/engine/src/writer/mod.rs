//! The writer thread: it owns all writing to SQLite, and drives the machine.

mod audit;
mod encoding;
mod group;
mod job;
mod lease;
mod link;
mod mend;
mod offer;
mod perform;
mod progress;
mod reseed;
mod stages;
#[cfg(test)]
mod stepped;
mod strong;
mod touched;
mod unseen;
mod watch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ha_core::{AttemptName, Bounds, Error, Result, Seq, Token};
use ha_sqlite::OpenOptions;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::heal::{Comparison, Healing};
use crate::machine::{Event, Identity, Machine, NoSeed, Reseed};
use crate::shared::Shared;
use crate::snapshots::{Room, Seed};
use crate::store::{Record, Store};

use audit::Auditor;
pub(crate) use audit::Hashed;
use encoding::EntryLimits;
use group::Group;
pub(crate) use job::{Command, Job, Lease, LeaseId, Ran, ReadOf, Step};
use lease::Leased;
pub(crate) use link::{Link, News};
use progress::Progress;
use stages::Stages;
#[cfg(test)]
pub(crate) use stepped::Turn;
use touched::Touched;
use unseen::Unseen;
use watch::PROBE;

/// How many messages are taken before it is looked whether somebody has waited too long.
const TURN: usize = 1_024;

/// How long messages are taken at most; one of several parts takes long to apply.
const LONGEST_TURN: Duration = Duration::from_millis(50);

/// What the writer thread is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// A transaction to execute.
    Job(Job),
    /// A session wants the writer.
    Lease(Lease),
    /// A session goes on with the transaction it has there.
    Command(LeaseId, Command),
    /// A session no longer needs its transaction there.
    Release(LeaseId),
    /// A strong read waits until this node has everything that is acknowledged anywhere.
    Strong(oneshot::Sender<Result<()>>),
    /// An answer of the transport.
    Event(Event),
    /// News of the transport.
    News(News),
    /// The log's bounds, asked for when the node stood at `position`.
    Bounds { position: Seq, result: Result<Bounds> },
    /// The state at an audit mark.
    Hashed(Hashed),
    /// Whether the log is still the one that was applied.
    Compared(Comparison),
    /// What came of making the log and this node fit.
    Healed(Result<Healing>),
    /// What the database is to become.
    Fetched(Result<Seed, NoSeed>),
    /// Finish what was accepted and end.
    Stop,
}

/// What waits for the writer.
#[derive(Debug)]
enum Work {
    Job(Job),
    Lease(Lease),
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Store,
    machine: Machine,
    link: Link,
    inbox: Receiver<Message>,
    shared: Arc<Shared>,
    room: Room,
    identity: Identity,
    idle_timeout: Duration,
    /// Within this the log must have taken a write.
    patience: Duration,
    /// Where entries are saved that the log will never have again.
    lost: PathBuf,
    /// Counts the healings.
    healings: u32,
    limits: EntryLimits,
    /// Until then the log may be taken up with a large entry.
    busy_until: Instant,
    compat_v007: bool,
    /// Other nodes may have written what this one has not applied.
    is_replicated: bool,
    queue: VecDeque<Work>,
    /// The group that is executed and not decided.
    open: Option<Group>,
    /// The session's transaction that is open.
    lease: Option<Leased>,
    /// How far an entry of several parts is that is applied.
    receiving: Option<Progress>,
    /// Transactions that the log has under that name and this database has not.
    applying: Vec<(AttemptName, Job)>,
    strong: strong::Waiting,
    /// The log is being compared with what was applied: what it says meanwhile is held, and
    /// nothing is executed.
    verifying: bool,
    held: VecDeque<Message>,
    unseen: Unseen,
    /// The log is asked for its bounds, and when it was asked last.
    probing: bool,
    probed: Instant,
    /// There is something to ask.
    probes: bool,
    /// So many groups are of one transaction only, because together they were too large.
    alone: usize,
    stages: Stages,
    touched: Touched,
    auditor: Auditor,
    started: Instant,
    stopping: bool,
}

/// What the thread needs besides its connections.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) link: Link,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) room: Room,
    pub(crate) identity: Identity,
    pub(crate) idle_timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) max_transaction_bytes: usize,
    /// Nodes of v0.0.7 apply what is written.
    pub(crate) compat_v007: bool,
    /// Where the log ended at the start.
    pub(crate) end: Seq,
    /// How long after one audit mark the next is due; `None` if this node makes none.
    pub(crate) audit_interval: Option<Duration>,
    /// The database has not the whole log: what cannot be applied to it is left out.
    pub(crate) partial: bool,
    /// What is wrong with the file and the log, if something is.
    pub(crate) problem: Option<Problem>,
    /// Where entries are saved that the log will never have again: the beginning of a path.
    pub(crate) lost: PathBuf,
}

/// Why a node cannot simply go on from its file.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// The log is not the one that was applied, for this reason; it is looked again whether it is.
    Misfit(String),
    /// Its database becomes another state first.
    Reseed(Reseed),
}

impl Writer {
    /// Opens the database on the calling thread.
    pub(crate) fn open(
        path: &Path,
        options: &OpenOptions,
        record: Record,
        setup: Setup,
    ) -> Result<Self> {
        let capabilities = setup.link.transport().capabilities();
        let limits =
            EntryLimits::new(&capabilities, setup.max_transaction_bytes, setup.compat_v007);
        let store = Store::open(path, options, record, limits.limit())?;
        let machine = Machine::new(setup.identity.clone(), record.position, setup.end)
            .with_readable_log(capabilities.readable)
            .with_part_of_the_log(setup.partial);
        let auditor = Auditor::new(
            path.to_owned(),
            options.clone(),
            setup.link.inbox(),
            setup.identity.node.clone(),
            setup.audit_interval,
            setup.end,
        );
        let mut writer = Self {
            store,
            machine,
            link: setup.link,
            inbox: setup.inbox,
            shared: setup.shared,
            room: setup.room,
            identity: setup.identity,
            idle_timeout: setup.idle_timeout,
            patience: setup.patience,
            lost: setup.lost,
            healings: 0,
            limits,
            busy_until: Instant::now(),
            compat_v007: setup.compat_v007,
            is_replicated: capabilities.replicated,
            queue: VecDeque::new(),
            open: None,
            lease: None,
            receiving: None,
            applying: Vec::new(),
            strong: strong::Waiting::default(),
            verifying: false,
            held: VecDeque::new(),
            unseen: Unseen::default(),
            probing: false,
            probed: Instant::now(),
            probes: capabilities.readable,
            alone: 0,
            stages: Stages::default(),
            touched: Touched::default(),
            auditor,
            started: Instant::now(),
            stopping: false,
        };
        match setup.problem {
            Some(Problem::Misfit(reason)) => writer.tell(Event::Misfit(reason)),
            Some(Problem::Reseed(reseed)) => writer.tell(Event::Reseed(reseed)),
            None => writer.link.subscribe(record.position.seq.next()),
        }
        writer.publish();
        Ok(writer)
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        loop {
            let goes_on = match self.next_message() {
                Ok(message) => self.turn(Some(message)),
                Err(RecvTimeoutError::Timeout) => self.turn(None),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if !goes_on {
                self.stages.report();
                return;
            }
        }
    }

    /// Does what is due, beginning with the message; without one, time has passed. Returns
    /// whether there may be another turn.
    pub(crate) fn turn(&mut self, message: Option<Message>) -> bool {
        match message {
            Some(message) => self.take(message),
            None => {
                // Why clients have waited in vain is known best before the next try.
                self.expire();
                self.tell(Event::Tick);
            }
        }
        self.take_more();
        self.probe();
        self.expire();
        self.work();
        self.mind_lease();
        self.mind_audit();
        if !self.verifying && self.lease.is_none() {
            self.tell(Event::Quiet);
        }
        self.publish();
        let owes_nothing = self.queue.is_empty() && self.open.is_none() && self.applying.is_empty();
        !(self.stopping && owes_nothing)
    }

    fn next_message(&self) -> Result<Message, RecvTimeoutError> {
        match self.due() {
            Some(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// When the next turn is due, if nothing comes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        let machine = self.machine.wake_at().filter(|at| *at < Duration::MAX);
        let machine = machine.map(|at| self.started + at);
        let probes = self.probes && !self.probing && self.machine.stopped().is_none();
        let probe = probes.then(|| self.probed + PROBE);
        let lease = self.lease.as_ref().map(|lease| lease.ends_at(self.idle_timeout));
        let audit = self.auditor.wakes_at(self.started);
        let others = self.first_deadline().into_iter().chain(probe).chain(lease).chain(audit);
        machine.into_iter().chain(others).min()
    }

    /// Takes what is there, but not for ever: a long backlog must not keep clients waiting.
    fn take_more(&mut self) {
        let begun = Instant::now();
        for _ in 0..TURN {
            if begun.elapsed() > LONGEST_TURN {
                return;
            }
            let Ok(message) = self.inbox.try_recv() else { return };
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::News(news) if news.is_stale() => {}
            Message::Event(_)
            | Message::Bounds { .. }
            | Message::Fetched(_)
            | Message::News(
                News::Entry(..) | News::Following | News::Reconnected(_) | News::Truncated(_),
            )
            | Message::Healed(_)
                if self.verifying || self.lease.is_some() && !self.says_nothing(&message) =>
            {
                self.held.push_back(message);
            }
            // Their time begins only now: until now the writer executed for others.
            Message::Job(mut job) => {
                job.deadline = self.deadline_of_new();
                self.queue.push_back(Work::Job(job));
            }
            Message::Lease(mut lease) => {
                lease.deadline = self.deadline_of_new();
                self.queue.push_back(Work::Lease(lease));
            }
            Message::Command(id, command) => self.command(id, command),
            Message::Release(id) => self.release(id),
            Message::Strong(reader) => self.ask_strong(reader),
            Message::Event(event) => self.tell(event),
            Message::News(News::Entry(stored, _permit)) => {
                self.shared.heard_of(stored.seq);
                self.look_at(&stored);
                self.tell(Event::Delivered(stored));
            }
            Message::News(News::Following) => self.reconnected(),
            Message::News(News::Reconnected(bounds)) => {
                self.shared.reachable(None);
                self.hear(bounds);
                self.reconnected();
            }
            Message::Bounds { position, result: Ok(bounds) } => {
                self.probing = false;
                self.shared.reachable(None);
                if bounds.last >= position || position == self.machine.position().seq {
                    self.tell_bounds(bounds);
                }
            }
            Message::Bounds { result: Err(error), .. } => {
                self.probing = false;
                self.shared.reachable(Some(error.to_string()));
                self.tell(Event::Unreachable(error.to_string()));
            }
            Message::News(News::Unreachable(reason)) => self.shared.reachable(Some(reason)),
            Message::News(News::Truncated(error)) => self.truncated(&error),
            Message::Hashed(hashed) => self.hashed(hashed),
            Message::Compared(comparison) => self.compared(comparison),
            Message::Healed(outcome) => self.healed(outcome),
            Message::Fetched(found) => self.fetched(found),
            Message::Stop => self.stopping = true,
        }
    }

    /// Answers those who have waited long enough.
    fn expire(&mut self) {
        self.expire_strong();
        let now = Instant::now();
        let stopped = self.machine.stopped().is_some();
        let why = self.why_waiting();
        let late = |work: &Work| stopped || work.deadline() <= now;
        for work in std::mem::take(&mut self.queue) {
            if late(&work) {
                work.fail(why.clone());
            } else {
                self.queue.push_back(work);
            }
        }
        for (name, job) in std::mem::take(&mut self.applying) {
            if stopped || job.deadline <= now {
                job.unknown(name);
            } else {
                self.applying.push((name, job));
            }
        }
    }

    fn why_waiting(&self) -> Error {
        if self.verifying && self.machine.stopped().is_none() {
            return Error::NotSent("the log is being compared after an interruption".to_owned());
        }
        self.machine.why_waiting()
    }

    /// Those who wait are not charged for the time that others execute: the deadline is one
    /// for the log.
    fn excuse(&mut self, spent: Duration) {
        for work in &mut self.queue {
            match work {
                Work::Job(job) => job.deadline += spent,
                Work::Lease(lease) => lease.deadline += spent,
            }
        }
    }

    /// Who comes now is not charged for the time that a large entry takes.
    fn deadline_of_new(&self) -> Instant {
        let now = Instant::now();
        let from = if self.open.is_some() { self.busy_until.max(now) } else { now };
        from + self.patience
    }

    fn first_deadline(&self) -> Option<Instant> {
        let applying = self.applying.iter().map(|(_, job)| job.deadline);
        self.queue.iter().map(Work::deadline).chain(applying).min()
    }

    /// Executes what waits, if the machine allows it.
    fn work(&mut self) {
        while self.machine.can_execute()
            && self.open.is_none()
            && self.lease.is_none()
            && !self.verifying
        {
            match self.queue.pop_front() {
                Some(Work::Lease(lease)) => self.grant(lease),
                Some(job) => {
                    self.queue.push_front(job);
                    self.execute_group();
                }
                None => return,
            }
        }
    }

    /// Tells the machine what happened and does what it says.
    fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.on(self.started.elapsed(), event) {
                events.extend(self.perform(action));
            }
        }
    }

    fn publish(&self) {
        self.shared.update(self.store.record(), self.machine.trouble(), self.machine.stopped());
    }

    fn token(&self) -> Token {
        let Record { position, transactions } = self.store.record();
        Token { lineage: position.lineage, seq: position.seq, n: transactions }
    }
}

impl Work {
    fn deadline(&self) -> Instant {
        match self {
            Self::Job(job) => job.deadline,
            Self::Lease(lease) => lease.deadline,
        }
    }

    fn fail(self, error: Error) {
        match self {
            Self::Job(job) => job.fail(error),
            Self::Lease(lease) => {
                let _ = lease.granted.send(Err(error));
            }
        }
    }
}
