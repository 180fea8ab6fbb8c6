//! What the writer thread is told, and how it takes it.

use std::time::Duration;

use ha_core::{Bounds, Result, Seq};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Writer;
use super::auditor::Hashed;
use super::job::{Command, Job, Lease, LeaseId};
use super::link::News;
use super::waiting::Work;
use crate::heal::{Comparison, Healing};
use crate::machine::{Event, NoSeed};
use crate::snapshots::Seed;

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

impl Writer {
    /// Takes what is there, but not for ever: a long backlog must not keep clients waiting.
    pub(super) fn take_more(&mut self) {
        let begun = Instant::now();
        for _ in 0..TURN {
            if begun.elapsed() > LONGEST_TURN {
                return;
            }
            let Ok(message) = self.inbox.try_recv() else { return };
            self.take(message);
        }
    }

    pub(super) fn take(&mut self, message: Message) {
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
}
