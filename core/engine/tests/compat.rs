//! Beside nodes of v0.0.7: what they would store inexactly travels in a form that they do not,
//! and nodes of ours still get the rows.

mod support;

use ha_core::{ChangeTransport, Engine};
use ha_engine::NodeOptions;
use ha_memory::MemoryLog;
use support::{Running, equal, options, raw, start, start_with, until};
use tempfile::TempDir;

async fn compatible(log: &MemoryLog) -> Running {
    start_with(log, TempDir::new().unwrap(), |dir| NodeOptions {
        compat_v007: true,
        ..options("a", dir)
    })
    .await
    .unwrap()
}

/// The newest message as v0.0.7 sees it: its changes' operations and SQL.
async fn newest(node: &Running) -> Vec<(String, String)> {
    let stored = node.transport.read(node.node.status().position.seq).await.unwrap().unwrap();
    let message: serde_json::Value = serde_json::from_slice(&stored.payload).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let changes = message["changes"].as_array().unwrap();
    changes.iter().map(|change| (text(&change["operation"]), text(&change["sql"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_v0_0_7_would_change_travel_as_sql_and_arrive_here_as_rows() {
    let log = MemoryLog::new();
    let (a, b) = (compatible(&log).await, start("b", &log).await);
    a.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB, n INTEGER, x)").await;
    a.run("INSERT INTO t(b) VALUES(x'00ff41')").await;
    let [(operation, sql)] = &newest(&a).await[..] else { panic!("one change") };
    assert_eq!(operation, "SQL");
    assert!(sql.to_lowercase().contains("x'00ff41'"), "{sql}");
    a.run("INSERT INTO t(n) VALUES(1)").await;
    assert_eq!(newest(&a).await[0].0, "INSERT", "what is exact stays a row");
    a.run("INSERT INTO t(x, n) VALUES(9e999, 9223372036854775807); UPDATE t SET x = 7").await;
    a.run("CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES('k', 1)").await;
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_do_not_fire_a_second_time_in_v0_0_7() {
    let log = MemoryLog::new();
    let (a, b) = (compatible(&log).await, start("b", &log).await);
    a.run("CREATE TABLE t(v); CREATE TABLE log(v)").await;
    // The same transaction makes the trigger, fires it, and drops it.
    a.run(
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES(new.v); END; \
         INSERT INTO t VALUES('one'); DROP TRIGGER tr; INSERT INTO t VALUES('two')",
    )
    .await;
    let changes = newest(&a).await;
    let guarded: Vec<bool> =
        changes.iter().map(|(_, sql)| sql.starts_with("DROP TRIGGER IF EXISTS main.")).collect();
    assert_eq!(guarded, [false, true, false, false, false], "{changes:?}");
    equal(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_v0_0_7_is_applied_and_one_that_cannot_be_is_skipped_everywhere() {
    let log = MemoryLog::new();
    let (a, b) = (compatible(&log).await, start("b", &log).await);
    a.run("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)").await;
    for payload in [
        r#"{"node":"go","process_id":1,"changes":[{"database":"main","table":"users","columns":["id","name"],"operation":"INSERT","old_rowid":1,"new_rowid":1,"new_values":[1,"from go"]}],"timestamp_ns":1}"#,
        r#"{"node":"go","process_id":1,"changes":[{"database":"main","table":"nosuch","columns":["id"],"operation":"INSERT","new_rowid":1,"new_values":[1]}],"timestamp_ns":1}"#,
        "not a message",
    ] {
        let draft = ha_core::Draft {
            expect: None,
            attempt: ha_core::AttemptId { boot: 7, counter: payload.len() as u64 },
            parts: vec![payload.into()],
        };
        b.transport.append(draft).await.unwrap();
    }
    a.run("INSERT INTO users VALUES(2, 'ours')").await;
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT name FROM users").await.len(), 2);
    assert_eq!(
        b.rows("SELECT seq FROM _ha_skipped").await,
        a.rows("SELECT seq FROM _ha_skipped").await
    );
    assert_eq!(b.rows("SELECT seq FROM _ha_skipped").await.len(), 2);
}

fn go(sql: &str) -> String {
    let change = serde_json::json!({"operation": "SQL", "sql": sql, "sql_args": [null]});
    serde_json::json!({"node": "go", "process_id": 1, "changes": [change], "timestamp_ns": 1_795_444_273_398_608_506_i64})
        .to_string()
}

/// v0.0.7 sends a text that changes the schema as it is, with whatever else is in it.
#[tokio::test(flavor = "multi_thread")]
async fn sql_of_v0_0_7_does_the_same_on_every_node() {
    let log = MemoryLog::new();
    let (a, b) = (compatible(&log).await, start("b", &log).await);
    raw(&log, &go("CREATE TABLE dice AS SELECT random() AS r, hex(randomblob(9)) AS b, strftime('%f') AS t")).await;
    raw(&log, &go("CREATE TABLE thrown(r); INSERT INTO thrown SELECT random() FROM dice WHERE random() > 0 OR t = CURRENT_TIMESTAMP")).await;
    a.run("CREATE TABLE ours(v)").await;
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT t FROM dice").await, [["13.398".into()]]);
    assert_eq!(b.rows("SELECT seq FROM _ha_skipped").await.len(), 0);
}

/// It lets strings stand in double quotes.
#[tokio::test(flavor = "multi_thread")]
async fn strings_in_double_quotes_are_strings_in_sql_of_v0_0_7() {
    let log = MemoryLog::new();
    let (a, b) = (compatible(&log).await, start("b", &log).await);
    raw(&log, &go("CREATE TABLE t(v TEXT CHECK(v <> \"bad\")); INSERT INTO t VALUES(\"text\")"))
        .await;
    raw(&log, &go("CREATE INDEX i ON t(v) WHERE v <> \"x\"")).await;
    a.run("INSERT INTO t VALUES('ours')").await;
    equal(&a, &b).await;
    assert_eq!(b.rows("SELECT v FROM t").await.len(), 2);
    assert_eq!(b.rows("SELECT name FROM sqlite_schema WHERE name = 'i'").await.len(), 1);
    assert!(a.try_run("INSERT INTO t VALUES('bad')").await.is_err(), "the check holds here too");
}

/// Its rows of an R*Tree's tables arrive damaged.
#[tokio::test(flavor = "multi_thread")]
async fn an_r_tree_of_v0_0_7_stays_sound_however_it_is_written() {
    let log = MemoryLog::new();
    let a = compatible(&log).await;
    let names = ["plain", "broken", "quoted"];
    raw(&log, &go("CREATE VIRTUAL TABLE plain USING rtree(id, a, b)")).await;
    raw(&log, &go("CREATE VIRTUAL TABLE broken\n\tusing\n\tRTree(id, a, b)")).await;
    raw(&log, &go("CREATE VIRTUAL TABLE \"quoted\" USING  rtree_i32 (id, a, b)")).await;
    for name in names {
        let node = serde_json::json!({"database": "main", "table": format!("{name}_node"), "operation": "INSERT",
            "columns": ["nodeno", "data"], "old_rowid": 1, "new_rowid": 1, "new_values": [1, "\u{0}\u{1}\u{fffd}"]});
        let entry = serde_json::json!({"node": "go", "process_id": 1, "changes": [node], "timestamp_ns": 1});
        raw(&log, &entry.to_string()).await;
    }
    a.run("CREATE TABLE ours(v)").await;
    until("everything", || a.node_seq() == 7).await;
    for name in names {
        assert_eq!(a.value(&format!("SELECT rtreecheck('{name}')")).await, "ok".into(), "{name}");
    }
}
