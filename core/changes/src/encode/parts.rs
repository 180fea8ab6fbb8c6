//! Cutting entries into parts.

use bytes::Bytes;
use ha_core::{AttemptId, Lineage, RunningHash, Seq};

use crate::encode::change::Encoder;
use crate::encode::pieces::{MIN_PIECE_BYTES, PIECE_BYTES, fitting, piece_json};
use crate::encode::{Writer, check, check_change, tail, whole, write_head};
use crate::{Base, Change, Encoded, Entry, Error, Form, Kind, Meta};

/// Into how many parts an entry may be cut: as many messages as a NATS server stores at once
/// (ADR-50, `https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md`).
pub const MAX_PARTS: u32 = 1000;

/// The messages of an entry, each of at most `max_part_bytes`: one as [`crate::encode`] gives
/// it if it fits, else as many parts as it takes, to be stored one after the other.
///
/// Each part says which entry it is of, where it stands, and the entry's base. The first has
/// the marks of all transactions, and what the SQL needs; they count the changes of all parts.
/// v0.0.7 applies the rows of each part. A change that is larger than a part continues in
/// parts that v0.0.7 does not apply: it never has that change.
///
/// Beside the entry and the parts, memory holds one change and one part. The parts are about
/// as large as the entry, blobs a third larger.
///
/// # Errors
/// Those of [`crate::encode`]; [`Error::TooLarge`].
pub fn encode_parts(entry: &Entry, max_part_bytes: usize) -> Result<Vec<Vec<u8>>, Error> {
    encode_parts_for(entry, Form::Own, max_part_bytes)
}

/// As [`encode_parts`], for the readers that the form names.
///
/// # Errors
/// Those of [`encode_parts`].
pub fn encode_parts_for(
    entry: &Entry,
    form: Form<'_>,
    max_part_bytes: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    check(entry)?;
    if let Some(whole) = whole(entry, form, max_part_bytes) {
        return Ok(vec![whole]);
    }
    match &entry.meta {
        Some(meta) if meta.part == (1, 1) => {
            let limits = PartLimits { max_part_bytes, max_parts: MAX_PARTS };
            let mut writer = PartWriter::with_room(head_of(entry), meta.clone(), form, limits)?;
            entry.changes.iter().try_for_each(|change| writer.push(change))?;
            writer.next_part()?;
            Ok(writer.messages().map(|(bytes, _)| bytes).collect())
        }
        _ => Err(Error::TooLarge { max_part_bytes }),
    }
}

/// What the messages of an entry may be.
#[derive(Debug, Clone, Copy)]
pub struct PartLimits {
    /// Bytes of each.
    pub max_part_bytes: usize,
    /// How many there may be; never more than [`MAX_PARTS`].
    pub max_parts: u32,
}

/// Makes the messages of an entry while its changes come, so that none of them need be kept.
///
/// Beside the messages, memory holds the JSON of one change.
#[derive(Debug)]
pub struct PartWriter<'f> {
    /// The entry without changes, and without what is in `meta`.
    head: Entry,
    meta: Meta,
    limits: PartLimits,
    /// How many bytes of changes the first part and the later ones may have.
    room: [usize; 2],
    pushed: usize,
    /// The changes of the parts before this one, and how many bytes they are.
    done: Vec<Vec<u8>>,
    done_bytes: usize,
    /// The changes of this one.
    changes: Encoder<'f>,
}

impl<'f> PartWriter<'f> {
    /// Begins an entry with this head: an [`Entry`] of ours without changes, whose marks tell
    /// how many will come. There is room for any attempt and base in [`Encoded::rebase`].
    ///
    /// # Errors
    /// [`Error::TooLarge`] if not even the head fits; [`Error::Inconsistent`] for an entry of
    /// v0.0.7.
    pub fn new(mut head: Entry, form: Form<'f>, limits: PartLimits) -> Result<Self, Error> {
        let no_meta = || Error::Inconsistent("an entry of v0.0.7".to_owned());
        let meta = head.meta.take().ok_or_else(no_meta)?;
        let narrow = without_contents(&meta);
        let width = |meta: &Meta| part_head(&head, meta, (1, 1)).len();
        let wider = width(&widest(&narrow)) - width(&narrow);
        let writer = Self::with_room(head, meta, form, limits)?;
        Ok(Self { room: writer.room.map(|room| room.saturating_sub(wider)), ..writer })
    }

    fn with_room(
        head: Entry,
        meta: Meta,
        form: Form<'f>,
        limits: PartLimits,
    ) -> Result<Self, Error> {
        let PartLimits { max_part_bytes, .. } = limits;
        let room = |part| {
            let around = part_head(&head, &meta, (part, MAX_PARTS)).len() + tail(&head).len();
            let room = max_part_bytes.checked_sub(around);
            room.filter(|&room| room >= PIECE_BYTES + MIN_PIECE_BYTES)
        };
        let room = room(1).zip(room(MAX_PARTS)).ok_or(Error::TooLarge { max_part_bytes })?;
        let changes = Encoder::new(Writer::default(), form);
        let (done, room) = (Vec::new(), room.into());
        Ok(Self { head, meta, limits, room, pushed: 0, done, done_bytes: 0, changes })
    }

    /// The bytes of all changes so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.done_bytes + self.changes.len()
    }

    /// Adds the next change.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Inconsistent`] if a row does not fit its table, and
    /// [`Error::Unsupported`] if the table's columns hide its rowid.
    pub fn push(&mut self, change: &Change) -> Result<(), Error> {
        check_change(change)?;
        self.pushed += 1;
        let before = self.changes.len();
        self.changes.push(change);
        if self.changes.len() <= self.room() {
            return Ok(());
        }
        let json = self.changes.take_from(before);
        if json.len() > self.room[1] {
            return self.push_pieces(&json);
        }
        self.next_part()?;
        self.changes.push_json(&json);
        Ok(())
    }

    /// The messages.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Inconsistent`] if the marks claim other changes than came.
    pub fn finish(mut self) -> Result<Encoded, Error> {
        self.meta.check(self.pushed).map_err(Error::Inconsistent)?;
        self.next_part()?;
        let messages = self.messages().map(|(bytes, head)| (Bytes::from(bytes), head)).collect();
        let Self { head, meta, .. } = self;
        Ok(Encoded::new(Entry { meta: Some(meta), ..head }, messages))
    }

    /// What was written, and how long the head of each message is.
    fn messages(&mut self) -> impl Iterator<Item = (Vec<u8>, usize)> {
        let done = std::mem::take(&mut self.done);
        let parts = u32::try_from(done.len()).unwrap_or(u32::MAX);
        let (head, meta, tail) = (&self.head, &self.meta, tail(&self.head));
        (1..).zip(done).map(move |(part, changes): (u32, Vec<u8>)| {
            let mut bytes = part_head(head, meta, (part, parts));
            let start = bytes.len();
            bytes.reserve_exact(changes.len() + tail.len());
            bytes.extend_from_slice(&changes);
            bytes.extend_from_slice(&tail);
            (bytes, start)
        })
    }

    fn push_pieces(&mut self, mut json: &str) -> Result<(), Error> {
        loop {
            let room = self.room().saturating_sub(self.changes.len() + PIECE_BYTES);
            if room < MIN_PIECE_BYTES {
                self.next_part()?;
                continue;
            }
            let (piece, rest) = json.split_at(fitting(json, room));
            self.changes.push_json(&piece_json(piece, rest.is_empty()));
            if rest.is_empty() {
                return Ok(());
            }
            json = rest;
            self.next_part()?;
        }
    }

    fn next_part(&mut self) -> Result<(), Error> {
        if self.done.len() >= self.limits.max_parts.min(MAX_PARTS) as usize {
            return Err(Error::TooLarge { max_part_bytes: self.limits.max_part_bytes });
        }
        self.done_bytes += self.changes.len();
        self.done.push(self.changes.take());
        Ok(())
    }

    fn room(&self) -> usize {
        self.room[usize::from(!self.done.is_empty())]
    }
}

/// The longest that the head of another try can be.
fn widest(meta: &Meta) -> Meta {
    let id = AttemptId { boot: u64::MAX, counter: u64::MAX };
    let base = Base { lineage: Lineage([0; 8]), seq: Seq(u64::MAX), hash: RunningHash::default() };
    Meta { id, base, ..meta.clone() }
}

/// What the later parts say of the entry: no more than they must.
fn without_contents(meta: &Meta) -> Meta {
    Meta {
        version: meta.version,
        id: meta.id,
        part: meta.part,
        base: meta.base,
        kind: Kind::Transactions(Vec::new()),
        sqlite: None,
        functions: Vec::new(),
        modules: Vec::new(),
    }
}

fn head_of(entry: &Entry) -> Entry {
    let Entry { node, process_id, timestamp_ns, .. } = entry;
    let (process_id, timestamp_ns) = (*process_id, *timestamp_ns);
    Entry { node: node.clone(), process_id, timestamp_ns, meta: None, changes: Vec::new() }
}

/// What a part says before its changes. The entry's own meta is left aside.
pub(super) fn part_head(entry: &Entry, meta: &Meta, part: (u32, u32)) -> Vec<u8> {
    let mut json = Writer::default();
    let later = (part.0 > 1).then(|| without_contents(meta));
    write_head(&mut json, entry, Some((later.as_ref().unwrap_or(meta), part)));
    json.bytes
}
