mod reader;
mod scalar;
mod wire;

use crate::decode::reader::Reader;
use crate::decode::scalar::Text;
use crate::decode::wire::{WireEntry, WireMeta, WireProbe};
use crate::part::{Item, Part};
use crate::{Change, Entry, Error, FORMAT_VERSION};

/// The entry that these bytes are: one of ours, or one of v0.0.7 if they have no `ha`. Fields
/// that are not known are ignored. Of v0.0.7, operations that are not known and rows of other
/// databases than `main` are left out.
///
/// Of one part of several ([`crate::Meta::part`]) these are the changes that are whole in it;
/// [`decode_part`] has them all.
///
/// # Errors
/// [`Error::Malformed`], or [`Error::NewerFormat`] if the version says that a newer reader
/// would understand.
pub fn decode(payload: &[u8]) -> Result<Entry, Error> {
    decode_part(payload).map(Part::into_entry)
}

/// As [`decode`], with the pieces of changes that are larger than a part, for
/// [`crate::Assembler`] and [`crate::PartApplier`]. An entry in one message is a part too.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_part(payload: &[u8]) -> Result<Part, Error> {
    let newer = || match serde_json::from_slice::<WireProbe>(payload) {
        Ok(WireProbe { ha: Some(ha) }) if ha.version > FORMAT_VERSION => {
            Some(Error::NewerFormat { version: ha.version })
        }
        _ => None,
    };
    read(payload).map_err(|reason| newer().unwrap_or(Error::Malformed(reason)))
}

/// The change that the pieces of one make, with the quotation marks of their strings taken
/// off.
pub(crate) fn decode_change(json: &str) -> Result<Change, Error> {
    let read = || {
        let wire = serde_json::from_str(json).map_err(|error| error.to_string())?;
        match Reader::new(true).item(wire)? {
            Some(Item::Change(change)) => Ok(change),
            Some(Item::Piece { .. }) | None => Err("a piece of a piece of a change".to_owned()),
        }
    };
    read().map_err(Error::Malformed)
}

type Reading<T> = Result<T, String>;

fn read(payload: &[u8]) -> Reading<Part> {
    // serde would take an array for an object whose fields all have defaults.
    if payload.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err("not a JSON object".to_owned());
    }
    let wire: WireEntry<'_> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let meta = wire.ha.map(WireMeta::into_meta).transpose()?;
    let mut reader = Reader::new(meta.is_some());
    let changes = wire.changes.unwrap_or_default();
    let items: Vec<Item> = changes
        .into_iter()
        .filter_map(|change| reader.item(change).transpose())
        .collect::<Reading<_>>()?;
    if let Some(meta) = &meta {
        meta.check(items.len())?;
    }
    let head = Entry {
        node: wire.node.map(Text::into_string).unwrap_or_default(),
        process_id: wire.process_id.unwrap_or_default(),
        timestamp_ns: wire.timestamp_ns.unwrap_or_default(),
        meta,
        changes: Vec::new(),
    };
    Part::new(head, items)
}
