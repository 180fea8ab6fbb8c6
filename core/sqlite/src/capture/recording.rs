//! Row changes that are kept until they are taken.

use std::rc::Rc;

use ha_core::Value;

/// A row change, as SQLite's preupdate hook reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The table in the main database.
    pub table: Rc<str>,
    /// What happened.
    pub op: EventOp,
    /// The rowid before; meaningless for an insert and for WITHOUT ROWID tables.
    pub old_rowid: i64,
    /// The rowid after; meaningless for a delete and for WITHOUT ROWID tables.
    pub new_rowid: i64,
    /// The row before, by table column; `None` for virtual generated columns. Empty for an
    /// insert.
    pub old: Vec<Option<Value>>,
    /// The row after. Empty for a delete and an overwritten value.
    pub new: Vec<Option<Value>>,
}

/// The kind of a row change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOp {
    /// A new row.
    Insert,
    /// A changed row.
    Update,
    /// A removed row.
    Delete,
    /// Bytes of a value were overwritten in place, as full-text indexes do. The row before is
    /// known, the row after is to be read.
    Overwrite,
}

/// What was recorded, and how much more may be.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) events: Vec<Event>,
    table: Option<Rc<str>>,
    pub(super) wrote_sequences: bool,
    /// Bytes that may still be recorded.
    pub(super) left: usize,
    pub(super) is_exceeded: bool,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            table: None,
            wrote_sequences: false,
            left: usize::MAX,
            is_exceeded: false,
        }
    }
}

/// How many bytes the values take at least when they travel.
pub(super) fn least_bytes(row: &[Option<Value>]) -> usize {
    row.iter()
        .flatten()
        .map(|value| match value {
            Value::Null | Value::Integer(_) | Value::Real(_) => 2,
            Value::Text(text) => text.len(),
            Value::RawText(bytes) | Value::Blob(bytes) => bytes.len() / 3 * 4,
        })
        .sum()
}

/// A change takes so many bytes besides its values.
const LEAST_CHANGE: usize = 100;

impl Recording {
    /// Whether a change of values of so many bytes may be recorded.
    pub(super) fn has_room_for(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes + LEAST_CHANGE) {
            Some(left) if !self.is_exceeded => self.left = left,
            _ => self.is_exceeded = true,
        }
        !self.is_exceeded
    }

    pub(super) fn push(&mut self, table: &[u8], event: impl FnOnce(Rc<str>) -> Event) {
        let name = match &self.table {
            Some(name) if name.as_bytes() == table => Rc::clone(name),
            _ => Rc::from(String::from_utf8_lossy(table)),
        };
        self.table = Some(Rc::clone(&name));
        self.events.push(event(name));
    }
}
