//! What the values mean that v0.0.7 sends of a row.
//!
//! It sends what the table stores, generated columns too, in the table's order. The names beside
//! them are those of the columns that are not generated, as they were when the sender's connection
//! first wrote to a table of that name. A value in the place of a name whose declared type was not
//! `BLOB` then is sent as it is; all bytes and texts in other places are sent as base64, so those in
//! places that no name stands for (litesql/ha v0.0.7, `internal/sqlite/driver.go`).

use ha_core::Value;

use crate::{Database, DatabaseError, Table, exact};

/// Values beside the columns they belong to here.
pub(super) struct Cells {
    pub(super) columns: Vec<usize>,
    pub(super) values: Vec<Value>,
}

impl Cells {
    /// Matches the values to the columns by place. By name only if their number is another: of a
    /// table that is the same everywhere, v0.0.7 never sends names in another order, unless they
    /// are out of date. `None` if there are columns that the table has not.
    pub(super) fn of(
        db: &mut dyn Database,
        table: &Table,
        sent: &Table,
        values: &[Value],
    ) -> Result<Option<Self>, DatabaseError> {
        let Some(places) = places(db, table, values.len())? else {
            return Ok(Self::by_name(table, sent, values));
        };
        let value = |(index, place): (usize, usize)| {
            let column = &table.columns[index];
            // The type that stood beside this place, unless a column was dropped since.
            let as_base64 = place >= sent.columns.len() || is_blob(table, place);
            exact::resolve_v007(&values[place], as_base64, &column.decl_type)
        };
        let values = places.into_iter().enumerate().map(value).collect();
        Ok(Some(Self { columns: (0..table.columns.len()).collect(), values }))
    }

    fn by_name(table: &Table, sent: &Table, values: &[Value]) -> Option<Self> {
        let named = sent.columns.iter().map(|column| table.column(&column.name));
        let columns = named.collect::<Option<Vec<usize>>>()?;
        if columns.len() != values.len() {
            return None;
        }
        let value = |(&index, value): (&usize, &Value)| {
            exact::resolve_v007(value, is_blob(table, index), &table.columns[index].decl_type)
        };
        let values = columns.iter().zip(values).map(value).collect();
        Some(Self { columns, values })
    }
}

fn is_blob(table: &Table, index: usize) -> bool {
    table.columns.get(index).is_some_and(|column| column.decl_type.eq_ignore_ascii_case("BLOB"))
}

/// Of each column, its place among so many values of a row; `None` if they are not all.
fn places(
    db: &mut dyn Database,
    table: &Table,
    values: usize,
) -> Result<Option<Vec<usize>>, DatabaseError> {
    let width = table.columns.len();
    if values == width {
        return Ok(Some((0..width).collect()));
    }
    let generated = db.generated(&table.name)?;
    let all = width + generated.len() == values;
    Ok(all.then(|| (0..values).filter(|place| !generated.contains(place)).collect()))
}
