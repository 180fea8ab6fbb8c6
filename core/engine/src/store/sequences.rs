//! `sqlite_sequence`, which moves without telling the capture.

use ha_changes::Change;
use ha_core::Result;

use super::execution::Transaction;
use super::{Store, tables::Tables};

/// A row of `sqlite_sequence`. SQL may put anything into it, so the columns are kept as
/// SQL literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    rowid: i64,
    table: String,
    seq: String,
}

impl Store {
    /// `sqlite_sequence` can move without an event, and an applied insert moves it as well:
    /// what differs from that is shipped.
    pub(super) fn ship_sequences(&mut self, transaction: &mut Transaction) -> Result<()> {
        let now = self.read_sequences()?;
        let surprises = surprises(&self.sequences, &now, &transaction.changes);
        let untold = self.capture.wrote_sequences() || transaction.moved_tables;
        let same_rows = self.sequences.len() == now.len()
            && self.sequences.iter().zip(&now).all(|(before, now)| before.is_of(now));
        let sql = match surprises {
            _ if self.sequences.is_empty() && now.is_empty() => Vec::new(),
            Some(surprises) if same_rows && !untold => {
                surprises.into_iter().map(Sequence::update).collect()
            }
            Some(surprises) if surprises.is_empty() && !untold => Vec::new(),
            _ => all(&now),
        };
        transaction.changes.extend(sql.into_iter().map(Change::Sql));
        transaction.sequences = now;
        Ok(())
    }

    pub(super) fn read_sequences(&self) -> Result<Vec<Sequence>> {
        if !self.has_sequences {
            return Ok(Vec::new());
        }
        let sql = "SELECT rowid, quote(name), quote(seq) FROM sqlite_sequence ORDER BY rowid";
        self.trusted(sql, |statement| {
            let sequences = statement.query_map([], |row| {
                Ok(Sequence { rowid: row.get(0)?, table: row.get(1)?, seq: row.get(2)? })
            })?;
            sequences.collect()
        })
    }
}

impl Sequence {
    fn is_of(&self, other: &Self) -> bool {
        self.rowid == other.rowid && self.table == other.table
    }

    fn update(&self) -> String {
        let Self { rowid, seq, .. } = self;
        format!("UPDATE sqlite_sequence SET seq = {seq} WHERE rowid = {rowid}")
    }

    fn number(&self) -> Option<i64> {
        self.seq.parse().ok()
    }

    fn table_name(&self) -> Option<String> {
        let quoted = self.table.strip_prefix('\'')?.strip_suffix('\'')?;
        Some(quoted.replace("''", "'"))
    }
}

/// The sequences that are not what inserting the rows makes of them; `None` if one is gone or
/// cannot be told.
fn surprises<'a>(
    before: &[Sequence],
    now: &'a [Sequence],
    changes: &[Change],
) -> Option<Vec<&'a Sequence>> {
    let was = |sequence: &Sequence| before.iter().find(|before| before.is_of(sequence));
    let is_gone = |gone: &Sequence| !now.iter().any(|now| now.is_of(gone));
    // Of several new ones the order of their rows cannot be told.
    if before.iter().any(is_gone) || now.len() > before.len() + 1 {
        return None;
    }
    let mut surprises = Vec::new();
    for sequence in now.iter().filter(|sequence| was(sequence) != Some(sequence)) {
        let before = was(sequence).and_then(Sequence::number);
        let inserted = Tables::greatest_insert(changes, &sequence.table_name()?);
        if inserted.max(before) != Some(sequence.number()?) {
            surprises.push(sequence);
        }
    }
    Some(surprises)
}

/// The whole table.
fn all(sequences: &[Sequence]) -> Vec<String> {
    let insert = |Sequence { rowid, table, seq }: &Sequence| {
        format!("INSERT INTO sqlite_sequence(rowid, name, seq) VALUES({rowid}, {table}, {seq})")
    };
    let delete = "DELETE FROM sqlite_sequence".to_owned();
    std::iter::once(delete).chain(sequences.iter().map(insert)).collect()
}
