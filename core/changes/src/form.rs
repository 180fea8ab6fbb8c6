use std::fmt::Debug;

use crate::Table;

/// For whom an entry is written. Nodes of `ha` read the same from both forms.
#[derive(Debug, Clone, Copy, Default)]
pub enum Form<'a> {
    /// For nodes of `ha`. v0.0.7 reads it too, but stores some values inexactly.
    #[default]
    Own,
    /// As [`Self::Own`], except that rows which v0.0.7 would not apply exactly travel as SQL
    /// that it runs as it is, with the row beside it for nodes of `ha`. The SQL may run again.
    ///
    /// Tables must carry their declared types; what has no declared type is sent as SQL.
    /// v0.0.7 runs triggers when it applies rows, though their effects are rows of the entry:
    /// a row of a table that has triggers is sent as SQL that drops them, changes the row, and
    /// creates them again. `CREATE` and `DROP` get `IF NOT EXISTS` and `IF EXISTS`, since
    /// v0.0.7 runs again what is delivered again; `ALTER` cannot have it.
    ///
    /// Not exact in v0.0.7: a row that does not fit into one part, which it never gets; and
    /// what its own build cannot run, such as DDL of a newer SQLite.
    V007Exact(&'a dyn Triggers),
}

/// The triggers of the main database. `()` is a database without any.
pub trait Triggers: Debug {
    /// The triggers on a table, in the order in which they were created, as they were when
    /// the rows that hold this very `Table` were changed.
    fn on(&self, table: &Table) -> Vec<Trigger>;
}

/// A trigger as `sqlite_schema` has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trigger {
    /// Its name, not quoted.
    pub name: String,
    /// Its `CREATE TRIGGER` statement.
    pub sql: String,
}

impl Triggers for () {
    fn on(&self, _table: &Table) -> Vec<Trigger> {
        Vec::new()
    }
}
