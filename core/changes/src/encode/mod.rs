mod change;
mod ddl;
mod encoded;
mod json;
mod meta;
mod parts;
mod pieces;
mod v007;

use crate::encode::change::Encoder;
use crate::{Change, Entry, Error, Form, Meta};
pub use encoded::Encoded;
pub(crate) use json::Writer;
pub use parts::{MAX_PARTS, PartLimits, PartWriter, encode_parts, encode_parts_for};

/// The bytes of an entry: the JSON object of v0.0.7 with its fields in its order, and our own
/// in `ha`, before the changes. Values arrive exactly, whatever v0.0.7 makes of them. A NaN,
/// which SQLite stores as NULL, is written as NULL.
///
/// # Errors
/// [`Error::Inconsistent`] if rows do not fit their table, or marks their changes;
/// [`Error::Unsupported`] for a table whose columns hide its rowid.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, Error> {
    encode_for(entry, Form::Own)
}

/// As [`encode`], for the readers that the form names.
///
/// # Errors
/// Those of [`encode`].
pub fn encode_for(entry: &Entry, form: Form<'_>) -> Result<Vec<u8>, Error> {
    check(entry)?;
    let whole = whole(entry, form, usize::MAX);
    Ok(whole.expect("nothing is longer than memory"))
}

/// The entry as one message; `None` if that is longer than `limit` bytes.
fn whole(entry: &Entry, form: Form<'_>, limit: usize) -> Option<Vec<u8>> {
    let mut json = Writer::default();
    write_head(&mut json, entry, entry.meta.as_ref().map(|meta| (meta, meta.part)));
    let mut changes = Encoder::new(json, form);
    let tail = tail(entry);
    for change in &entry.changes {
        changes.push(change);
        if changes.len() + tail.len() > limit {
            return None;
        }
    }
    let mut bytes = changes.into_bytes();
    bytes.extend_from_slice(&tail);
    (bytes.len() <= limit).then_some(bytes)
}

/// Everything before the first change, in this part.
fn write_head(json: &mut Writer, entry: &Entry, meta: Option<(&Meta, (u32, u32))>) {
    json.raw("{\"node\":");
    json.string(&entry.node);
    json.raw(",\"process_id\":");
    json.integer(entry.process_id);
    if let Some((meta, part)) = meta {
        json.raw(",\"ha\":");
        meta::write(json, meta, part);
    }
    json.raw(",\"changes\":[");
}

/// Everything after the last change.
fn tail(entry: &Entry) -> Vec<u8> {
    let mut json = Writer::default();
    json.raw("],\"timestamp_ns\":");
    json.integer(entry.timestamp_ns);
    json.raw("}");
    json.bytes
}

fn check(entry: &Entry) -> Result<(), Error> {
    let Some(meta) = &entry.meta else { return Ok(()) };
    meta.check(entry.changes.len()).map_err(Error::Inconsistent)?;
    entry.changes.iter().try_for_each(check_change)
}

fn check_change(change: &Change) -> Result<(), Error> {
    let Change::Row(row) = change else { return Ok(()) };
    let table = &row.table;
    // Decoded tables do not say whether a primary key is the rowid.
    if table.rowid_name().is_none() && !table.without_rowid && table.rowid_alias().is_none() {
        return Err(Error::Unsupported(format!(
            "table {:?} has columns rowid, _rowid_ and oid, and no INTEGER PRIMARY KEY",
            table.name
        )));
    }
    if !row.is_consistent() {
        return Err(Error::Inconsistent(format!("a row of {:?} does not fit it", table.name)));
    }
    Ok(())
}
