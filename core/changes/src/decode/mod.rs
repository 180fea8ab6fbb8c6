mod scalar;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use ha_core::Value;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::decode::scalar::{Args, Plain, Text};
use crate::decode::wire::{WireChange, WireEntry, WireProbe};
use crate::names::unspell;
use crate::{Change, Entry, Error, FORMAT_VERSION, RowChange, RowOp, Table, TableColumn, exact};

/// The entry that these bytes are: one of ours, or one of v0.0.7 if they have no `ha`. Fields
/// that are not known are ignored. Of v0.0.7, operations that are not known and rows of other
/// databases than `main` are left out.
///
/// # Errors
/// [`Error::Malformed`], or [`Error::NewerFormat`] if the version says that a newer reader
/// would understand.
pub fn decode(payload: &[u8]) -> Result<Entry, Error> {
    let newer = || match serde_json::from_slice::<WireProbe>(payload) {
        Ok(WireProbe { ha: Some(ha) }) if ha.version > FORMAT_VERSION => {
            Some(Error::NewerFormat { version: ha.version })
        }
        _ => None,
    };
    read(payload).map_err(|reason| newer().unwrap_or(Error::Malformed(reason)))
}

type Reading<T> = Result<T, String>;

fn read(payload: &[u8]) -> Reading<Entry> {
    // serde would take an array for an object whose fields all have defaults.
    if payload.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err("not a JSON object".to_owned());
    }
    let wire: WireEntry<'_> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let meta = wire.ha.map(wire::WireMeta::into_meta).transpose()?;
    let mut reader = Reader { ours: meta.is_some(), tables: HashMap::new() };
    let changes = wire.changes.unwrap_or_default();
    let changes: Vec<Change> = changes
        .into_iter()
        .filter_map(|change| reader.change(change).transpose())
        .collect::<Reading<_>>()?;
    if let Some(meta) = &meta {
        meta.check(changes.len())?;
    }
    Ok(Entry {
        node: wire.node.map(Text::into_string).unwrap_or_default(),
        process_id: wire.process_id.unwrap_or_default(),
        timestamp_ns: wire.timestamp_ns.unwrap_or_default(),
        meta,
        changes,
    })
}

/// The fields that make a [`Table`], as they were sent, and whether rowids were missing.
type TableKey<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, bool);

struct Reader<'a> {
    ours: bool,
    tables: HashMap<TableKey<'a>, Arc<Table>>,
}

impl<'a> Reader<'a> {
    /// `None` for a change of v0.0.7 that has no meaning here.
    fn change(&mut self, wire: WireChange<'a>) -> Reading<Option<Change>> {
        let operation = wire.operation.as_ref().map_or("", Text::as_str);
        match operation {
            "SQL" => Ok(Some(sql(wire))),
            "INSERT" | "UPDATE" | "DELETE" if wire.is_main() => {
                let table = self.table(&wire)?;
                let op = self.op(wire)?;
                self.row(RowChange { table, op }).map(Some)
            }
            _ if self.ours => Err(format!("unknown operation {operation:?}")),
            _ => Ok(None),
        }
    }

    fn row(&self, row: RowChange) -> Reading<Change> {
        if self.ours && !row.is_consistent() {
            return Err(format!("a row of {:?} does not fit its columns", row.table.name));
        }
        Ok(Change::Row(row))
    }

    fn op(&self, wire: WireChange<'a>) -> Reading<RowOp> {
        let old = self.values(wire.old_values, wire.old_types)?;
        let new = self.values(wire.new_values, wire.new_types)?;
        let (old_rowid, new_rowid) = (wire.old_rowid, wire.new_rowid);
        Ok(match wire.operation.as_ref().map_or("", Text::as_str) {
            "INSERT" => RowOp::Insert { rowid: new_rowid, new },
            "UPDATE" => RowOp::Update { old_rowid, new_rowid, old, new },
            _ => RowOp::Delete { rowid: old_rowid, old },
        })
    }

    fn values(&self, values: Option<Vec<Plain>>, types: Option<Text<'_>>) -> Reading<Vec<Value>> {
        let values = values.unwrap_or_default().into_iter().map(|Plain(value)| value);
        let Some(types) = types.filter(|_| self.ours) else { return Ok(values.collect()) };
        let letters = types.as_str().bytes();
        if letters.len() != values.len() {
            return Err(format!("{} types for {} values", letters.len(), values.len()));
        }
        values
            .zip(letters)
            .map(|(value, letter)| exact::resolve(value, letter))
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
