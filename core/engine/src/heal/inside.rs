//! Entries of which this node has passed the first parts.

use bytes::Bytes;
use ha_changes::{Meta, Part};
use ha_core::{Result, Seq};

use super::Healer;
use super::kept::Kept;
use crate::machine::Position;

impl Healer {
    /// Where the entry was made of which the log has the first parts up to the position and the next
    /// one after it; `None` if nobody is inside an entry there. Parts that another entry has cut are
    /// passed, and change nothing; a log that loses what has cut them may get the rest of the entry
    /// in its place, which is one then, for everybody.
    pub(super) async fn before_passed_parts(&self) -> Result<Option<Position>> {
        let next = self.at(self.position.seq.next()).await?;
        let Some(meta) = next.and_then(|payload| meta(&payload)) else { return Ok(None) };
        let passed = u64::from(meta.part.0.saturating_sub(1));
        if passed == 0 || meta.base.seq.0.checked_add(passed) != Some(self.position.seq.0) {
            return Ok(None);
        }
        let before = Position { seq: meta.base.seq, hash: meta.base.hash, ..self.position };
        Ok(self.is_led_to_by(&before, &meta).await?.then_some(before))
    }

    /// Whether the position is reached from `before` by the parts of an entry that goes on with `next`.
    async fn is_led_to_by(&self, before: &Position, next: &Meta) -> Result<bool> {
        let kept = Kept::read(&self.database, self.position).await?;
        let mut hash = before.hash;
        for (seq, number) in (before.seq.0 + 1..).map(Seq).zip(1..next.part.0) {
            // The log may have been trimmed inside the entry.
            let stored = self.at(seq).await?.or_else(|| kept.get(seq).cloned());
            let Some(payload) = stored.filter(|payload| is_part(payload, next, number)) else {
                return Ok(false);
            };
            hash = hash.extend(seq, &payload);
        }
        Ok(hash == self.position.hash)
    }
}

fn is_part(payload: &Bytes, of: &Meta, number: u32) -> bool {
    let is_part = |meta: Meta| meta.id == of.id && meta.part == (number, of.part.1);
    meta(payload).is_some_and(is_part)
}

fn meta(payload: &Bytes) -> Option<Meta> {
    ha_changes::decode_part(payload).ok().as_ref().and_then(Part::meta).cloned()
}
