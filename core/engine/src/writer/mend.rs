//! Making the log and this node fit again.

use std::sync::Arc;

use ha_core::{Lineage, Result, Seq};

use super::Writer;
use crate::heal::{Attempts, Healer, Healing};
use crate::machine::{Event, Position};
use crate::store::Record;

impl Writer {
    /// What compares the log with the place where the database stands.
    pub(super) fn healer(&mut self) -> Healer {
        self.healings += 1;
        Healer::new(
            Arc::clone(self.link.transport()),
            self.file.clone(),
            self.lost.clone(),
            self.store.record().position,
            Attempts { boot: self.identity.boot, round: self.healings },
        )
        .with_unseen_after(self.unseen.after())
        .with_restored(self.machine.restored_at())
    }

    pub(super) fn mend(&mut self) {
        let healer = self.healer();
        self.link.heal(healer);
    }

    /// Does to the database what makes it fit the log.
    pub(super) fn healed(&mut self, outcome: Result<Healing>) {
        if !self.machine.is_mending() {
            return;
        }
        let event = match outcome {
            Ok(Healing::Sound) => {
                self.unseen.clear();
                Event::Mended
            }
            Ok(Healing::Stop(reason)) => Event::NotMended { reason, hopeless: true },
            Ok(Healing::Adopt { position, payload, end }) => self.adopt(position, &payload, end),
            Ok(Healing::Renamed(lineage)) => self.rename(lineage),
            Ok(Healing::Inside(before)) => self.step_back(before),
            Ok(Healing::Reseed(reseed)) => Event::Reseed(reseed),
            Err(error) => Event::NotMended { reason: error.to_string(), hopeless: false },
        };
        self.tell(event);
    }

    /// The same log has another lineage now.
    fn rename(&mut self, lineage: Lineage) -> Event {
        tracing::warn!(%lineage, "the stream is the same, its server takes it for a younger one");
        match self.store.rename(lineage) {
            Ok(position) => Event::Adopted(position),
            Err(error) => Event::NotMended { reason: error.to_string(), hopeless: false },
        }
    }

    /// The parts after `before` that were passed are those of an entry.
    fn step_back(&mut self, before: Position) -> Event {
        tracing::warn!(to = %before.seq, "the parts of an entry that were passed are applied after all");
        match self.store.step_back(before) {
            Ok(()) => {
                self.unseen.clear();
                Event::Adopted(before)
            }
            Err(error) => Event::NotMended { reason: error.to_string(), hopeless: false },
        }
    }

    /// The same state has another place now.
    fn adopt(&mut self, position: Position, payload: &[u8], end: Seq) -> Event {
        tracing::warn!(lineage = %position.lineage, "the stream was made again from this very database");
        match self.store.adopt(Record { position, transactions: 0 }, payload) {
            Ok(()) => {
                self.touched.note_other_history(position.seq);
                self.unseen.clear();
                self.shared.moved(end);
                Event::Adopted(position)
            }
            Err(error) => Event::NotMended { reason: error.to_string(), hopeless: false },
        }
    }
}
