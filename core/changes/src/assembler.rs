use crate::run::{Run, Step};
use crate::{Entry, Error, Part, Progress};

/// Makes entries of their parts, which are pushed in the order of the log.
///
/// ```
/// use ha_changes::{Assembler, Entry, Error, Progress, decode_part};
///
/// fn read(log: &[Vec<u8>], mut see: impl FnMut(Entry)) -> Result<(), Error> {
///     let mut assembler = Assembler::default();
///     for payload in log {
///         let mut progress = assembler.push(decode_part(payload)?)?;
///         if let Progress::Cut(part) = progress {
///             progress = assembler.push(*part)?;
///         }
///         if let Progress::Complete(entry) = progress {
///             see(entry);
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    run: Run,
    entry: Option<Entry>,
}

impl Assembler {
    /// Takes the next message of the log. An entry comes out as it was before it was cut,
    /// as one part.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the parts contradict each other. The entry is void, as a
    /// message that cannot be decoded is, and the next part begins another.
    pub fn push(&mut self, part: Part) -> Result<Progress<Entry>, Error> {
        let open = self.entry.take();
        let (begins, changes, ends) = match self.run.push(part)? {
            Step::Changes { begins, changes, ends } => (begins, changes, ends),
            Step::Cut(part) => return Ok(Progress::Cut(part)),
            Step::Stray => return Ok(Progress::Stray),
        };
        let Some(mut entry) = begins.map(|entry| *entry).or(open) else {
            return Ok(Progress::Stray);
        };
        entry.changes.extend(changes);
        if ends {
            return Ok(Progress::Complete(entry));
        }
        self.entry = Some(entry);
        Ok(Progress::More)
    }

    /// Gives up the entry that was begun, if one was, and tells so: what comes next in the
    /// log is not a message that can be decoded, or the log ends here. The entry is void.
    pub fn cut(&mut self) -> bool {
        self.entry = None;
        self.run.cut()
    }
}
