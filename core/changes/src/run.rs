//! Following an entry through its parts.

use crate::decode::decode_change;
use crate::part::{Item, Part};
use crate::{Change, Entry, Error, Meta};

/// What a part did.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress<T> {
    /// It continues the entry, or begins it, and there is more to come.
    More,
    /// With it the entry is complete.
    Complete(T),
    /// It does not continue the entry that was begun: that is void, whatever came of it is to
    /// be undone. The part is given back; push it again to see what it is.
    Cut(Box<Part>),
    /// It belongs to an entry that is void or whose beginning was not pushed: nothing.
    Stray,
}

/// What a part is to the parts before it.
pub(crate) enum Step {
    /// The changes that it completes.
    Changes {
        /// The entry without changes, if it begins here.
        begins: Option<Box<Entry>>,
        changes: Vec<Change>,
        ends: bool,
    },
    Cut(Box<Part>),
    Stray,
}

/// The entry that is open, if one is.
#[derive(Debug, Default)]
pub(crate) struct Run {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// As the last part has it.
    meta: Meta,
    /// Changes that the transactions' marks claim and that were not seen yet.
    unseen: usize,
    /// What there is of a change that continues.
    pieces: Option<String>,
}

impl Run {
    /// Gives up the entry that is open; whether one was.
    pub(crate) fn cut(&mut self) -> bool {
        self.open.take().is_some()
    }

    /// # Errors
    /// [`Error::Malformed`] if the parts contradict each other: the entry is void.
    pub(crate) fn push(&mut self, part: Part) -> Result<Step, Error> {
        let open = match self.open.take() {
            Some(open) if !part.continues(&open.meta) => return Ok(Step::Cut(Box::new(part))),
            Some(open) => Some(open),
            None if part.place().0 != 1 => return Ok(Step::Stray),
            None => None,
        };
        let ends = part.place().0 == part.place().1;
        let Some(meta) = part.meta().cloned() else { return Ok(whole(part)) };
        let Part { head, items } = part;
        let (mut open, begins) = match open {
            Some(open) => (Open { meta, ..open }, None),
            None => (Open::new(meta.clone()), Some(Box::new(one_part(head, meta)))),
        };
        let changes = open.take(items)?;
        if ends {
            open.end()?;
        } else {
            self.open = Some(open);
        }
        Ok(Step::Changes { begins, changes, ends })
    }
}

impl Open {
    fn new(meta: Meta) -> Self {
        Self { unseen: meta.kind.marked(), meta, pieces: None }
    }

    fn take(&mut self, items: Vec<Item>) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::with_capacity(items.len());
        for item in items {
            changes.extend(self.take_item(item)?);
        }
        self.unseen = self
            .unseen
            .checked_sub(changes.len())
            .ok_or_else(|| malformed("parts with more changes than are marked"))?;
        Ok(changes)
    }

    fn take_item(&mut self, item: Item) -> Result<Option<Change>, Error> {
        match (item, self.pieces.take()) {
            (Item::Change(change), None) => Ok(Some(change)),
            (Item::Change(_), Some(_)) => Err(malformed("a change among the pieces of another")),
            (Item::Piece { json, more }, before) => {
                let mut pieces = before.unwrap_or_default();
                pieces.push_str(&json);
                if more {
                    self.pieces = Some(pieces);
                    return Ok(None);
                }
                decode_change(&pieces).map(Some)
            }
        }
    }

    fn end(self) -> Result<(), Error> {
        match (self.unseen, self.pieces) {
            (0, None) => Ok(()),
            (0, Some(_)) => Err(malformed("parts that end inside a change")),
            (unseen, _) => Err(malformed(&format!("parts without {unseen} of the changes"))),
        }
    }
}

/// An entry of v0.0.7 is one part and marks nothing.
fn whole(part: Part) -> Step {
    let mut entry = part.into_entry();
    let changes = std::mem::take(&mut entry.changes);
    Step::Changes { begins: Some(Box::new(entry)), changes, ends: true }
}

/// The entry that begins with this head, as if it were one part.
fn one_part(head: Entry, meta: Meta) -> Entry {
    Entry { meta: Some(Meta { part: (1, 1), ..meta }), ..head }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed(reason.to_owned())
}
