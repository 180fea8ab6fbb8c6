//! The writer thread: it owns all writing to SQLite, and drives the machine.

mod audit;
mod auditor;
mod encoding;
mod group;
mod job;
mod lease;
mod link;
mod mend;
mod message;
mod offer;
mod open;
mod perform;
mod progress;
mod reseed;
mod stages;
#[cfg(test)]
mod stepped;
mod strong;
mod touched;
mod turns;
mod unanswered;
mod unseen;
mod waiting;
mod watch;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ha_core::{AttemptName, Token};
use tokio::time::Instant;

use crate::heal::KeptFile;
use crate::machine::{Event, Identity, Machine};
use crate::shared::Shared;
use crate::snapshots::Room;
use crate::store::{Record, Store};

use auditor::Auditor;
use encoding::EntryLimits;
use group::Group;
pub(crate) use job::{Command, Job, Lease, LeaseId, Ran, ReadOf, Step};
use lease::Leased;
pub(crate) use link::{Link, News};
pub(crate) use message::Message;
pub(crate) use open::{Problem, Setup};
use progress::Progress;
use stages::Stages;
#[cfg(test)]
pub(crate) use stepped::Turn;
use touched::Touched;
use unanswered::Withheld;
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
    /// To be read beside this thread.
    file: KeptFile,
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
    withheld: Vec<Withheld>,
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

impl Writer {
    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        self.shared.stall.writes();
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
        !(self.stopping && self.owes_nothing())
    }

    fn owes_nothing(&self) -> bool {
        let decided = self.applying.is_empty() && self.withheld.is_empty();
        self.queue.is_empty() && self.open.is_none() && decided
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
