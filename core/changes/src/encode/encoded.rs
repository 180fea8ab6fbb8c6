use bytes::Bytes;
use ha_core::AttemptId;

use crate::encode::parts::part_head;
use crate::{Base, Entry};

/// An entry as the messages that are stored one after the other: one, or several parts.
#[derive(Debug)]
pub struct Encoded {
    head: Entry,
    /// Each with the length of what it says before its changes.
    parts: Vec<(Bytes, usize)>,
}

impl Encoded {
    pub(super) fn new(head: Entry, parts: Vec<(Bytes, usize)>) -> Self {
        Self { head, parts }
    }

    /// The entry without its changes.
    #[must_use]
    pub fn head(&self) -> &Entry {
        &self.head
    }

    /// The messages. They share their bytes with this.
    #[must_use]
    pub fn parts(&self) -> Vec<Bytes> {
        self.parts.iter().map(|(bytes, _)| bytes.clone()).collect()
    }

    /// The length of all messages.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parts.iter().map(|(bytes, _)| bytes.len()).sum()
    }

    /// Makes it another try on another base. The changes are copied, not written again; one
    /// message after the other, so that memory holds them once if nobody else holds them.
    pub fn rebase(&mut self, id: AttemptId, base: Base) {
        let Some(mut meta) = self.head.meta.take() else { return };
        (meta.id, meta.base) = (id, base);
        let of = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        for (number, part) in (1..).zip(&mut self.parts) {
            let mut bytes = part_head(&self.head, &meta, (number, of));
            let start = bytes.len();
            bytes.extend_from_slice(&part.0[part.1..]);
            *part = (bytes.into(), start);
        }
        self.head.meta = Some(meta);
    }
}
