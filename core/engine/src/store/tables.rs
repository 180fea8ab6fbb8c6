use std::collections::HashMap;
use std::sync::Arc;

use ha_changes::{Change, RowChange, RowOp, Table, TableColumn, Trigger, Triggers};
use ha_core::Value;
use ha_sqlite::{Event, EventOp};
use rusqlite::{Connection, OptionalExtension, Row};

/// The tables of a database as the log names them, read once per schema.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    shapes: HashMap<String, Shape>,
    /// Also of tables whose shape was forgotten since: their rows are not encoded yet.
    triggers: Vec<(Arc<Table>, Vec<Trigger>)>,
}

#[derive(Debug, Clone)]
struct Shape {
    table: Arc<Table>,
    /// Of each stored column, its place among all columns.
    places: Arc<[usize]>,
}

impl Tables {
    /// Forgets everything; the schema changed.
    pub(crate) fn clear(&mut self) {
        self.shapes.clear();
    }

    /// Forgets what only rows that are encoded by now needed.
    pub(crate) fn forget_triggers(&mut self) {
        let Self { shapes, triggers } = self;
        triggers.retain(|(table, _)| {
            shapes.get(&table.name).is_some_and(|shape| Arc::ptr_eq(&shape.table, table))
        });
    }

    /// The table of that name; `None` if there is none.
    pub(crate) fn get(
        &mut self,
        conn: &Connection,
        name: &str,
    ) -> rusqlite::Result<Option<Arc<Table>>> {
        Ok(self.shape(conn, name)?.map(|shape| shape.table))
    }

    /// Reads all tables, while they are there.
    pub(crate) fn learn(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let names = conn
            .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<String>>>()?;
        names.iter().try_for_each(|name| self.shape(conn, name).map(drop))
    }

    /// A captured event in the log's terms; `None` if a later one says more. The schema is
    /// still the one it happened in.
    pub(crate) fn change(
        &mut self,
        conn: &Connection,
        event: Event,
    ) -> rusqlite::Result<Option<RowChange>> {
        let Some(Shape { table, places }) = self.shape(conn, &event.table)? else {
            return Err(rusqlite::Error::InvalidColumnName(event.table.to_string()));
        };
        let rowid = |rowid| (!table.without_rowid).then_some(rowid);
        let op = match event.op {
            EventOp::Insert => {
                RowOp::Insert { rowid: rowid(event.new_rowid), new: pick(event.new, &places) }
            }
            EventOp::Update => RowOp::Update {
                old_rowid: rowid(event.old_rowid),
                new_rowid: rowid(event.new_rowid),
                old: pick(event.old, &places),
                new: pick(event.new, &places),
            },
            EventOp::Delete => {
                RowOp::Delete { rowid: rowid(event.old_rowid), old: pick(event.old, &places) }
            }
            EventOp::Overwrite => {
                let at = Some(event.old_rowid);
                // A row that is gone was deleted since.
                let Some(new) = row_at(conn, &table, event.old_rowid)? else { return Ok(None) };
                RowOp::Update { old_rowid: at, new_rowid: at, old: pick(event.old, &places), new }
            }
        };
        Ok(Some(RowChange { table, op }))
    }

    /// All rows of a table as inserts.
    pub(crate) fn all_rows(
        &mut self,
        conn: &Connection,
        name: &str,
    ) -> rusqlite::Result<Vec<RowChange>> {
        let Some(table) = self.get(conn, name)? else { return Ok(Vec::new()) };
        let mut select = conn.prepare(&select(&table))?;
        let rows = select.query_map([], |row| {
            let op = RowOp::Insert { rowid: row.get(0)?, new: stored(&table, row)? };
            Ok(RowChange { table: Arc::clone(&table), op })
        })?;
        rows.collect()
    }

    /// The greatest rowid that was inserted into a table.
    pub(crate) fn greatest_insert(changes: &[Change], table: &str) -> Option<i64> {
        changes
            .iter()
            .filter_map(|change| match change {
                Change::Row(RowChange { table: of, op: RowOp::Insert { rowid, .. } })
                    if of.name.eq_ignore_ascii_case(table) =>
                {
                    *rowid
                }
                Change::Row(_) | Change::Sql(_) | Change::SqlWith(..) => None,
            })
            .max()
    }

    fn shape(&mut self, conn: &Connection, name: &str) -> rusqlite::Result<Option<Shape>> {
        if let Some(shape) = self.shapes.get(name) {
            return Ok(Some(shape.clone()));
        }
        let shape = read(conn, name)?;
        if let Some(shape) = &shape {
            self.triggers.push((Arc::clone(&shape.table), triggers(conn, name)?));
            self.shapes.insert(name.to_owned(), shape.clone());
        }
        Ok(shape)
    }
}

/// Rowid and stored columns of all rows.
pub(crate) fn select(table: &Table) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| ha_changes::quote_identifier(&column.name)).collect();
    let rowid = table.rowid_name().unwrap_or("NULL");
    let name = ha_changes::quote_identifier(&table.name);
    format!("SELECT {rowid}, {} FROM main.{name}", columns.join(", "))
}

/// The places of a table's stored generated columns, among all of its columns.
pub(super) fn generated(conn: &Connection, table: &str) -> rusqlite::Result<Vec<usize>> {
    let mut info =
        conn.prepare_cached("SELECT hidden = 3 FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let stored = info.query_map([table], |row| row.get::<_, bool>(0))?;
    let stored = stored.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((0..stored.len()).filter(|&place| stored[place]).collect())
}

/// Whether an R*Tree has this name.
pub(super) fn is_rtree(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    let mut virtual_table = conn.prepare_cached(
        "SELECT sql FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND sql LIKE 'CREATE VIRTUAL TABLE %'",
    )?;
    let sql: Option<String> = virtual_table.query_row([name], |row| row.get(0)).optional()?;
    Ok(sql.is_some_and(|sql| is_module(&sql, "rtree")))
}

/// Whether the SQL of a virtual table, which is kept as it was written, names a module that
/// begins like this.
fn is_module(sql: &str, module: &str) -> bool {
    let mut words = sql.split_ascii_whitespace();
    let named = words.find(|word| word.eq_ignore_ascii_case("USING")).and_then(|_| words.next());
    named
        .and_then(|named| named.get(..module.len()))
        .is_some_and(|named| named.eq_ignore_ascii_case(module))
}

fn stored(table: &Table, row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    let value = |index| row.get_ref(index).map(ha_sqlite::value_of);
    (1..=table.columns.len()).map(value).collect()
}

fn row_at(conn: &Connection, table: &Table, rowid: i64) -> rusqlite::Result<Option<Vec<Value>>> {
    let name = table.rowid_name().unwrap_or("NULL");
    conn.prepare_cached(&format!("{} WHERE {name} = ?1", select(table)))?
        .query_row([rowid], |row| stored(table, row))
        .optional()
}

impl Triggers for Tables {
    fn on(&self, table: &Table) -> Vec<Trigger> {
        let is_it = |(known, _): &&(Arc<Table>, _)| std::ptr::eq(&raw const **known, table);
        self.triggers.iter().find(is_it).map(|(_, triggers)| triggers.clone()).unwrap_or_default()
    }
}

fn triggers(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Trigger>> {
    conn.prepare_cached(
        "SELECT name, sql FROM sqlite_schema \
         WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY rowid",
    )?
    .query_map([table], |row| Ok(Trigger { name: row.get(0)?, sql: row.get(1)? }))?
    .collect()
}

fn pick(mut row: Vec<Option<Value>>, places: &[usize]) -> Vec<Value> {
    places
        .iter()
        .map(|&place| row.get_mut(place).and_then(Option::take).unwrap_or(Value::Null))
        .collect()
}

fn read(conn: &Connection, name: &str) -> rusqlite::Result<Option<Shape>> {
    let mut info = conn
        .prepare_cached("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let all = info
        .query_map([name], |row| {
            let column = TableColumn { name: row.get(0)?, decl_type: row.get(1)?, pk: row.get(2)? };
            Ok((column, row.get::<_, i64>(3)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let without_rowid = conn
        .prepare_cached(
            "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
        )?
        .query_map([name], |row| row.get::<_, bool>(0))?
        .next()
        .transpose()?;
    let Some(without_rowid) = without_rowid else { return Ok(None) };
    // `hidden` is 2 or 3 for a generated column (<https://www.sqlite.org/pragma.html#pragma_table_xinfo>).
    let places: Arc<[usize]> =
        (0..all.len()).filter(|&place| !matches!(all[place].1, 2 | 3)).collect();
    let columns = places.iter().map(|&place| all[place].0.clone()).collect();
    let table = Arc::new(Table { name: name.to_owned(), columns, without_rowid });
    Ok(Some(Shape { table, places }))
}
