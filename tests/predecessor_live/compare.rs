//! What a node of v0.0.7 and one of ours have, in words that both versions of SQLite write alike.

use serde_json::Value;

use crate::go::GoNode;
use crate::support::contents::Database;
use crate::support::nats::ask_at;
use crate::support::{Node, until};

/// The schema, and every row of every table with its rowid, types and values. Statistics are each
/// node's own.
pub(crate) fn contents(node: &dyn Database) -> Vec<String> {
    let ours =
        "name NOT LIKE '\\_ha\\_%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_ha\\_%' ESCAPE '\\'";
    let schema = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema";
    let own = "name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'";
    let mut contents = texts(node, &format!("{schema} WHERE {ours} AND {own} ORDER BY 1"));
    let tables = "SELECT name, wr, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual', 'shadow')";
    let listed = "name NOT LIKE '\\_ha\\_%' ESCAPE '\\' AND name <> 'sqlite_schema'";
    for table in node.rows(&format!("{tables} AND {listed} AND {own} ORDER BY name")) {
        let name = table[0].as_str().unwrap();
        contents.extend(rows(node, name, table[1] == 0 && table[2] == "table"));
    }
    contents
}

/// Waits until both have the whole log, but for messages that v0.0.7 cannot apply, and tells what
/// only the first has and what only the second.
pub(crate) fn differences(ours: &Node, go: &GoNode, poisoned: u64) -> (Vec<String>, Vec<String>) {
    go.wait_applied(poisoned);
    wait_applied(ours, go);
    let (here, there) = (contents(ours), contents(go));
    let only = |some: &[String], others: &[String]| {
        some.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    (only(&here, &there), only(&there, &here))
}

/// That both have the same, once they have the whole log.
pub(crate) fn assert_same(ours: &Node, go: &GoNode, what: &str) {
    assert_eq!(differences(ours, go, 0), (Vec::new(), Vec::new()), "{what}");
}

/// Waits until a node of ours has the whole log.
pub(crate) fn wait_applied(ours: &Node, go: &GoNode) {
    let stream = ask_at(&go.nats, "STREAM.INFO.ha_replication", &Value::Null);
    let end = format!("-{}.", stream["state"]["last_seq"]);
    until("ha has applied the log", || ours.position().contains(&end).then_some(()));
}

fn rows(node: &dyn Database, table: &str, has_rowid: bool) -> Vec<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let literal = table.replace('\'', "''");
    let columns = format!("SELECT name FROM pragma_table_xinfo('{literal}') WHERE hidden <> 1");
    let exact = |column: String| {
        let it = quoted(&column);
        // v0.0.7 has no JSON for infinity, and each SQLite its own digits for what is near zero.
        let finite = format!("typeof({it}) = 'real' AND {it} - {it} = 0");
        format!("typeof({it}), CASE WHEN {finite} THEN {it} ELSE hex({it}) END")
    };
    let columns: Vec<String> = texts(node, &columns).into_iter().map(exact).collect();
    let rowid = if has_rowid { "rowid" } else { "NULL" };
    let select = format!("SELECT {rowid}, {} FROM {}", columns.join(", "), quoted(table));
    let mut rows: Vec<String> = node.rows(&select).iter().map(|row| row_text(table, row)).collect();
    rows.sort();
    rows
}

/// Numbers are compared as numbers.
fn row_text(table: &str, row: &[Value]) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.as_f64().map_or_else(|| other.to_string(), |number| number.to_string()),
    };
    let cells: Vec<String> = row.iter().map(cell).collect();
    format!("{table}: {}", cells.join(" "))
}

/// The first column of a SELECT.
fn texts(node: &dyn Database, sql: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    node.rows(sql).iter().map(|row| text(&row[0])).collect()
}
