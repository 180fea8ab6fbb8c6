//! The writer thread: it owns all writing to SQLite, and drives the machine.

mod audit;
mod encoding;
mod group;
mod job;
mod lease;
mod link;
mod mend;
mod message;
mod offer;
mod perform;
mod progress;
mod reseed;
mod stages;
#[cfg(test)]
mod stepped;
mod strong;
mod touched;
mod turns;
mod unseen;
mod waiting;
mod watch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ha_core::{AttemptName, Result, Seq, Token};
use ha_sqlite::OpenOptions;
use tokio::time::Instant;

use crate::machine::{Event, Identity, Machine, Reseed};
use crate::shared::Shared;
use crate::snapshots::Room;
use crate::store::{Record, Store};

use audit::Auditor;
use encoding::EntryLimits;
use group::Group;
pub(crate) use job::{Command, Job, Lease, LeaseId, Ran, ReadOf, Step};
use lease::Leased;
pub(crate) use link::{Link, News};
pub(crate) use message::Message;
use progress::Progress;
use stages::Stages;
#[cfg(test)]
pub(crate) use stepped::Turn;
use touched::Touched;
use unseen::Unseen;
use waiting::Work;
use watch::PROBE;

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
    /// Somebody was told that it should be.
    warned_of_v007: bool,
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
    /// Other nodes are to wait for so long, before anything else is executed.
    wanted_turn: Option<Duration>,
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
            warned_of_v007: false,
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
            wanted_turn: None,
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

    /// Executes what waits, if the machine allows it.
    fn work(&mut self) {
        self.ask_turn();
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
