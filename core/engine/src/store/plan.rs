use std::collections::HashMap;

use ha_core::{Column, Description, Error, ParamDescription, Result};
use ha_sqlite::{Guard, STATISTICS, Savepoint, Seen, error, names_internal};
use rusqlite::Connection;

/// How many statements are remembered before all are forgotten.
const CAPACITY: usize = 4_096;

/// What a client's statement does, beyond its rows. Only what was planned is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It reads, or changes rows and nothing else.
    Rows {
        /// It changes rows.
        writes: bool,
    },
    /// It changes the schema.
    Schema(SchemaChange),
    /// It travels as SQL, whatever rows it changes.
    Whole,
    /// It works on a savepoint and does not travel.
    Savepoint(Savepoint),
}

/// How a change of the schema travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SchemaChange {
    /// As SQL.
    Plain,
    /// `CREATE TABLE … AS`: the schema as SQL, the rows of the table as rows.
    CreateAs(String),
    /// As SQL, which fills the tables behind a virtual table everywhere.
    CreateVirtual,
    /// `ALTER TABLE`, as SQL.
    Alter,
    /// `DROP TABLE`: the rows that foreign keys took with it, then SQL.
    Drop,
}

/// The plans of statements that were seen before, per schema.
#[derive(Debug, Default)]
pub(crate) struct Plans(HashMap<String, Plan>);

impl Plans {
    /// Forgets everything; the schema changed.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The plan of one statement.
    pub(crate) fn get(&mut self, conn: &Connection, guard: &Guard, sql: &str) -> Result<Plan> {
        if let Some(plan) = self.0.get(sql) {
            return Ok(plan.clone());
        }
        let plan = plan(conn, guard, sql)?;
        if self.0.len() >= CAPACITY {
            self.0.clear();
        }
        self.0.insert(sql.to_owned(), plan.clone());
        Ok(plan)
    }
}

/// Prepares a statement under the rules for clients.
pub(crate) fn check(conn: &Connection, guard: &Guard, sql: &str) -> Result<(Prepared, Seen)> {
    let (prepared, seen) = guard.watch(|| {
        conn.prepare(sql).map(|statement| Prepared {
            read_only: statement.readonly(),
            explains: statement.is_explain() != 0,
        })
    });
    match prepared {
        Err(_) if seen.refused.is_some() => {
            Err(Error::NotAllowed(seen.refused.unwrap_or_default()))
        }
        Err(failure) => Err(error(failure)),
        Ok(_) if seen.alters && names_internal(sql) => {
            Err(Error::NotAllowed("a name that begins with _ha_".to_owned()))
        }
        Ok(prepared) => Ok((prepared, seen)),
    }
}

/// What a client's statement takes and gives.
pub(crate) fn describe(conn: &Connection, guard: &Guard, sql: &str) -> Result<Description> {
    let (prepared, _) = check(conn, guard, sql)?;
    let statement = guard.trusted(|| conn.prepare(sql)).map_err(error)?;
    let params = (1..=statement.parameter_count())
        .map(|index| ParamDescription { name: statement.parameter_name(index).map(str::to_owned) })
        .collect();
    let columns = statement
        .columns_with_metadata()
        .zip(statement.columns())
        .map(|(origin, column)| Column {
            name: column.name().to_owned(),
            decl_type: column.decl_type().map(str::to_owned),
            origin: origin
                .table_name()
                .zip(origin.origin_name())
                .map(|(table, name)| (table.to_owned(), name.to_owned())),
        })
        .collect();
    Ok(Description { params, columns, read_only: prepared.read_only })
}

/// What SQLite says of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prepared {
    pub(crate) read_only: bool,
    pub(crate) explains: bool,
}

/// The refusal of transaction control where the node decides on transactions.
pub(crate) fn no_transaction_control() -> Error {
    Error::invalid(
        "BEGIN, COMMIT and ROLLBACK cannot be used here: the statements of a request are one transaction",
    )
}

fn plan(conn: &Connection, guard: &Guard, sql: &str) -> Result<Plan> {
    let (prepared, seen) = check(conn, guard, sql)?;
    if prepared.explains {
        return Ok(Plan::Rows { writes: false });
    }
    if seen.transaction {
        return Err(no_transaction_control());
    }
    if let Some(savepoint) = seen.savepoint {
        return Ok(Plan::Savepoint(savepoint));
    }
    if seen.writes_statistics && !seen.maintenance && !seen.schema {
        return Err(Error::NotAllowed(STATISTICS.to_owned()));
    }
    Ok(match seen {
        Seen { schema: true, .. } => Plan::Schema(schema_change(seen)),
        Seen { maintenance: true, .. } | Seen { sets_pragma: true, .. } => Plan::Whole,
        _ => Plan::Rows { writes: !prepared.read_only },
    })
}

fn schema_change(seen: Seen) -> SchemaChange {
    match seen {
        Seen { creates_table: Some(table), selects: true, .. } => SchemaChange::CreateAs(table),
        Seen { creates_virtual: true, .. } => SchemaChange::CreateVirtual,
        Seen { drops_table: Some(_), .. } => SchemaChange::Drop,
        Seen { alters: true, .. } => SchemaChange::Alter,
        _ => SchemaChange::Plain,
    }
}
