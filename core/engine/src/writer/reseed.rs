//! Making the database another state of the log.

use std::sync::mpsc::Sender;
use std::time::Duration;

use ha_core::{Result, Seq};
use tokio::time::Instant;

use super::{Message, Writer};
use crate::machine::{Event, NoSeed, Target};
use crate::snapshots::Seed;

/// How often it is told how far a snapshot is.
const TOLD: Duration = Duration::from_millis(500);
const LOGGED: Duration = Duration::from_secs(5);

impl Writer {
    pub(super) fn fetch(&mut self, target: Target) {
        self.publish();
        self.link.fetch(target, self.room.clone());
    }

    /// Restores what was fetched.
    pub(super) fn fetched(&mut self, found: Result<Seed, NoSeed>) {
        if !self.machine.is_reseeding() {
            return;
        }
        let event = match found {
            Ok(seed) => self.become_seed(&seed),
            Err(why) => Event::NoSeed(why),
        };
        self.tell(event);
    }

    fn become_seed(&mut self, seed: &Seed) -> Event {
        let begun = Instant::now();
        let (before, now) = (self.store.record().position.seq, seed.record.position);
        let restored = self.store.restore(seed.file.path(), seed.record, seed.entry.as_deref());
        if let Err(error) = restored {
            return Event::NoSeed(NoSeed::Failed(error.to_string()));
        }
        tracing::info!(position = %now.seq, seconds = begun.elapsed().as_secs_f64(), "the snapshot is restored");
        // What scripts have read on the state that is given up says nothing of this one.
        self.touched.note_other_history(now.seq.max(before));
        let end = seed.end.max(now.seq);
        self.auditor.renewed(end);
        self.shared.begin_again(end);
        self.publish();
        self.answer_applying(now.seq);
        self.unseen.clear();
        Event::Adopted(now)
    }

    /// Tells those whose transactions stand in the log whether they stand before `seq` too.
    fn answer_applying(&mut self, seq: Seq) {
        let token = self.token();
        for (name, job) in std::mem::take(&mut self.applying) {
            if name.lineage == token.lineage && name.base < seq {
                self.finish(job, token);
            } else {
                self.unknown(job, name);
            }
        }
    }
}

/// Tells the writer thread, and the log, how much of a snapshot has arrived; not too often.
#[derive(Debug)]
pub(super) struct Progress {
    inbox: Sender<Message>,
    told: Option<Instant>,
    logged: Instant,
}

impl Progress {
    pub(super) fn new(inbox: Sender<Message>) -> Self {
        Self { inbox, told: None, logged: Instant::now() }
    }

    pub(super) fn note(&mut self, done: u64, total: u64) {
        if done < total && self.told.is_some_and(|told| told.elapsed() < TOLD) {
            return;
        }
        self.told = Some(Instant::now());
        if self.logged.elapsed() >= LOGGED {
            self.logged = Instant::now();
            tracing::info!(bytes = done, of = total, "fetching a snapshot");
        }
        let _ = self.inbox.send(Message::Event(Event::Fetching { done, total }));
    }
}
