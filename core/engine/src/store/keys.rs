//! Idempotency keys: what was answered under each. Rows are written with the entry that has them,
//! by whoever commits or applies it, and dropped by its place in the log, so that they are the
//! same on every node.

use ha_changes::{Keyed, Kind, Meta};
use ha_core::{Batch, Error, Params, Result, ResultSet, Seq, Value};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::Store;
use super::execution::Execution;
use super::record::sql;
use crate::planted::{Bug, planted};

/// A key is remembered for so many sequences of the log.
const KEPT: i64 = 100_000;

/// A client's key and the digest of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) digest: [u8; 32],
}

/// What was answered under a key.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) results: Vec<ResultSet>,
    /// The entry, or `None` if it is the open group's.
    pub(crate) seq: Option<Seq>,
    /// The transaction in it.
    pub(crate) n: u32,
}

impl Request {
    /// The request that a batch with a key is.
    pub(crate) fn of(batch: &Batch) -> Option<Self> {
        let key = batch.key.as_ref()?.as_str().to_owned();
        Some(Self { key, digest: digest(batch) })
    }

    /// How it travels, with what came of it.
    pub(crate) fn answered(&self, results: &[ResultSet]) -> Keyed {
        let counts =
            results.iter().map(|result| (result.changes, result.last_insert_rowid)).collect();
        Keyed { key: self.key.clone(), request: self.digest, counts }
    }

    fn check(&self, known: [u8; 32]) -> Result<()> {
        if known == self.digest { Ok(()) } else { Err(Error::KeyReused(self.key.clone())) }
    }
}

impl Store {
    /// What was answered under the key, in the log or before in the open group.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if that was another request.
    pub(crate) fn answered(
        &self,
        execution: &Execution,
        request: &Request,
    ) -> Result<Option<Answered>> {
        if let Some((n, keyed)) = execution.keyed(&request.key) {
            request.check(keyed.request)?;
            return Ok(Some(Answered { results: results(&keyed.counts), seq: None, n }));
        }
        let found = self.trusted(
            "SELECT request, seq, transaction_no, reply FROM _ha_keys WHERE key = ?1",
            |select| {
                let row = |row: &rusqlite::Row<'_>| {
                    Ok((
                        row.get::<_, [u8; 32]>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get(2)?,
                        row.get(3)?,
                    ))
                };
                select.query_row([&request.key], row).optional()
            },
        )?;
        let Some((digest, seq, n, reply)) = found else { return Ok(None) };
        request.check(digest)?;
        let reply: Vec<u8> = reply;
        let seq = Some(Seq(seq.unsigned_abs()));
        Ok(Some(Answered { results: results(&unpack(&reply)), seq, n }))
    }
}

/// Writes the keys of an entry whose last part stands at `seq`.
pub(super) fn write(conn: &Connection, seq: Seq, meta: Option<&Meta>) -> rusqlite::Result<()> {
    let Some(Kind::Transactions(marks)) = meta.map(|meta| &meta.kind) else {
        return Ok(());
    };
    for (n, mark) in (1_u32..).zip(marks) {
        let Some(keyed) = &mark.id else { continue };
        conn.prepare_cached("REPLACE INTO _ha_keys VALUES(?1, ?2, ?3, ?4, ?5)")?
            .execute(params![keyed.key, keyed.request, sql(seq), n, pack(&keyed.counts)])?;
    }
    Ok(())
}

/// The keys that are remembered at `seq`, whether or not older ones are dropped yet.
pub(crate) fn remembered(seq: Seq) -> String {
    let oldest = sql(seq).saturating_sub(KEPT);
    format!("SELECT * FROM _ha_keys NOT INDEXED WHERE seq > {oldest}")
}

/// Drops the keys that are too old at `seq`.
pub(super) fn prune(conn: &Connection, seq: Seq) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM _ha_keys WHERE seq <= ?1")?
        .execute([sql(seq).saturating_sub(KEPT)])
        .map(drop)
}

/// Takes the keys that are remembered at `from` into another log, where they are as old as its
/// entry `to`.
pub(crate) fn carry(conn: &Connection, from: Seq, to: Seq) -> rusqlite::Result<()> {
    prune(conn, from)?;
    if planted(Bug::KeyNotCarried) {
        return conn.execute_batch("DELETE FROM _ha_keys");
    }
    conn.prepare_cached("UPDATE _ha_keys SET seq = ?1, transaction_no = 0")?
        .execute([sql(to)])
        .map(drop)
}

/// 16 bytes for each result: the rows changed and the last rowid, big-endian.
fn pack(counts: &[(u64, i64)]) -> Vec<u8> {
    counts
        .iter()
        .flat_map(|(changes, rowid)| [changes.to_be_bytes(), rowid.to_be_bytes()])
        .flatten()
        .collect()
}

fn unpack(reply: &[u8]) -> Vec<(u64, i64)> {
    let (numbers, _) = reply.as_chunks::<8>();
    let (pairs, _) = numbers.as_chunks::<2>();
    pairs
        .iter()
        .map(|[changes, rowid]| (u64::from_be_bytes(*changes), i64::from_be_bytes(*rowid)))
        .collect()
}

fn results(counts: &[(u64, i64)]) -> Vec<ResultSet> {
    counts
        .iter()
        .map(|&(changes, last_insert_rowid)| ResultSet {
            changes,
            last_insert_rowid,
            ..ResultSet::default()
        })
        .collect()
}

/// Tells requests apart by their statements and parameters. It is stored on every node, so that
/// it must stay as it is.
fn digest(batch: &Batch) -> [u8; 32] {
    let mut hash = Sha256::new();
    for statement in &batch.statements {
        add(&mut hash, b's', statement.sql.as_bytes());
        match &statement.params {
            Params::None => {}
            Params::Positional(values) => {
                values.iter().for_each(|value| add_value(&mut hash, value));
            }
            Params::Named(values) => values.iter().for_each(|(name, value)| {
                add(&mut hash, b'p', name.as_bytes());
                add_value(&mut hash, value);
            }),
        }
    }
    hash.finalize().into()
}

fn add_value(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => add(hash, b'n', &[]),
        Value::Integer(integer) => add(hash, b'i', &integer.to_be_bytes()),
        Value::Real(real) => add(hash, b'r', &real.to_bits().to_be_bytes()),
        Value::Text(text) => add(hash, b't', text.as_bytes()),
        Value::RawText(bytes) => add(hash, b't', bytes),
        Value::Blob(bytes) => add(hash, b'b', bytes),
    }
}

fn add(hash: &mut Sha256, kind: u8, bytes: &[u8]) {
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use ha_core::Statement;

    use super::*;

    fn of(statements: Vec<Statement>) -> [u8; 32] {
        digest(&Batch { statements, ..Batch::default() })
    }

    #[test]
    fn counts_survive_being_stored() {
        let counts = [(0, 0), (u64::MAX, i64::MIN), (7, -1)];
        assert_eq!(unpack(&pack(&counts)), counts);
    }

    #[test]
    fn requests_differ_by_statements_and_by_parameters() {
        let with = |value: Value| of(vec![Statement::with("a", vec![value])]);
        let all = [
            of(vec![]),
            of(vec![Statement::new("a")]),
            of(vec![Statement::new("a"), Statement::new("a")]),
            of(vec![Statement::new("aa")]),
            with(Value::Null),
            with(Value::Integer(1)),
            with(Value::from("1")),
            with(Value::Blob(b"1".to_vec())),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
        assert_eq!(with(Value::Integer(1)), with(Value::Integer(1)));
    }

    #[test]
    fn keys_are_dropped_by_their_place_in_the_log() {
        let conn = Connection::open_in_memory().unwrap();
        super::super::record::create(&conn).unwrap();
        for seq in [1, 2] {
            conn.execute("INSERT INTO _ha_keys VALUES(?1, x'00', ?1, 1, x'')", [seq]).unwrap();
        }
        prune(&conn, Seq(100_000)).unwrap();
        prune(&conn, Seq(100_001)).unwrap();
        let left: String =
            conn.query_row("SELECT group_concat(key) FROM _ha_keys", [], |row| row.get(0)).unwrap();
        assert_eq!(left, "2");
    }

    #[test]
    fn keys_that_are_too_old_are_not_taken_into_another_log() {
        let conn = Connection::open_in_memory().unwrap();
        super::super::record::create(&conn).unwrap();
        for seq in [1, 2] {
            conn.execute("INSERT INTO _ha_keys VALUES(?1, x'00', ?1, 7, x'')", [seq]).unwrap();
        }
        carry(&conn, Seq(100_001), Seq(9)).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let all = "SELECT key, seq, transaction_no FROM _ha_keys";
        assert_eq!(conn.query_row(all, [], row).unwrap(), ("2".to_owned(), 9, 0));
    }
}
