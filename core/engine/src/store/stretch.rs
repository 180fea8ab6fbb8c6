//! What a file keeps of the log, a stretch at a time.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use ha_core::Seq;
use rusqlite::{Connection, params};

use super::record::sql;

/// How many messages a stretch has at most, and from how many bytes on it ends.
const MESSAGES: usize = 256;
const BYTES: usize = 1 << 20;

/// How much of a stretch there is.
#[derive(Debug, Default)]
pub(crate) struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    /// Whether there is room for more after a message of so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.messages += 1;
        self.bytes += bytes;
        self.messages < MESSAGES && self.bytes < BYTES
    }
}

/// The kept messages from the first of `places` on, without a gap; none if that one is not kept.
pub(crate) fn stretch(
    conn: &Connection,
    places: RangeInclusive<Seq>,
) -> rusqlite::Result<Vec<(Seq, Vec<u8>)>> {
    let mut select = conn.prepare_cached(
        "SELECT seq, payload FROM _ha_entries WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
    )?;
    let mut rows = select.query(params![sql(*places.start()), sql(*places.end())])?;
    let (mut found, mut room, mut next) = (Vec::new(), Room::default(), *places.start());
    while let Some(row) = rows.next()? {
        let (seq, payload): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if seq != sql(next) {
            break;
        }
        let goes_on = room.take(payload.len());
        found.push((next, payload));
        if !goes_on {
            break;
        }
        next = next.next();
    }
    Ok(found)
}

/// Those of `places` whose messages were skipped.
pub(crate) fn skipped_in(
    conn: &Connection,
    places: RangeInclusive<Seq>,
) -> rusqlite::Result<BTreeSet<Seq>> {
    conn.prepare_cached("SELECT seq FROM _ha_skipped WHERE seq BETWEEN ?1 AND ?2")?
        .query_map(params![sql(*places.start()), sql(*places.end())], |row| {
            Ok(Seq(row.get::<_, i64>(0)?.unsigned_abs()))
        })?
        .collect()
}

/// The oldest message that is kept.
pub(crate) fn oldest_kept(conn: &Connection) -> rusqlite::Result<Option<Seq>> {
    conn.query_row("SELECT min(seq) FROM _ha_entries", [], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.map(|seq| Seq(seq.unsigned_abs())))
    })
}
