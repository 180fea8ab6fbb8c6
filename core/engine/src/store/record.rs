//! What a database file records of the log: the node's own tables. They are on-disk format.

use std::ops::RangeInclusive;

use ha_changes::{Meta, decode_part};
use ha_core::{Error, Lineage, Result, RunningHash, Seq};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{keys, transactions};
use crate::machine::{Folded, Position};

/// The version of these tables. A file with a newer one is refused.
const FORMAT: i64 = 1;

/// How many of the newest entries are kept, and how many bytes at most.
const KEPT_ENTRIES: i64 = 1_000;
const KEPT_BYTES: i64 = 64 << 20;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS _ha_position(
  id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, lineage BLOB NOT NULL,
  seq INTEGER NOT NULL, transactions INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS _ha_entries(seq INTEGER PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS _ha_keys(
  key TEXT PRIMARY KEY, request BLOB NOT NULL, seq INTEGER NOT NULL, transaction_no INTEGER NOT NULL,
  reply BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _ha_keys_by_seq ON _ha_keys(seq);
CREATE TABLE IF NOT EXISTS _ha_skipped(seq INTEGER PRIMARY KEY, reason TEXT NOT NULL);";

/// The position that a file records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) position: Position,
    /// Client transactions in the entry at the position.
    pub(crate) transactions: u32,
}

impl Record {
    /// Before the first entry of a log.
    pub(crate) fn empty(lineage: Lineage) -> Self {
        let position = Position { lineage, seq: Seq::ZERO, hash: RunningHash::default() };
        Self { position, transactions: 0 }
    }
}

/// Makes the tables that are missing.
pub(crate) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(SCHEMA)
}

/// Whether there is nothing for [`create`] to make.
pub(crate) fn is_created(conn: &Connection) -> rusqlite::Result<bool> {
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name IN \
                ('_ha_position', '_ha_entries', '_ha_keys', '_ha_keys_by_seq', '_ha_skipped')";
    conn.query_row(ours, [], |row| row.get::<_, i64>(0)).map(|count| count == 5)
}

/// The recorded position; `None` if the file has none.
pub(crate) fn read(conn: &Connection) -> Result<Option<Record>> {
    let exists = conn
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = '_ha_position'")
        .and_then(|mut found| found.exists([]))
        .map_err(ha_sqlite::error)?;
    if !exists {
        return Ok(None);
    }
    conn.prepare_cached("SELECT format, lineage, seq, transactions, hash FROM _ha_position")
        .and_then(|mut select| {
            select
                .query_row([], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })
                .optional()
        })
        .map_err(ha_sqlite::error)?
        .map(|(format, lineage, seq, transactions, hash): (i64, [u8; 8], i64, u32, [u8; 32])| {
            if format > FORMAT {
                return Err(Error::Corrupt(format!(
                    "the database was written by a newer ha (format {format}, this one reads {FORMAT}); update this node"
                )));
            }
            let position =
                Position { lineage: Lineage(lineage), seq: Seq(seq.unsigned_abs()), hash: RunningHash(hash) };
            Ok(Record { position, transactions })
        })
        .transpose()
}

/// Records the position, and the entry at it, in the open transaction.
pub(crate) fn write(
    conn: &Connection,
    record: &Record,
    payload: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let Record { position, transactions } = record;
    conn.prepare_cached("REPLACE INTO _ha_position VALUES(1, ?1, ?2, ?3, ?4, ?5)")?.execute(
        params![FORMAT, position.lineage.0, sql(position.seq), transactions, position.hash.0],
    )?;
    keys::prune(conn, position.seq)?;
    let Some(payload) = payload else { return Ok(()) };
    keep_parts(conn, position.seq, &[payload]).map(drop)
}

/// Keeps the parts of an entry, the last of which stands at `last`: the newest, as far as they
/// are kept at all. Returns their bytes.
pub(super) fn keep_parts(
    conn: &Connection,
    last: Seq,
    parts: &[impl AsRef<[u8]>],
) -> rusqlite::Result<usize> {
    let mut bytes = 0;
    let newest_first = (0..).map(|age| Seq(last.0 - age)).zip(parts.iter().rev());
    for (seq, part) in newest_first {
        let part = part.as_ref();
        if bytes + part.len() > KEPT_BYTES.unsigned_abs() as usize {
            conn.prepare_cached("DELETE FROM _ha_entries WHERE seq <= ?1")?.execute([sql(seq)])?;
            break;
        }
        keep(conn, seq, part)?;
        bytes += part.len();
    }
    forget_old(conn, last)?;
    Ok(bytes)
}

/// Keeps a part of an entry of which `more` parts follow; whether it is kept. If not, nothing
/// before it is either.
pub(super) fn keep_part(
    conn: &Connection,
    seq: Seq,
    part: &[u8],
    more: u32,
) -> rusqlite::Result<bool> {
    let follows = part.len().saturating_mul(more as usize);
    if follows > KEPT_BYTES.unsigned_abs() as usize {
        conn.prepare_cached("DELETE FROM _ha_entries")?.execute([])?;
        return Ok(false);
    }
    keep(conn, seq, part)?;
    forget_old(conn, seq)?;
    Ok(true)
}

fn forget_old(conn: &Connection, last: Seq) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM _ha_entries WHERE seq <= ?1")?
        .execute([sql(last).saturating_sub(KEPT_ENTRIES)])
        .map(drop)
}

/// Keeps the entry at `seq`.
pub(super) fn keep(conn: &Connection, seq: Seq, payload: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("REPLACE INTO _ha_entries VALUES(?1, ?2)")?
        .execute(params![sql(seq), payload])
        .map(drop)
}

/// Drops the oldest kept entries above the limit of bytes; returns the bytes that are left.
pub(crate) fn prune(conn: &Connection) -> rusqlite::Result<i64> {
    let bytes = |conn: &Connection| -> rusqlite::Result<i64> {
        conn.prepare_cached("SELECT coalesce(sum(length(payload)), 0) FROM _ha_entries")?
            .query_row([], |row| row.get(0))
    };
    let mut left = bytes(conn)?;
    while left > KEPT_BYTES {
        conn.prepare_cached(
            "DELETE FROM _ha_entries WHERE seq <= (SELECT min(seq) + (count(*) - 1) / 2 FROM _ha_entries)",
        )?
        .execute([])?;
        left = bytes(conn)?;
    }
    Ok(left)
}

/// Whether [`prune`] is due after `written` more bytes.
pub(crate) fn prune_is_due(known: i64, written: usize) -> bool {
    known.saturating_add(i64::try_from(written).unwrap_or(i64::MAX)) > KEPT_BYTES
}

/// The kept entry at `seq`.
pub(crate) fn entry(conn: &Connection, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT payload FROM _ha_entries WHERE seq = ?1")?
        .query_row([sql(seq)], |row| row.get(0))
        .optional()
}

/// The kept entries of these places, in order.
pub(crate) fn entries(
    conn: &Connection,
    places: RangeInclusive<Seq>,
) -> rusqlite::Result<Vec<(Seq, Vec<u8>)>> {
    let kept = "SELECT seq, payload FROM _ha_entries WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let entry = |row: &Row<'_>| Ok((Seq(row.get::<_, i64>(0)?.unsigned_abs()), row.get(1)?));
    let (first, last) = (sql(*places.start()), sql(*places.end()));
    conn.prepare_cached(kept)?.query_map([first, last], entry)?.collect()
}

/// Forgets, in the open transaction, what decides nothing in another log: all but the position and
/// the idempotency keys. Those go on from the place `from` in this log to `to` in the other.
pub(crate) fn change_log(conn: &Connection, from: Seq, to: Seq) -> rusqlite::Result<()> {
    conn.execute_batch("DELETE FROM _ha_entries; DELETE FROM _ha_skipped")?;
    keys::carry(conn, from, to)
}

/// Forgets what was passed after `last`, in the open transaction. Returns how many client transactions
/// the entry there holds, as far as it is kept.
pub(super) fn step_back(conn: &Connection, last: Seq) -> rusqlite::Result<u32> {
    conn.prepare_cached("DELETE FROM _ha_entries WHERE seq > ?1")?.execute([sql(last)])?;
    conn.prepare_cached("DELETE FROM _ha_skipped WHERE seq > ?1")?.execute([sql(last)])?;
    let head = |seq| -> rusqlite::Result<Option<Meta>> {
        Ok(entry(conn, seq)?.and_then(|payload| decode_part(&payload).ok()?.meta().cloned()))
    };
    if is_skipped(conn, last)? {
        return Ok(0);
    }
    let Some(Meta { part: (number, _), .. }) = head(last)? else { return Ok(0) };
    Ok(transactions(head(Seq((last.0 + 1).saturating_sub(u64::from(number))))?.as_ref()))
}

/// Notes that the database has the log from `first` on only.
pub(crate) fn mark_partial(conn: &Connection, first: Seq) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "DROP TABLE IF EXISTS _ha_partial; CREATE TABLE _ha_partial(first INTEGER NOT NULL);
         INSERT INTO _ha_partial VALUES({})",
        sql(first)
    ))
}

/// From which entry on the database has the log, if it has not all of it.
pub(crate) fn partial_since(conn: &Connection) -> rusqlite::Result<Option<Seq>> {
    let marked = "SELECT 1 FROM sqlite_schema WHERE name = '_ha_partial'";
    if !conn.prepare_cached(marked)?.exists([])? {
        return Ok(None);
    }
    let first = conn.query_row("SELECT first FROM _ha_partial", [], |row| row.get::<_, i64>(0));
    first.optional().map(|first| first.map(|first| Seq(first.unsigned_abs())))
}

/// Keeps entries that change nothing, in the open transaction.
pub(super) fn write_folded(conn: &Connection, folded: &[Folded]) -> rusqlite::Result<()> {
    for Folded { stored, reason } in folded {
        if let Some(reason) = reason {
            note_skipped(conn, stored.seq, reason)?;
        }
        keep(conn, stored.seq, &stored.payload)?;
    }
    Ok(())
}

/// Whether the entry at `seq` was skipped.
pub(crate) fn is_skipped(conn: &Connection, seq: Seq) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM _ha_skipped WHERE seq = ?1")?.exists([sql(seq)])
}

/// Notes an entry that every node skips.
pub(crate) fn note_skipped(conn: &Connection, seq: Seq, reason: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("REPLACE INTO _ha_skipped VALUES(?1, ?2)")?
        .execute(params![sql(seq), reason])
        .map(drop)
}

/// A sequence as SQLite's integer; the log would take longer than the sun to get beyond.
pub(super) fn sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// Whether the file holds nothing of anybody's.
pub(crate) fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    let objects: i64 = conn.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_ha\\_%' ESCAPE '\\' \
         AND tbl_name NOT LIKE '\\_ha\\_%' ESCAPE '\\'",
        [],
        |row| row.get(0),
    )?;
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(objects == 0 && pragma("user_version")? == 0 && pragma("application_id")? == 0)
}

#[cfg(test)]
mod tests {
    use ha_sqlite::{Durability, OpenOptions, Role};

    use super::*;
    use crate::store::{Store, TransactionLimit};

    #[test]
    fn a_database_has_all_our_tables_only_if_none_of_them_is_missing() {
        let made = |conn: &Connection| {
            let ours =
                "SELECT type, name FROM sqlite_schema WHERE name LIKE '\\_ha\\_%' ESCAPE '\\'";
            let mut rows = conn.prepare(ours).unwrap();
            let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            rows.query_map([], pair).unwrap().collect::<Result<Vec<(String, String)>, _>>().unwrap()
        };
        let whole = Connection::open_in_memory().unwrap();
        assert!(!is_created(&whole).unwrap());
        create(&whole).unwrap();
        assert!(is_created(&whole).unwrap());
        for (kind, name) in made(&whole) {
            let conn = Connection::open_in_memory().unwrap();
            create(&conn).unwrap();
            conn.execute_batch(&format!("DROP {kind} {name}")).unwrap();
            assert!(!is_created(&conn).unwrap(), "without {name}");
        }
    }

    #[test]
    fn a_restored_database_has_one_position_whatever_was_in_the_snapshot() {
        let dir = tempfile::TempDir::new().unwrap();
        let (path, snapshot) = (dir.path().join("ha.db"), dir.path().join("snapshot"));
        let record = Record::empty(Lineage([1; 8]));
        let open = OpenOptions {
            foreign_keys: true,
            durability: Durability::Off,
            cache_size: None,
            extensions: Vec::new(),
        };
        create(&ha_sqlite::open(&path, Role::Apply, &open).unwrap()).unwrap();
        let damaged = Connection::open(&snapshot).unwrap();
        create(&damaged).unwrap();
        write(&damaged, &record, None).unwrap();
        let damage = "PRAGMA ignore_check_constraints = 1; UPDATE _ha_position SET id = 85";
        damaged.execute_batch(damage).unwrap();
        let mut store = Store::open(&path, &open, record, TransactionLimit::none()).unwrap();
        store.restore(&snapshot, record, None).unwrap();
        let conn = Connection::open(&path).unwrap();
        let ids = |row: &Row<'_>| row.get::<_, String>(0);
        let all = conn.query_row("SELECT group_concat(id) FROM _ha_position", [], ids).unwrap();
        assert_eq!(all, "1");
    }
}
