use crate::apply::{Applied, ApplyError, own, v007};
use crate::run::{Run, Step};
use crate::{Database, Part, Progress};

/// Applies entries part by part, so that memory holds the rows of one part, and of a row that
/// continues what came of it.
///
/// The transaction is the caller's: begun before the first part of an entry, rolled back on
/// an error and on [`Progress::Cut`], committed on [`Progress::Complete`]. Which entry a part
/// begins, and whether its base is the state of the database, is for the caller to see before
/// it pushes the part ([`Part::meta`]).
#[derive(Debug, Default)]
pub struct PartApplier {
    run: Run,
    applied: Applied,
}

impl PartApplier {
    /// Applies what the next message of the log completes. The database is as for
    /// [`crate::apply`], the same for all parts of an entry. After an error the next part
    /// begins another entry.
    ///
    /// # Errors
    /// Those of [`crate::apply`]; [`ApplyError::Malformed`].
    pub fn push(
        &mut self,
        db: &mut dyn Database,
        part: Part,
    ) -> Result<Progress<Applied>, ApplyError> {
        let ours = part.meta().is_some();
        let step = self.run.push(part).map_err(|error| ApplyError::Malformed(error.to_string()))?;
        let (begins, changes, ends) = match step {
            Step::Changes { begins, changes, ends } => (begins.is_some(), changes, ends),
            Step::Cut(part) => return Ok(Progress::Cut(part)),
            Step::Stray => return Ok(Progress::Stray),
        };
        if begins {
            self.applied = Applied::default();
        }
        let applied = if ours { own::apply(db, &changes) } else { v007::apply(db, &changes) };
        let applied = applied.inspect_err(|_| _ = self.cut())?;
        self.applied += applied;
        Ok(if ends { Progress::Complete(self.applied) } else { Progress::More })
    }

    /// Gives up the entry that was begun, if one was, and tells so: what comes next in the
    /// log is not a message that can be decoded, or the log ends here. The entry is void.
    pub fn cut(&mut self) -> bool {
        self.run.cut()
    }
}
