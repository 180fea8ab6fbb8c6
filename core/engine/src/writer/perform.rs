//! Doing what the machine says.

use bytes::Bytes;
use ha_changes::{Entry, Part};
use ha_core::{Error, RunningHash, Seq, Stored};
use tokio::time::Instant;

use super::Writer;
use super::progress::Progress;
use super::touched::Touches;
use crate::machine::{Action, Event, Fate, Folded, How, Position, Reseed};
use crate::planted::{Bug, planted};
use crate::store::{self, Record, Staged, Verdict, transactions};

impl Writer {
    /// Carries an action out; what came of it, if that is known at once.
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Append(draft) => self.link.append(draft),
            Action::Read(seq) => self.link.read(seq),
            Action::Verify => self.verify(),
            Action::Mend => self.mend(),
            Action::AskBounds => self.ask_bounds(),
            Action::Audit(heard) => self.audit(heard),
            Action::Resubscribe(from) => self.link.subscribe(from),
            Action::Fetch(target) => self.fetch(target),
            Action::Commit { folded, seq, hash, parts } => {
                return Some(self.commit(&folded, seq, hash, &parts));
            }
            Action::Offer => return Some(self.offer_again()),
            Action::Record { folded, position } => return Some(self.record(&folded, position)),
            Action::Hold(time) => self.hold(time),
            Action::Serve(upto) => self.serve_strong(upto),
            Action::Rollback(fate) => return self.roll_back(fate),
            Action::Apply { seq, hash, payload, how } => {
                return Some(self.apply(seq, hash, &payload, how));
            }
            Action::Unstage => {
                self.receiving = None;
                return self.store.unstage().err().map(|error| Event::Failed(error.to_string()));
            }
            Action::Stop(reason) => {
                tracing::error!(position = %self.token(), reason, "the node stops applying and writing");
            }
        }
        None
    }

    fn commit(&mut self, folded: &[Folded], seq: Seq, hash: RunningHash, parts: &[Bytes]) -> Event {
        let Some(mut group) = self.open.take() else {
            return Event::Failed("there is no group to commit".to_owned());
        };
        self.stages.acknowledged();
        let begun = Instant::now();
        let committed = self
            .stage(&mut group, folded, seq, hash, parts)
            .and_then(|record| self.store.commit(record));
        match committed {
            Ok(()) => {
                self.stages.committed(group.jobs.len(), begun.elapsed());
                self.shared.heard_of(seq);
                self.shared.growth.note(parts.iter().map(Bytes::len).sum(), true);
                self.touched.note(group.touches, seq);
                // What is never given back is never waited for.
                if self.probes {
                    let (before, last) = (self.machine.position(), parts.last().cloned());
                    let after = Position { seq, hash, ..before };
                    self.unseen.note(before, after, last.unwrap_or_default());
                }
                self.auditor.note_change();
                // Readers on this node see it before its clients are told.
                self.publish();
                let token = self.token();
                group.jobs.into_iter().for_each(|job| self.finish(job, token));
                Event::Moved { seq, hash }
            }
            Err(error) => {
                self.open = Some(group);
                Event::CommitFailed { reason: error.to_string() }
            }
        }
    }

    fn record(&mut self, folded: &[Folded], position: Position) -> Event {
        match self.store.record_folded(folded, Record { position, transactions: 0 }) {
            Ok(()) => {
                self.publish();
                Event::Recorded
            }
            Err(error) => self.cannot_apply(position.seq, &error),
        }
    }

    fn roll_back(&mut self, fate: Fate) -> Option<Event> {
        let group = self.open.take()?;
        let rolled_back = self.store.roll_back();
        match fate {
            Fate::Again => self.execute_again(group),
            Fate::Failed(error) => {
                group.jobs.into_iter().for_each(|job| self.fail(job, error.clone()));
            }
            Fate::Unknown(_) if planted(Bug::UnknownIsFailed) => {
                let error = Error::NotSent("no answer".to_owned());
                group.jobs.into_iter().for_each(|job| job.fail(error.clone()));
            }
            Fate::Unknown(name) => {
                // Who asks why finds the node not ready.
                self.publish();
                group.jobs.into_iter().for_each(|job| self.unknown(job, name));
            }
            Fate::Applying(name) => {
                self.applying.extend(group.jobs.into_iter().map(|job| (name, job)))
            }
        }
        rolled_back.err().map(|error| Event::Failed(error.to_string()))
    }

    fn apply(&mut self, seq: Seq, hash: RunningHash, payload: &Bytes, how: How) -> Event {
        let lineage = self.machine.position().lineage;
        let record =
            |transactions| Record { position: Position { lineage, seq, hash }, transactions };
        let outcome = match how {
            How::Ours(entry) | How::Foreign(entry) => {
                self.warn_of_v007(&entry);
                self.touched.note(Touches::of(&entry.changes), seq);
                self.auditor.note_change();
                let record = record(transactions(entry.meta.as_ref()));
                match self.store.apply(&entry, record, payload) {
                    Err(error) if self.machine.is_partial() && !store::is_passing(&error) => {
                        let reason = format!("this database is not the whole one: {error}");
                        self.store.skip(record, payload, Some(reason))
                    }
                    applied => applied,
                }
            }
            How::Audit(_) => self.store.skip(record(0), payload, None),
            How::Turn(..) => self.store.skip(record(0), payload, None),
            How::Nothing(reason) => self.store.skip(record(0), payload, reason),
            How::Part(part) => {
                return self.apply_part(*part, Position { lineage, seq, hash }, payload);
            }
            How::Base(base) => {
                let entry = Stored { seq, payload: payload.clone() };
                return Event::Reseed(Reseed::base(lineage, base, entry));
            }
        };
        match outcome {
            Ok(verdict) => {
                if let Verdict::Skipped(reason) = verdict {
                    tracing::warn!(%seq, reason, "an entry changes nothing");
                }
                self.shared.growth.note(payload.len(), false);
                self.applied();
                Event::Moved { seq, hash }
            }
            Err(error) => self.cannot_apply(seq, &error),
        }
    }

    /// Says once that a node of v0.0.7 writes beside this one, which does not write for it.
    fn warn_of_v007(&mut self, entry: &Entry) {
        let is_new = entry.meta.is_none() && entry.timestamp_ns > self.identity.process_id;
        if is_new && !self.compat_v007 && !self.warned_of_v007 {
            self.warned_of_v007 = true;
            tracing::warn!(
                node = entry.node,
                "a node of v0.0.7 follows the same log: blobs, large integers and some other rows of this node \
                 are stored there as something else; start with --compat v0.0.7 for as long as it does"
            );
        }
    }

    fn apply_part(&mut self, part: Part, position: Position, payload: &Bytes) -> Event {
        let ((number, of), seq) = (part.place(), position.seq);
        let progress = self.receiving.get_or_insert_with(|| Progress::new("parts applied"));
        progress.done(number as usize, of as usize);
        self.shared.growth.note(payload.len(), false);
        let begun = Instant::now();
        let outcome = self.store.apply_part(part, position, payload);
        self.excuse(begun.elapsed());
        if !matches!(outcome, Ok(Staged::More)) {
            self.receiving = None;
        }
        match outcome {
            Ok(Staged::More) => Event::Staged,
            Ok(Staged::Torn(reason)) => {
                tracing::warn!(%seq, reason, "an entry of several parts changes nothing on any node");
                Event::Torn
            }
            Ok(Staged::Complete) => {
                self.auditor.note_change();
                self.touched.note(Touches::everything(), seq);
                self.applied();
                Event::Moved { seq, hash: position.hash }
            }
            Err(error) if self.machine.is_partial() && !store::is_passing(&error) => {
                tracing::warn!(%seq, %error, "an entry needs what is not in this database");
                Event::Torn
            }
            Err(error) => self.cannot_apply(seq, &error),
        }
    }

    fn applied(&mut self) {
        self.publish();
        let token = self.token();
        std::mem::take(&mut self.applying).into_iter().for_each(|(_, job)| self.finish(job, token));
    }

    fn cannot_apply(&mut self, seq: Seq, error: &Error) -> Event {
        let error = store::with_advice(error.clone(), self.store.path());
        if store::is_passing(&error) {
            return Event::Stuck(format!("entry {seq} cannot be applied now: {error}"));
        }
        Event::Failed(format!("entry {seq} cannot be applied: {error}"))
    }
}
