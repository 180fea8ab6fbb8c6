//! The SQL of row changes.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::{Table, quote_identifier};

/// What a statement does to a row. Columns are places in [`Table::columns`].
///
/// The parameters come in this order: values of the columns, the new rowid, then what finds
/// the row (its rowid, or the columns of the primary key in the key's order).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// All columns, and the rowid.
    Insert,
    /// These columns, and the rowid, over a row with the same key if there is one.
    Upsert(Vec<usize>),
    /// These columns, and the rowid if the row is moved.
    Update { set: Vec<usize>, moved: bool },
    /// The row.
    Delete,
}

/// The texts of statements, each made once.
#[derive(Default)]
pub(crate) struct Statements {
    /// By the table's address, which stays its own as long as its `Arc` is held here.
    texts: HashMap<(usize, Shape), (Arc<Table>, String)>,
}

impl Statements {
    pub(crate) fn text(&mut self, table: &Arc<Table>, shape: Shape) -> &str {
        let address = Arc::as_ptr(table).addr();
        let (_, text) = self.texts.entry((address, shape)).or_insert_with_key(|(_, shape)| {
            (Arc::clone(table), text(table, shape, &mut || "?".to_owned()))
        });
        text
    }
}

/// The statement of a shape; `param` gives what stands for each parameter, in their order.
pub(crate) fn text(table: &Table, shape: &Shape, param: &mut dyn FnMut() -> String) -> String {
    match shape {
        Shape::Insert => insert(table, &(0..table.columns.len()).collect::<Vec<_>>(), param),
        Shape::Upsert(columns) => upsert(table, columns, param),
        Shape::Update { set, moved } => update(table, set, *moved, param),
        Shape::Delete => format!("DELETE FROM {} WHERE {}", main(table), key(table, param)),
    }
}

fn insert(table: &Table, columns: &[usize], param: &mut dyn FnMut() -> String) -> String {
    let mut names: Vec<String> = columns.iter().map(|&index| column(table, index)).collect();
    names.extend(table.rowid_name().map(str::to_owned));
    let values = joined(names.iter().map(|_| param()), ",");
    format!("INSERT INTO {}({}) VALUES({values})", main(table), names.join(","))
}

fn upsert(table: &Table, columns: &[usize], param: &mut dyn FnMut() -> String) -> String {
    let mut sql = insert(table, columns, param);
    let target = match table.rowid_name() {
        Some(rowid) => rowid.to_owned(),
        None => joined(table.key().into_iter().map(|index| column(table, index)), ","),
    };
    let set = columns.iter().map(|&index| column(table, index));
    let set = joined(set.map(|name| format!("{name}=excluded.{name}")), ",");
    // Writing to a String cannot fail.
    let _ = write!(sql, " ON CONFLICT({target}) DO UPDATE SET {set}");
    sql
}

fn update(table: &Table, set: &[usize], moved: bool, param: &mut dyn FnMut() -> String) -> String {
    let names = set.iter().map(|&index| column(table, index));
    let rowid = table.rowid_name().filter(|_| moved).map(str::to_owned);
    let set = joined(names.chain(rowid).map(|name| format!("{name}={}", param())), ",");
    format!("UPDATE {} SET {set} WHERE {}", main(table), key(table, param))
}

fn key(table: &Table, param: &mut dyn FnMut() -> String) -> String {
    match table.rowid_name() {
        Some(rowid) => format!("{rowid}={}", param()),
        None => {
            let columns = table.key().into_iter().map(|index| column(table, index));
            joined(columns.map(|name| format!("{name} IS {}", param())), " AND ")
        }
    }
}

/// A temporary table of the same name must not be meant.
fn main(table: &Table) -> String {
    format!("main.{}", quote_identifier(&table.name))
}

fn column(table: &Table, index: usize) -> String {
    quote_identifier(&table.columns[index].name)
}

fn joined(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}
