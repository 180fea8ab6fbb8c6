//! Cutting entries into parts. A change that is larger than a part is cut too: its JSON stands,
//! as strings, in changes of the operation `CONTINUE`, which v0.0.7 does not know and skips:
//! `{"operation":"CONTINUE","json":"{\"database\":…","more":true}`. The last piece of a change
//! has no `more`; nothing stands between the pieces of one.

use crate::encode::change::Encoder;
use crate::encode::{Writer, check, tail, whole, write_head};
use crate::{Change, Entry, Error, Form, Kind, Meta};

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
        Some(meta) if meta.part == (1, 1) => Cutter::new(entry, meta, form, max_part_bytes)?.cut(),
        _ => Err(Error::TooLarge { max_part_bytes }),
    }
}

/// What a piece of a change looks like: this, a string, and one of the ends.
const PIECE: &str = "{\"operation\":\"CONTINUE\",\"json\":";
const MORE: &str = ",\"more\":true}";
const LAST: &str = "}";
/// A comma before a piece, the piece around its string, and the string's quotes.
const PIECE_BYTES: usize = 1 + PIECE.len() + 2 + MORE.len();
/// Less of a change is not worth a piece; every part must have room for as much.
const MIN_PIECE_BYTES: usize = 64;

struct Cutter<'a> {
    entry: &'a Entry,
    meta: &'a Meta,
    max_part_bytes: usize,
    /// How many bytes of changes the first part and the later ones may have.
    room: [usize; 2],
    /// The changes of the parts before this one.
    done: Vec<Vec<u8>>,
    /// The changes of this one.
    changes: Encoder<'a>,
}

impl<'a> Cutter<'a> {
    fn new(
        entry: &'a Entry,
        meta: &'a Meta,
        form: Form<'a>,
        max_part_bytes: usize,
    ) -> Result<Self, Error> {
        let room = |part| {
            let around = part_head(entry, meta, (part, MAX_PARTS)).len() + tail(entry).len();
            let room = max_part_bytes.checked_sub(around);
            room.filter(|&room| room >= PIECE_BYTES + MIN_PIECE_BYTES)
        };
        let room = room(1).zip(room(MAX_PARTS)).ok_or(Error::TooLarge { max_part_bytes })?;
        let changes = Encoder::new(Writer::default(), form);
        Ok(Self { entry, meta, max_part_bytes, room: room.into(), done: Vec::new(), changes })
    }

    fn cut(mut self) -> Result<Vec<Vec<u8>>, Error> {
        for change in &self.entry.changes {
            self.push(change)?;
        }
        self.next_part()?;
        let parts = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let tail = tail(self.entry);
        let part = |(part, changes): (u32, Vec<u8>)| {
            let mut bytes = part_head(self.entry, self.meta, (part, parts));
            bytes.reserve_exact(changes.len() + tail.len());
            bytes.extend_from_slice(&changes);
            bytes.extend_from_slice(&tail);
            bytes
        };
        Ok((1..).zip(self.done).map(part).collect())
    }

    fn push(&mut self, change: &'a Change) -> Result<(), Error> {
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
        if self.done.len() == MAX_PARTS as usize {
            return Err(Error::TooLarge { max_part_bytes: self.max_part_bytes });
        }
        self.done.push(self.changes.take());
        Ok(())
    }

    fn room(&self) -> usize {
        self.room[usize::from(!self.done.is_empty())]
    }
}

/// What a part says before its changes. The later ones say no more of the entry than they
/// must.
fn part_head(entry: &Entry, meta: &Meta, part: (u32, u32)) -> Vec<u8> {
    let mut json = Writer::default();
    let meta = if part.0 == 1 {
        Meta { part, ..meta.clone() }
    } else {
        Meta {
            version: meta.version,
            id: meta.id,
            part,
            base: meta.base,
            kind: Kind::Transactions(Vec::new()),
            sqlite: None,
            functions: Vec::new(),
            modules: Vec::new(),
        }
    };
    write_head(&mut json, entry, Some(&meta));
    json.bytes
}

fn piece_json(piece: &str, is_last: bool) -> String {
    let mut json = Writer::default();
    json.raw(PIECE);
    json.string(piece);
    json.raw(if is_last { LAST } else { MORE });
    String::from_utf8(json.bytes).expect("a piece is written from strings")
}

/// How much of a change fits into `room` bytes of a string, at a border of characters. A
/// change is JSON, in which only quotes and backslashes need another byte.
fn fitting(json: &str, room: usize) -> usize {
    let mut used = 0;
    let fits = |byte: &u8| {
        used += if matches!(byte, b'"' | b'\\') { 2 } else { 1 };
        used <= room
    };
    let bytes = json.bytes().take_while(fits).count();
    json.floor_char_boundary(bytes)
}
