//! `sqlite_sequence`, which moves without telling the capture.

use ha_changes::Change;
use ha_core::Result;

use super::execution::Transaction;
use super::{Store, tables::Tables};

impl Store {
    /// `sqlite_sequence` can move without an event, and an applied insert moves it as well:
    /// what differs from that is shipped.
    pub(super) fn ship_sequences(&mut self, transaction: &mut Transaction) -> Result<()> {
        let now = self.read_sequences()?;
        if self.capture.wrote_sequences() && self.has_sequences {
            // Somebody set them: none can be told from the rows.
            transaction.changes.push(Change::Sql("DELETE FROM sqlite_sequence".to_owned()));
            for (table, value) in &now {
                let sql = ha_changes::sequence_sql(table, Some(*value));
                transaction.changes.extend(sql.into_iter().map(Change::Sql));
            }
            transaction.sequences = now;
            return Ok(());
        }
        let moved: Vec<(String, Option<i64>)> = difference(&self.sequences, &now);
        for (table, value) in moved {
            let before = find(&self.sequences, &table);
            let by_rows = transaction.greatest_insert(&table).max(before);
            if value != by_rows {
                let sql = ha_changes::sequence_sql(&table, value);
                transaction.changes.extend(sql.into_iter().map(Change::Sql));
            }
        }
        transaction.sequences = now;
        Ok(())
    }

    pub(super) fn read_sequences(&self) -> Result<Vec<(String, i64)>> {
        if !self.has_sequences {
            return Ok(Vec::new());
        }
        self.trusted("SELECT name, seq FROM sqlite_sequence ORDER BY name", |statement| {
            statement
                .query_map([], |row| {
                    Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or_default()))
                })?
                .collect()
        })
    }
}

impl Transaction {
    fn greatest_insert(&self, table: &str) -> Option<i64> {
        Tables::greatest_insert(&self.changes, table)
    }
}

fn find(sequences: &[(String, i64)], table: &str) -> Option<i64> {
    sequences.iter().find(|(name, _)| name == table).map(|(_, value)| *value)
}

fn difference(before: &[(String, i64)], now: &[(String, i64)]) -> Vec<(String, Option<i64>)> {
    if before == now {
        return Vec::new();
    }
    let changed = now
        .iter()
        .filter(|(table, value)| find(before, table) != Some(*value))
        .map(|(table, value)| (table.clone(), Some(*value)));
    let gone = before
        .iter()
        .filter(|(table, _)| find(now, table).is_none())
        .map(|(table, _)| (table.clone(), None));
    changed.chain(gone).collect()
}
