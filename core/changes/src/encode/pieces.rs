//! Pieces of changes. A change that is larger than a part is cut too: its JSON stands,
//! as strings, in changes of the operation `CONTINUE`, which v0.0.7 does not know and skips:
//! `{"operation":"CONTINUE","json":"{\"database\":…","more":true}`. The last piece of a change
//! has no `more`; nothing stands between the pieces of one.

use crate::encode::Writer;

/// What a piece of a change looks like: this, a string, and one of the ends.
const PIECE: &str = "{\"operation\":\"CONTINUE\",\"json\":";
const MORE: &str = ",\"more\":true}";
const LAST: &str = "}";
/// A comma before a piece, the piece around its string, and the string's quotes.
pub(super) const PIECE_BYTES: usize = 1 + PIECE.len() + 2 + MORE.len();
/// Less of a change is not worth a piece; every part must have room for as much.
pub(super) const MIN_PIECE_BYTES: usize = 64;

pub(super) fn piece_json(piece: &str, is_last: bool) -> String {
    let mut json = Writer::default();
    json.raw(PIECE);
    json.string(piece);
    json.raw(if is_last { LAST } else { MORE });
    String::from_utf8(json.bytes).expect("a piece is written from strings")
}

/// How much of a change fits into `room` bytes of a string, at a border of characters. A
/// change is JSON, in which only quotes and backslashes need another byte.
pub(super) fn fitting(json: &str, room: usize) -> usize {
    let mut used = 0;
    let fits = |byte: &u8| {
        used += if matches!(byte, b'"' | b'\\') { 2 } else { 1 };
        used <= room
    };
    let bytes = json.bytes().take_while(fits).count();
    json.floor_char_boundary(bytes)
}
