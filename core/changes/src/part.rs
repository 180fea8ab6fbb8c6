use crate::{Change, Entry, Kind, Meta};

/// One message, decoded: an entry, or one part of several that make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The entry as the message tells it, without changes.
    pub(crate) head: Entry,
    pub(crate) items: Vec<Item>,
}

/// What stands among the changes of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Change(Change),
    /// A piece of the JSON of a change that is larger than a part.
    Piece {
        json: String,
        /// The next item is the next piece.
        more: bool,
    },
}

impl Part {
    pub(crate) fn new(head: Entry, items: Vec<Item>) -> Result<Self, String> {
        let is_piece = |item: &Item| matches!(item, Item::Piece { .. });
        let part = Self { head, items };
        if part.place() == (1, 1) && part.items.iter().any(is_piece) {
            return Err("a piece of a change in an entry of one part".to_owned());
        }
        Ok(part)
    }

    /// What it says of its entry; `None` if v0.0.7 sent it.
    #[must_use]
    pub fn meta(&self) -> Option<&Meta> {
        self.head.meta.as_ref()
    }

    /// Which part of how many it is, from 1.
    #[must_use]
    pub fn place(&self) -> (u32, u32) {
        self.meta().map_or((1, 1), |meta| meta.part)
    }

    /// Whether it is the next part of the entry whose last part said `last`, by all that each
    /// part says of its entry.
    #[must_use]
    pub fn continues(&self, last: &Meta) -> bool {
        let (number, of) = last.part;
        self.meta().is_some_and(|meta| {
            meta.id == last.id
                && meta.base == last.base
                && meta.part == (number + 1, of)
                && meta.kind == Kind::Transactions(Vec::new())
        })
    }

    /// The entry, with the changes that are whole in this message: all of them, if it is not
    /// one of several.
    #[must_use]
    pub fn into_entry(self) -> Entry {
        let whole = |item| match item {
            Item::Change(change) => Some(change),
            Item::Piece { .. } => None,
        };
        Entry { changes: self.items.into_iter().filter_map(whole).collect(), ..self.head }
    }
}
