//! Rows of `sqlite_sequence`, which mean the tables that they name: their rowids may differ from
//! node to node.

use ha_core::Value;

use crate::{RowChange, RowOp, Table, sequence_sql};

pub(crate) fn is_sequence(table: &Table) -> bool {
    table.name.eq_ignore_ascii_case("sqlite_sequence")
}

/// The change as SQL by name; `None` for a row of another table, or with other values than SQLite
/// writes there.
pub(crate) fn statements(row: &RowChange) -> Option<Vec<String>> {
    let name = |values: &[Value]| match values {
        [Value::Text(name), ..] => Some(name.clone()),
        _ => None,
    };
    let seq = |values: &[Value]| match values {
        [_, Value::Integer(seq)] => Some(*seq),
        _ => None,
    };
    Some(match &row.op {
        _ if !is_sequence(&row.table) => return None,
        RowOp::Insert { new, .. } => sequence_sql(&name(new)?, Some(seq(new)?)),
        RowOp::Update { old, new, .. } if name(old) == name(new) => {
            sequence_sql(&name(new)?, Some(seq(new)?))
        }
        RowOp::Update { old, new, .. } => {
            [sequence_sql(&name(old)?, None), sequence_sql(&name(new)?, Some(seq(new)?))].concat()
        }
        RowOp::Delete { old, .. } => sequence_sql(&name(old)?, None),
    })
}
