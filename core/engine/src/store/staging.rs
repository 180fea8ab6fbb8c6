//! Applying entries of several parts: part by part in one SQLite transaction, so that memory
//! holds the rows of one part, and a node does not wait for the last part to begin.

use ha_changes::{ApplyError, Meta, Part, PartApplier, Progress};
use ha_core::{Error, Result};
use ha_sqlite::error;

use super::applier::{Target, stop, transactions};
use super::record::{self, Record};
use super::{Store, keys};
use crate::machine::Position;

/// The entry whose first parts are applied in the open transaction.
#[derive(Debug)]
pub(super) struct Staging {
    applier: PartApplier,
    /// What the first part says.
    head: Option<Meta>,
    schema: bool,
    /// Bytes of kept entries before it.
    kept_bytes: i64,
}

/// What a part did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Staged {
    /// The entry goes on.
    More,
    /// The entry is applied, and the position moved.
    Complete,
    /// The parts contradict each other: nothing of the entry is applied.
    Torn(String),
}

impl Store {
    /// Applies the next part of an entry. The first opens a transaction; the last moves to
    /// `position`, the place of that part, and commits. An error takes the entry back.
    pub(crate) fn apply_part(
        &mut self,
        part: Part,
        position: Position,
        payload: &[u8],
    ) -> Result<Staged> {
        if part.place().0 == 1 {
            self.begin_staging(&part)?;
        }
        let outcome = self.push_part(part, position, payload);
        if !matches!(outcome, Ok(Staged::More | Staged::Complete)) {
            self.unstage()?;
        }
        outcome
    }

    /// Takes back what was applied of an entry that is not complete, if there is one.
    pub(crate) fn unstage(&mut self) -> Result<()> {
        let Some(staging) = self.staging.take() else { return Ok(()) };
        self.kept_bytes = staging.kept_bytes;
        self.applied_tables.clear();
        if self.apply.is_autocommit() {
            return Ok(());
        }
        self.apply.execute_batch("ROLLBACK").map_err(error)
    }

    fn begin_staging(&mut self, part: &Part) -> Result<()> {
        self.unstage()?;
        self.apply.execute_batch("BEGIN IMMEDIATE").map_err(error)?;
        self.staging = Some(Staging {
            applier: PartApplier::default(),
            head: part.meta().cloned(),
            schema: false,
            kept_bytes: self.kept_bytes,
        });
        Ok(())
    }

    fn push_part(&mut self, part: Part, position: Position, payload: &[u8]) -> Result<Staged> {
        let missing = || Error::Corrupt("the parts before this one are not applied".to_owned());
        let staging = self.staging.as_mut().ok_or_else(missing)?;
        let (number, of) = part.place();
        let mut target =
            Target { conn: &self.apply, tables: &mut self.applied_tables, schema: staging.schema };
        let pushed = staging.applier.push(&mut target, part);
        staging.schema = target.schema;
        let ends = match pushed {
            Ok(Progress::More) => false,
            Ok(Progress::Complete(_)) => true,
            Ok(Progress::Cut(_) | Progress::Stray) => {
                return Ok(Staged::Torn("another entry".to_owned()));
            }
            Err(ApplyError::Malformed(reason)) => return Ok(Staged::Torn(reason)),
            Err(other) => return Err(stop(other)),
        };
        let kept = record::keep_part(&self.apply, position.seq, payload, of - number);
        self.count_kept(kept.map_err(error)?, payload.len())?;
        if ends { self.complete_staging(position) } else { Ok(Staged::More) }
    }

    fn count_kept(&mut self, is_kept: bool, bytes: usize) -> Result<()> {
        if !is_kept {
            // Older ones are not kept either.
            self.kept_bytes = 0;
        } else if record::prune_is_due(self.kept_bytes, bytes) {
            self.kept_bytes = record::prune(&self.apply).map_err(error)?;
        } else {
            self.kept_bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
        }
        Ok(())
    }

    fn complete_staging(&mut self, position: Position) -> Result<Staged> {
        let missing = || Error::Corrupt("an entry ended that was not begun".to_owned());
        let Staging { head, schema, .. } = self.staging.as_ref().ok_or_else(missing)?;
        let record = Record { position, transactions: transactions(head.as_ref()) };
        keys::write(&self.apply, position.seq, head.as_ref())
            .and_then(|()| record::write(&self.apply, &record, None))
            .and_then(|()| self.apply.execute_batch("COMMIT"))
            .map_err(error)?;
        let schema = *schema;
        self.staging = None;
        self.record = record;
        if schema {
            self.schema_changed()?;
        }
        Ok(Staged::Complete)
    }
}
