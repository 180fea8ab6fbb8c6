//! Everything that can be told of a database, bit for bit.

use std::io::Write;

use futures::TryStreamExt;
use ha_core::{Engine, Value};
use ha_engine::fingerprint;

use super::{Running, equal};

/// Our own tables are compared by what they say of the log, elsewhere.
const TABLES: &str = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' \
    AND type <> 'view' AND name NOT LIKE '\\_ha\\_%' ESCAPE '\\' ORDER BY name";

/// Waits until both nodes have applied the same, and compares their databases.
pub(crate) async fn same(a: &Running, b: &Running, what: &str) {
    equal(a, b).await;
    let (left, right) = (state(a).await, state(b).await);
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left, right, "{what}");
    }
    assert_eq!(left.len(), right.len(), "{what}");
    for node in [a, b] {
        check(node, what).await;
    }
    same_hashes(a, b, what).await;
}

/// What nodes compare is the same on both, and in a copy.
async fn same_hashes(a: &Running, b: &Running, what: &str) {
    equal(a, b).await;
    let hashes = fingerprint(&a.dir.path().join("ha.db")).unwrap();
    assert_eq!(hashes, fingerprint(&b.dir.path().join("ha.db")).unwrap(), "{what}");
    let copy = copy(a).await;
    assert_eq!(hashes, fingerprint(copy.path()).unwrap(), "a copy: {what}");
}

/// A backup of the node in a file.
pub(crate) async fn copy(node: &Running) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut body = node.node.snapshot().await.unwrap().body;
    while let Some(chunk) = body.try_next().await.unwrap() {
        file.write_all(&chunk).unwrap();
    }
    file
}

/// The schema in its order, the pragmas that belong to a database, and each row of each table
/// with its rowid, its values as literals, and their types.
async fn state(node: &Running) -> Vec<String> {
    let mut lines = Vec::new();
    for sql in [
        "SELECT type, name, tbl_name, sql FROM sqlite_schema",
        "PRAGMA user_version",
        "PRAGMA application_id",
        "PRAGMA foreign_key_check",
    ] {
        lines.extend(node.rows(sql).await.iter().map(|row| format!("{sql}: {row:?}")));
    }
    for table in node.rows(TABLES).await {
        let select = select(node, &text(&table[0]), table[2] == Value::Integer(1)).await;
        lines.extend(node.rows(&select).await.iter().map(|row| format!("{select}: {row:?}")));
    }
    lines
}

async fn select(node: &Running, table: &str, without_rowid: bool) -> String {
    let literal = table.replace('\'', "''");
    let columns: Vec<String> = node
        .rows(&format!("SELECT name FROM pragma_table_info('{literal}')"))
        .await
        .iter()
        .map(|row| text(&row[0]))
        .collect();
    let hidden = ["rowid", "oid", "_rowid_"]
        .into_iter()
        .find(|name| !columns.iter().any(|column| column.eq_ignore_ascii_case(name)));
    let rowid = hidden.filter(|_| !without_rowid).map(str::to_owned);
    let values = columns.iter().map(|column| {
        let column = quoted(column);
        format!("typeof({column}), quote({column})")
    });
    let all: Vec<String> = rowid.into_iter().chain(values).collect();
    format!("SELECT {} FROM {}", all.join(", "), quoted(table))
}

/// SQLite itself finds nothing wrong, full-text indexes agree with what they index.
async fn check(node: &Running, what: &str) {
    let integrity = node.rows("PRAGMA integrity_check").await;
    assert_eq!(integrity, [[Value::from("ok")]], "{what}");
    let indexes = "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%USING fts_(%'";
    for row in node.rows(indexes).await {
        let name = quoted(&text(&row[0]));
        let own = name.clone();
        node.run(&format!("INSERT INTO {name}({own}) VALUES('integrity-check')")).await;
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}
