//! Everything in a node's database, as its clients can see it.

use serde_json::Value;

use super::{Node, until};

/// A node that answers SELECTs.
pub trait Database {
    /// The rows of a SELECT, which must succeed.
    fn rows(&self, sql: &str) -> Vec<Vec<Value>>;
}

impl Database for Node {
    fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        self.run(&[sql])
    }
}

/// The schema, and every row of every table with its rowid and exact values.
pub fn contents(node: &dyn Database) -> Vec<String> {
    let mut contents = texts(
        node,
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE '\\_ha\\_%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_ha\\_%' ESCAPE '\\' ORDER BY 1",
    );
    contents.extend(texts(node, "SELECT user_version FROM pragma_user_version"));
    contents.extend(texts(node, "SELECT integrity_check FROM pragma_integrity_check"));
    for table in node.rows("SELECT name, wr, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual', 'shadow') AND name NOT LIKE '\\_ha\\_%' ESCAPE '\\' ORDER BY name") {
        let name = table[0].as_str().unwrap();
        let has_rowid = table[1] == 0 && table[2] == "table";
        contents.extend(rows(node, name, has_rowid));
    }
    contents
}

/// Waits until both nodes stand at the same position, and compares everything.
pub fn assert_same(one: &Node, other: &Node, what: &str) {
    until(&format!("the nodes stand at the same position after {what}"), || {
        (one.position() == other.position()).then_some(())
    });
    assert_eq!(contents(one), contents(other), "{what}");
}

fn rows(node: &dyn Database, table: &str, has_rowid: bool) -> Vec<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let literal = table.replace('\'', "''");
    let columns = texts(node, &format!("SELECT name FROM pragma_table_xinfo('{literal}')"));
    let mut parts: Vec<String> = columns
        .iter()
        .map(|column| quoted(column))
        .map(|it| format!("typeof({it}) || quote({it}) || coalesce(hex({it}), '')"))
        .collect();
    if has_rowid {
        parts.insert(0, "rowid".to_owned());
    }
    let row = parts.join(" || ' ' || ");
    let found = texts(node, &format!("SELECT {row} FROM {} ORDER BY 1", quoted(table)));
    found.into_iter().map(|row| format!("{table}: {row}")).collect()
}

/// The first column of a SELECT.
fn texts(node: &dyn Database, sql: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    node.rows(sql).iter().map(|row| text(&row[0])).collect()
}
