//! Offering an executed group to the log.

use std::time::Duration;

use bytes::Bytes;
use ha_changes::{Encoded, Kind, Meta};
use ha_core::{Error, Result, RunningHash, Seq, Token};
use tokio::time::Instant;

use super::group::Group;
use super::{Job, Work, Writer};
use crate::machine::{Event, Folded, Position};
use crate::planted::{Bug, planted};
use crate::store::{Execution, Record, transactions};

/// A large entry is stored at least this fast.
const BYTES_PER_MILLISECOND: usize = (4 << 20) / 1_000;

impl Writer {
    /// Offers an executed group to the log. One that ships nothing is confirmed by it too: what
    /// was not found, or was in the way, may be so on this node only, because it lags.
    pub(super) fn offer(&mut self, execution: Execution, mut jobs: Vec<Job>) {
        let needs_log = self.is_replicated && jobs.iter().any(Job::depends_on_state);
        if execution.shipped.is_empty() && !needs_log {
            let rolled_back = self.store.roll_back();
            let token = self.token();
            for mut job in jobs {
                if job.done_at.is_none() {
                    job.n = token.n;
                }
                self.finish(job, token);
            }
            if let Err(error) = rolled_back {
                self.tell(Event::Failed(error.to_string()));
            }
            return;
        }
        let begun = Instant::now();
        let (encoded, touches) = match self.encode(execution) {
            Ok(encoded) => encoded,
            Err(Error::TooLarge { .. }) => return self.too_large(jobs),
            Err(error) => {
                let _ = self.store.roll_back();
                jobs.drain(..).for_each(|job| self.fail(job, error.clone()));
                return;
            }
        };
        self.give_time(&encoded, &mut jobs);
        if planted(Bug::AnsweredEarly) {
            let position = Token { seq: self.token().seq.next(), ..self.token() };
            jobs.drain(..).for_each(|job| job.finish(position));
        }
        let group = Group { jobs, encoded, staged: None, touches };
        if !self.hand_over(&group) {
            return self.withdraw(group);
        }
        let event = self.executed(&group);
        self.stages.offered(begun.elapsed());
        self.open = Some(group);
        self.tell(event);
        self.stage_early();
    }

    /// The open group as an entry on the position, which entries without changes have moved.
    pub(super) fn offer_again(&mut self) -> Event {
        let Some(mut group) = self.open.take() else {
            return Event::Failed("there is no group to offer".to_owned());
        };
        self.note_attempt(&mut group);
        let Meta { id, base, .. } = self.machine.next_meta(Kind::Noop);
        group.encoded.rebase(id, base);
        let event = if self.hand_over(&group) { self.executed(&group) } else { Event::Withdrawn };
        self.open = Some(group);
        event
    }

    /// Executes the group again without those who have left, before the log has anything of it.
    fn withdraw(&mut self, group: Group) {
        let rolled_back = self.store.roll_back();
        self.execute_again(group);
        if let Err(error) = rolled_back {
            self.tell(Event::Failed(error.to_string()));
        }
    }

    fn executed(&self, group: &Group) -> Event {
        let (parts, deadline) = (group.encoded.parts(), self.deadline(group));
        match &group.encoded.head().meta {
            Some(meta) => Event::Executed { id: meta.id, parts, deadline },
            None => Event::Failed("an entry without a name cannot be offered".to_owned()),
        }
    }

    /// A large entry takes long to store: its clients are given the time, and those who wait
    /// as well.
    fn give_time(&mut self, encoded: &Encoded, jobs: &mut [Job]) {
        let parts = encoded.parts().len();
        if parts < 2 {
            return;
        }
        let bytes = encoded.size();
        tracing::info!(parts, bytes, "a large transaction: offered to the log");
        let time = Duration::from_millis((bytes / BYTES_PER_MILLISECOND) as u64);
        self.excuse(time);
        self.busy_until = Instant::now() + time;
        for job in jobs.iter_mut().filter(|job| !job.has_more_time) {
            (job.has_more_time, job.deadline) = (true, job.deadline + time);
        }
    }

    /// When the first of the group's clients must be answered.
    fn deadline(&self, group: &Group) -> Duration {
        let deadline = group.jobs.iter().map(|job| job.deadline).min();
        deadline.unwrap_or_else(Instant::now).saturating_duration_since(self.started)
    }

    /// Writes the place that the open group will have if the log takes it. Done while the log
    /// is asked; a failure shows again at the commit.
    fn stage_early(&mut self) {
        let Some(Position { seq, hash, .. }) = self.machine.landing() else { return };
        let Some(mut group) = self.open.take() else { return };
        let parts = group.encoded.parts();
        if let Err(error) = self.stage(&mut group, &[], seq, hash, &parts) {
            tracing::warn!(%error, "the group's place could not be written");
        }
        self.open = Some(group);
    }

    pub(super) fn stage(
        &mut self,
        group: &mut Group,
        folded: &[Folded],
        seq: Seq,
        hash: RunningHash,
        parts: &[Bytes],
    ) -> Result<Record> {
        let lineage = self.machine.position().lineage;
        let position = Position { lineage, seq, hash };
        let meta = group.encoded.head().meta.as_ref();
        let record = Record { position, transactions: transactions(meta) };
        if group.staged != Some(record) {
            self.store.stage(folded, &record, meta, parts)?;
            group.staged = Some(record);
        }
        Ok(record)
    }

    /// A single transaction that is too large is refused; of several, each is tried alone.
    fn too_large(&mut self, mut jobs: Vec<Job>) {
        if let Err(error) = self.store.roll_back() {
            return self.tell(Event::Failed(error.to_string()));
        }
        if jobs.len() == 1 {
            return self.fail(jobs.remove(0), self.limits.exceeded());
        }
        let jobs_again = jobs.len();
        for job in jobs.into_iter().rev() {
            self.queue.push_front(Work::Job(job));
        }
        self.alone = jobs_again;
    }
}
