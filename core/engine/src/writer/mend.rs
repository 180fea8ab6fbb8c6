//! Making the log and this node fit again.

use std::sync::Arc;

use ha_core::{Error, Result, Seq};

use super::Writer;
use super::touched::Touches;
use crate::heal::{Attempts, Healer, Healing};
use crate::machine::{Event, Position};
use crate::store::Record;

impl Writer {
    /// What compares the log with the place where the database stands.
    pub(super) fn healer(&mut self) -> Healer {
        self.healings += 1;
        Healer::new(
            Arc::clone(self.link.transport()),
            self.store.path().to_owned(),
            self.lost.clone(),
            self.store.record().position,
            Attempts { boot: self.identity.boot, round: self.healings },
        )
    }

    pub(super) fn mend(&mut self) {
        let healer = self.healer();
        self.link.heal(healer);
    }

    /// Does to the database what makes it fit the log.
    pub(super) fn healed(&mut self, outcome: Result<Healing>) {
        let event = match outcome {
            Ok(Healing::Sound) => Event::Mended,
            Ok(Healing::Stop(reason)) => Event::NotMended { reason, hopeless: true },
            Ok(Healing::Adopt { position, payload, end }) => {
                tracing::warn!(lineage = %position.lineage, "the stream was made again from this very database");
                let record = Record { position, transactions: 0 };
                let adopted = self.store.adopt(record, &payload);
                self.stands(adopted.map(|()| position), end, true)
            }
            Ok(Healing::StartOver { lineage, end, reason }) => {
                tracing::error!(reason, "the database begins again from the log");
                let record = Record::empty(lineage);
                let emptied = self.store.start_over(record);
                self.stands(emptied.map(|()| record.position), end, false)
            }
            Err(error) => Event::NotMended { reason: error.to_string(), hopeless: false },
        };
        self.tell(event);
    }

    /// After the database was moved to another place. `serving`: its state is worth reading.
    fn stands(&mut self, outcome: Result<Position>, end: Seq, serving: bool) -> Event {
        match outcome {
            Ok(position) => {
                self.touched.note(Touches::everything(), position.seq);
                self.shared.begin_anew(end, serving);
                self.publish();
                Event::StandsAt(position)
            }
            Err(error) => self.cannot_move(&error),
        }
    }

    fn cannot_move(&self, error: &Error) -> Event {
        tracing::warn!(%error, "the database cannot be moved to the log's place now");
        Event::NotMended { reason: error.to_string(), hopeless: false }
    }
}
