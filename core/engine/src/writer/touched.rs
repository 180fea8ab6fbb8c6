//! Which tables were changed when, to see which reads need not be repeated.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ha_changes::{Change, Table};
use ha_core::{Seq, Token};

use super::job::ReadOf;

/// The newest entry that changed each table since the node started.
#[derive(Debug, Default)]
pub(super) struct Touched {
    tables: HashMap<String, Seq>,
    everything: Seq,
}

/// What an entry changes.
#[derive(Debug, Default)]
pub(super) struct Touches {
    tables: HashSet<String>,
    /// The table of the last row.
    last: Option<Arc<Table>>,
    /// It has SQL, which may change anything.
    everything: bool,
}

impl Touches {
    pub(super) fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut touches = Self::default();
        changes.into_iter().for_each(|change| touches.add(change));
        touches
    }

    /// Notes what one more change does.
    pub(super) fn add(&mut self, change: &Change) {
        match change {
            Change::Row(row)
                if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &row.table)) => {}
            Change::Row(row) => {
                self.last = Some(Arc::clone(&row.table));
                self.tables.insert(row.table.name.to_ascii_lowercase());
            }
            Change::Sql(_) | Change::SqlWith(..) => self.everything = true,
        }
    }

    /// What replaces the database.
    pub(super) fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }
}

impl Touched {
    /// Notes what the entry `seq` changed.
    pub(super) fn note(&mut self, touches: Touches, seq: Seq) {
        if touches.everything {
            self.tables.clear();
            // The log of another history may be at an earlier place.
            self.everything = self.everything.max(seq);
        }
        self.tables.extend(touches.tables.into_iter().map(|table| (table, seq)));
    }

    /// Notes that the state at `before` and all before it were given up.
    pub(super) fn note_other_history(&mut self, before: Seq) {
        self.note(Touches::everything(), before.next());
    }

    /// Whether the read would show the same `now`.
    pub(super) fn is_fresh(&self, read: &ReadOf, now: Token) -> bool {
        let since = read.at.seq;
        if read.at.lineage != now.lineage || self.everything > since {
            return false;
        }
        let unchanged = |table: &String| self.tables.get(table).is_none_or(|seq| *seq <= since);
        let tables = read.tables.as_ref();
        read.at == now || tables.is_some_and(|tables| tables.iter().all(unchanged))
    }
}

#[cfg(test)]
mod tests {
    use ha_changes::{RowChange, RowOp};
    use ha_core::Lineage;

    use super::*;

    fn row(name: &str) -> Change {
        let table = Arc::new(Table { name: name.to_owned(), ..Table::default() });
        Change::Row(RowChange { table, op: RowOp::Delete { rowid: Some(1), old: Vec::new() } })
    }

    fn read(seq: u64, tables: Option<&[&str]>) -> ReadOf {
        let tables = tables.map(|tables| tables.iter().map(|&name| name.to_owned()).collect());
        ReadOf { at: token(seq), tables }
    }

    fn token(seq: u64) -> Token {
        Token { lineage: Lineage([0; 8]), seq: Seq(seq), n: 0 }
    }

    #[test]
    fn a_read_is_fresh_until_a_table_of_it_or_the_schema_changes() {
        let mut touched = Touched::default();
        let now = token(9);
        touched.note(Touches::of(&[row("T"), row("u")]), Seq(5));
        assert!(touched.is_fresh(&read(4, Some(&["other"])), now));
        assert!(touched.is_fresh(&read(5, Some(&["t", "u"])), now));
        assert!(!touched.is_fresh(&read(4, Some(&["other", "t"])), now));
        assert!(!touched.is_fresh(&read(8, None), now), "nobody knows what it read");
        assert!(touched.is_fresh(&read(9, None), now), "nothing has changed at all");
        touched.note(Touches::of(&[Change::Sql("DROP TABLE x".to_owned())]), Seq(6));
        assert!(!touched.is_fresh(&read(5, Some(&[])), now));
        assert!(touched.is_fresh(&read(6, Some(&["t"])), now));
    }

    #[test]
    fn no_read_of_a_history_that_was_given_up_is_fresh() {
        let mut touched = Touched::default();
        touched.note_other_history(Seq(5));
        for seq in [4, 5] {
            assert!(
                !touched.is_fresh(&read(seq, Some(&["t"])), token(seq)),
                "{seq} is another now"
            );
        }
        touched.note(Touches::of(&[Change::Sql("CREATE TABLE t(a)".to_owned())]), Seq(1));
        assert!(
            !touched.is_fresh(&read(5, Some(&["t"])), token(5)),
            "the new one is not yet beyond"
        );
        assert!(touched.is_fresh(&read(6, Some(&["t"])), token(7)));
        let other = Token { lineage: Lineage([1; 8]), ..token(1) };
        assert!(!touched.is_fresh(&read(6, Some(&["t"])), other));
    }
}
