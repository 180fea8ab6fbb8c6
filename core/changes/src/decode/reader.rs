use std::collections::HashMap;
use std::sync::Arc;

use ha_core::Value;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::decode::Reading;
use crate::decode::scalar::{Args, Plain, Text};
use crate::decode::wire::WireChange;
use crate::names::unspell;
use crate::part::Item;
use crate::{Change, RowChange, RowOp, Table, TableColumn, exact};

/// The fields that make a [`Table`], as they were sent, and whether rowids were missing.
type TableKey<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, bool);

/// Reads changes; rows of one table share it.
pub(super) struct Reader<'a> {
    ours: bool,
    tables: HashMap<TableKey<'a>, Arc<Table>>,
}

impl<'a> Reader<'a> {
    /// For changes of an entry of ours, or of v0.0.7.
    pub(super) fn new(ours: bool) -> Self {
        Self { ours, tables: HashMap::new() }
    }

    /// `None` for a change of v0.0.7 that has no meaning here.
    pub(super) fn item(&mut self, mut wire: WireChange<'a>) -> Reading<Option<Item>> {
        let operation = wire.operation.take().unwrap_or_default();
        let change = match (operation.as_str(), wire.row.take()) {
            ("SQL", Some(row)) if self.ours => self.row_of_sql(*row)?,
            ("SQL", _) => sql(wire),
            ("INSERT" | "UPDATE" | "DELETE", _) if wire.is_main() => {
                self.row(operation.as_str(), wire)?
            }
            ("CONTINUE", _) if self.ours => return piece(wire).map(Some),
            (other, _) if self.ours => return Err(format!("unknown operation {other:?}")),
            _ => return Ok(None),
        };
        Ok(Some(Item::Change(change)))
    }

    /// The row beside SQL that does for v0.0.7 what the row says.
    fn row_of_sql(&mut self, mut row: WireChange<'a>) -> Reading<Change> {
        let operation = row.operation.take().unwrap_or_default();
        match operation.as_str() {
            "INSERT" | "UPDATE" | "DELETE" if row.is_main() => self.row(operation.as_str(), row),
            other => Err(format!("unknown operation {other:?} of a row")),
        }
    }

    fn row(&mut self, operation: &str, wire: WireChange<'a>) -> Reading<Change> {
        let table = self.table(&wire)?;
        let op = self.op(operation, wire)?;
        let row = RowChange { table, op };
        if self.ours && !row.is_consistent() {
            return Err(format!("a row of {:?} does not fit its columns", row.table.name));
        }
        Ok(Change::Row(row))
    }

    fn op(&self, operation: &str, wire: WireChange<'a>) -> Reading<RowOp> {
        let old = self.values(wire.old_values, wire.old_types)?;
        let new = self.values(wire.new_values, wire.new_types)?;
        let (old_rowid, new_rowid) = (wire.old_rowid, wire.new_rowid);
        Ok(match operation {
            "INSERT" => RowOp::Insert { rowid: new_rowid, new },
            "UPDATE" => RowOp::Update { old_rowid, new_rowid, old, new },
            _ => RowOp::Delete { rowid: old_rowid, old },
        })
    }

    fn values(
        &self,
        values: Option<Vec<Plain<'a>>>,
        types: Option<Text<'_>>,
    ) -> Reading<Vec<Value>> {
        let values = values.unwrap_or_default().into_iter();
        let Some(types) = types.filter(|_| self.ours) else {
            return Ok(values.map(Plain::into_value).collect());
        };
        let letters = types.as_str().bytes();
        if letters.len() != values.len() {
            return Err(format!("{} types for {} values", letters.len(), values.len()));
        }
        values
            .zip(letters)
            .map(|(value, letter)| match value {
                Plain::Scalar(value) => exact::resolve(value, letter),
                Plain::String(text) => exact::resolve_text(text, letter),
            })
            .collect::<Option<_>>()
            .ok_or_else(|| format!("values do not fit their types {:?}", types.as_str()))
    }

    fn table(&mut self, wire: &WireChange<'a>) -> Reading<Arc<Table>> {
        let without_rowid = self.ours && wire.old_rowid.or(wire.new_rowid).is_none();
        let key = (
            wire.table.map(RawValue::get),
            wire.columns.map(RawValue::get),
            wire.pk_columns.map(RawValue::get),
            without_rowid,
        );
        if let Some(table) = self.tables.get(&key) {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(read_table(key)?);
        self.tables.insert(key, Arc::clone(&table));
        Ok(table)
    }
}

fn piece(wire: WireChange<'_>) -> Reading<Item> {
    let json = wire.json.ok_or("a piece of a change without what is in it")?;
    Ok(Item::Piece { json: json.into_string(), more: wire.more })
}

fn sql(wire: WireChange<'_>) -> Change {
    let own = wire.sql.filter(|sql| !sql.as_str().is_empty());
    let (sql, args) = match own {
        Some(sql) => (Some(sql), wire.sql_args),
        None => (wire.command, wire.args),
    };
    let sql = sql.map(Text::into_string).unwrap_or_default();
    let args = args.map(Args::into_values).unwrap_or_default();
    // v0.0.7 sends `[null]` for no arguments; a parameter without a value is NULL anyway.
    if args.iter().all(|arg| *arg == Value::Null) {
        return Change::Sql(sql);
    }
    Change::SqlWith(sql, args)
}

fn read_table((name, columns, key, without_rowid): TableKey<'_>) -> Reading<Table> {
    let key: Vec<String> = parse(key)?;
    let place = |spelling: &String| key.iter().position(|name| name == spelling);
    let column = |spelling: String| TableColumn {
        name: unspell(&spelling),
        decl_type: String::new(),
        pk: place(&spelling).map_or(0, |index| u32::try_from(index + 1).unwrap_or(u32::MAX)),
    };
    Ok(Table {
        name: unspell(&parse::<String>(name)?),
        columns: parse::<Vec<String>>(columns)?.into_iter().map(column).collect(),
        without_rowid,
    })
}

fn parse<T: DeserializeOwned + Default>(json: Option<&str>) -> Reading<T> {
    let Some(json) = json else { return Ok(T::default()) };
    serde_json::from_str(json).map_err(|error| error.to_string())
}
