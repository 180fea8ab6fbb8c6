//! What must hold of a log that was deleted and begun anew.

use std::collections::HashSet;
use std::rc::Rc;

use bytes::Bytes;
use ha_core::Token;
use rusqlite::Connection;

use super::campaign::scratch;
use super::check::tables;
use super::log::Log;
use super::nodes::Slot;
use super::point::Point;
use super::state::State;
use super::world;
use crate::heal::lost_entries;

/// Who follows a log that was begun anew has saved what that has not.
pub(super) fn followed(slot: &Slot, log: &Log, stood: &Rc<Point>, now: Token) {
    let Some(origin) = log.origin().filter(|_| now.lineage == log.bounds().lineage) else { return };
    // Of who is behind it the base does not tell whether he stood on its history.
    if log.has(stood) || stood.seq < origin.seq {
        return;
    }
    let saved = saved(slot);
    let lost = log.beyond(stood, origin);
    world().note("followed a log begun anew", now.seq.0, lost.len() as u64);
    let is_saved = lost.iter().all(|payload| saved.contains(payload));
    assert!(is_saved, "{} has not saved {} entries", slot.path().display(), lost.len());
}

/// The entries in the files of what was lost.
fn saved(slot: &Slot) -> HashSet<Bytes> {
    let files = lost_entries(slot.path());
    let texts = files.iter().map(|file| std::fs::read_to_string(file).expect("it is readable"));
    let payload = |line: &str| -> Bytes {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        let text = |name| line.get(name).and_then(serde_json::Value::as_str);
        let digits =
            || hex::decode(text("payload_hex").unwrap_or_default()).expect("it is hexadecimal");
        text("payload").map_or_else(digits, |text| text.as_bytes().to_vec()).into()
    };
    texts.flat_map(|text| text.lines().map(payload).collect::<Vec<_>>()).collect()
}

/// The state that a log is begun with is the one that it goes on from.
pub(super) fn base(body: Option<Bytes>, state: &State) {
    let file = tempfile::NamedTempFile::new_in(scratch()).expect("there is room");
    std::fs::write(file.path(), body.expect("a base is stored first")).expect("there is room");
    let conn = Connection::open(file.path()).expect("it can be opened");
    assert_eq!(tables(&conn), *state, "the base is another state");
}
