//! What drivers do: prepared statements, typed parameters, pipelines.

mod support;

use std::time::Duration;

use ha_pg::Options;
use support::{code, kinds, node, node_with, status, tags};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), ok BOOLEAN, \
                     raw BYTEA, x DOUBLE PRECISION, small SMALLINT)";

#[tokio::test]
async fn parameters_and_columns_have_the_types_of_the_table() {
    let node = node().await;
    let client = node.client().await;
    client.batch_execute(TABLE).await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)").await.unwrap();
    let types = [Type::INT8, Type::VARCHAR, Type::BOOL, Type::BYTEA, Type::FLOAT8, Type::INT8];
    assert_eq!(insert.params(), types);
    let raw = vec![0_u8, 255];
    let inserted =
        client.execute(&insert, &[&1_i64, &"it's", &true, &raw, &f64::INFINITY, &7_i64]).await;
    assert_eq!(inserted.unwrap(), 1);
    let row = client
        .query_one("SELECT * FROM t WHERE id = $1 AND name IN ($2, $3)", &[&1_i64, &"a", &"it's"])
        .await
        .unwrap();
    assert_eq!(row.columns().iter().map(|c| c.type_().clone()).collect::<Vec<_>>(), types);
    assert_eq!(row.get::<_, i64>(0), 1);
    assert_eq!(row.get::<_, &str>(1), "it's");
    assert!(row.get::<_, bool>(2));
    assert_eq!(row.get::<_, Vec<u8>>(3), raw);
    assert_eq!(row.get::<_, f64>(4), f64::INFINITY);
    assert_eq!(row.get::<_, i64>(5), 7);
}

#[tokio::test]
async fn expressions_have_the_types_that_can_be_known() {
    let node = node().await;
    let client = node.client().await;
    client.batch_execute(TABLE).await.unwrap();
    let sql = "SELECT count(*), max(id), sum(x), 1, 2.5, 'a', x'00', $1::int, $2::text, $3 \
               FROM t WHERE $4::bool LIMIT $5";
    let statement = client.prepare(sql).await.unwrap();
    let (int8, int4, text, float8) = (Type::INT8, Type::INT4, Type::TEXT, Type::FLOAT8);
    let types: Vec<_> = statement.columns().iter().map(|c| c.type_().clone()).collect();
    let expected = [
        int8.clone(),
        int8.clone(),
        float8.clone(),
        int4.clone(),
        float8,
        text.clone(),
        Type::BYTEA,
        int4.clone(),
        text.clone(),
        text.clone(),
    ];
    assert_eq!(types, expected);
    assert_eq!(statement.params(), [int4, text.clone(), text, Type::BOOL, int8]);
    let row = client.query_one(&statement, &[&42, &"b", &"c", &true, &1_i64]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    assert_eq!(row.get::<_, Option<i64>>(1), None);
    assert_eq!(row.get::<_, i32>(7), 42);
    assert_eq!(row.get::<_, &str>(9), "c");
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_the_column() {
    let node = node().await;
    let client = node.client().await;
    client.batch_execute(TABLE).await.unwrap();
    client
        .batch_execute("CREATE TABLE loose (n INT); INSERT INTO loose VALUES ('7'), ('x')")
        .await
        .unwrap();
    let row = client.query_one("SELECT n FROM loose LIMIT 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 7);
    let error = client.query("SELECT n FROM loose", &[]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::INVALID_TEXT_REPRESENTATION);
    assert!(error.message().contains("\"n\""), "{error}");
    // The simple protocol was told nothing before, and shows what is there.
    assert_eq!(client.simple_query("SELECT n FROM loose").await.unwrap().len(), 4);
}

#[tokio::test]
async fn returning_and_tags_count_rows() {
    let node = node().await;
    let client = node.client().await;
    client.batch_execute(TABLE).await.unwrap();
    let insert = "INSERT INTO t (name) VALUES ($1), ($2) RETURNING id";
    let rows = client.query(insert, &[&"a", &"b"]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [1, 2]);
    assert_eq!(client.execute("UPDATE t SET ok = $1", &[&false]).await.unwrap(), 2);
    assert_eq!(client.execute("DELETE FROM t WHERE id > $1", &[&1_i64]).await.unwrap(), 1);
    assert_eq!(client.execute("CREATE INDEX i ON t (name)", &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn transactions_of_a_driver_commit_and_roll_back() {
    let node = node().await;
    let mut client = node.client().await;
    client.batch_execute("CREATE TABLE t (a INTEGER PRIMARY KEY)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES ($1)", &[&1_i64]).await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES ($1)", &[&2_i64]).await.unwrap();
    let nested = transaction.savepoint("s").await.unwrap();
    let twice = nested.execute("INSERT INTO t VALUES ($1)", &[&2_i64]).await.unwrap_err();
    assert_eq!(twice.code(), Some(&SqlState::UNIQUE_VIOLATION));
    let aborted = nested.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(aborted.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    nested.rollback().await.unwrap();
    transaction.execute("INSERT INTO t VALUES ($1)", &[&3_i64]).await.unwrap();
    transaction.commit().await.unwrap();
    drop(client.transaction().await.unwrap());
    let rows = client.query("SELECT a FROM t ORDER BY a", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [1, 2, 3]);
}

#[tokio::test]
async fn read_only_transactions_refuse_writes() {
    let node = node().await;
    let mut client = node.client().await;
    client.batch_execute("CREATE TABLE t (a)").await.unwrap();
    let transaction = client.build_transaction().read_only(true).start().await.unwrap();
    let error = transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION));
}

#[tokio::test]
async fn a_pipeline_is_one_transaction_until_sync() {
    let node = node().await;
    let mut raw = node.login().await;
    raw.query("CREATE TABLE t (a INTEGER PRIMARY KEY)").flush().await;
    raw.until('Z').await;
    let insert = "INSERT INTO t VALUES ($1)";
    let answer = raw.run(insert, &["1"]).run(insert, &["1"]).run(insert, &["2"]).sync().await;
    assert_eq!(kinds(&answer), "12C12EZ");
    assert_eq!((code(&answer).as_deref(), status(&answer)), (Some("23505"), 'I'));
    let answer = raw.run("SELECT count(*) FROM t", &[]).sync().await;
    assert_eq!(answer[2].1, b"\0\x01\0\0\0\x010");
    let answer = raw.run(insert, &["1"]).run(insert, &["2"]).sync().await;
    assert_eq!(tags(&answer), ["INSERT 0 1", "INSERT 0 1"]);
    // Flush asks for an answer before it is known what follows.
    let answer = raw.run(insert, &["3"]).flushed('C').await;
    assert_eq!(kinds(&answer), "12C");
    let answer = raw.run("SELECT count(*) FROM t", &[]).run("BEGIN", &[]).sync().await;
    assert_eq!((tags(&answer).len(), status(&answer)), (2, 'T'));
    let answer = raw.run("ROLLBACK", &[]).run("SELECT count(*) FROM t", &[]).sync().await;
    assert_eq!(answer[5].1, b"\0\x01\0\0\0\x012", "what was not synced is rolled back");
}

#[tokio::test]
async fn after_an_error_everything_up_to_sync_is_skipped() {
    let node = node().await;
    let mut raw = node.login().await;
    let answer = raw.parse("", "SELEC 1").bind("", &[]).execute("", 0).sync().await;
    assert_eq!((kinds(&answer), code(&answer).as_deref()), ("EZ".to_owned(), Some("42601")));
    let answer = raw.bind("nosuch", &[]).sync().await;
    assert_eq!(code(&answer).as_deref(), Some("26000"));
    let answer = raw.execute("nosuch", 0).sync().await;
    assert_eq!(code(&answer).as_deref(), Some("34000"));
    let answer = raw.parse("", "SELECT 1; SELECT 2").sync().await;
    assert_eq!(code(&answer).as_deref(), Some("42601"));
    let answer = raw.run("SELEC 1", &[]).query("SELECT 2").run("SELECT 1", &[]).sync().await;
    assert_eq!(kinds(&answer), "EZ");
    let answer = raw.run("SELECT 1", &[]).sync().await;
    assert_eq!(kinds(&answer), "12DCZ");
}

#[tokio::test]
async fn counts_in_bind_are_checked() {
    let node = node().await;
    let mut raw = node.login().await;
    let answer = raw.parse("s", "SELECT $1, $2").bind("s", &["1"]).sync().await;
    assert_eq!((kinds(&answer), code(&answer).as_deref()), ("1EZ".to_owned(), Some("08P01")));
    // Two parameters and three formats; then a message that ends too early.
    let body = b"\0s\0\0\x03\0\0\0\0\0\0\0\x02\0\0\0\x011\0\0\0\x011\0\0";
    raw.send(&support::Raw::message(b'B', body)).await;
    let answer = raw.sync().await;
    assert_eq!(code(&answer).as_deref(), Some("08P01"));
    raw.send(&support::Raw::message(b'B', b"\0s\0\0\x03")).await;
    assert!(raw.rest().await.windows(6).any(|window| window == b"C08P01"));
    node.client().await;
}

#[tokio::test]
async fn rows_come_in_portions() {
    let node = node().await;
    let mut raw = node.login().await;
    let values = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";
    raw.run("BEGIN", &[]).sync().await;
    raw.parse("", values).bind_as("p", "", &[]);
    let answer = raw.execute("p", 2).sync().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12DDsZ", 'T'));
    let answer = raw.execute("p", 2).sync().await;
    assert_eq!((kinds(&answer).as_str(), tags(&answer)), ("DCZ", vec!["SELECT 1".to_owned()]));
    let answer = raw.run("COMMIT", &[]).sync().await;
    assert_eq!(status(&answer), 'I');
    let answer = raw.execute("p", 2).sync().await;
    assert_eq!(code(&answer).as_deref(), Some("34000"), "a portal ends with its transaction");
}

#[tokio::test]
async fn empty_statements_and_own_commands_can_be_prepared() {
    let node = node().await;
    let mut raw = node.login().await;
    let answer =
        raw.parse("", "-- ping").bind("", &[]).describe_portal().execute("", 0).sync().await;
    assert_eq!(kinds(&answer), "12nIZ");
    let answer =
        raw.parse("", "SHOW TimeZone").bind("", &[]).describe_portal().execute("", 0).sync().await;
    assert_eq!((kinds(&answer).as_str(), tags(&answer)), ("12TDCZ", vec!["SHOW".to_owned()]));
    let answer = raw.run("SET application_name TO 'new'", &[]).sync().await;
    assert_eq!(kinds(&answer), "12SCZ", "the client is told of the change");
    let answer = raw
        .run("BEGIN", &[])
        .run("SET application_name TO 'b'", &[])
        .run("ROLLBACK", &[])
        .sync()
        .await;
    assert_eq!(kinds(&answer), "12C12SC12SCZ", "and when it is undone");
    raw.parse("s", "SELECT 1").sync().await;
    assert_eq!(code(&raw.parse("s", "SELECT 1").sync().await).as_deref(), Some("42P05"));
    raw.query("DEALLOCATE ALL").flush().await;
    raw.until('Z').await;
    assert_eq!(kinds(&raw.parse("s", "SELECT 1").sync().await), "1Z");
}

#[tokio::test]
async fn a_plan_whose_result_has_changed_is_refused() {
    let node = node().await;
    let client = node.client().await;
    client.batch_execute("CREATE TABLE t (a INTEGER)").await.unwrap();
    let statement = client.prepare("SELECT * FROM t").await.unwrap();
    client.batch_execute("ALTER TABLE t ADD COLUMN b TEXT").await.unwrap();
    let error = client.query(&statement, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
}

#[tokio::test]
async fn statements_end_at_their_limits() {
    let options = Options { max_rows: Some(10), ..Options::default() };
    let node = node_with(options).await;
    let client = node.client().await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let error = client.query(endless, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::PROGRAM_LIMIT_EXCEEDED));
    client.batch_execute("SET statement_timeout = 20").await.unwrap();
    let endless = endless.replace("SELECT i FROM", "SELECT count(*) FROM");
    let error = client.query(&endless, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert!(error.as_db_error().unwrap().message().contains("statement timeout"));
}

#[tokio::test]
async fn messages_that_are_too_long_end_the_connection() {
    let node = node_with(Options { max_message_bytes: 1000, ..Options::default() }).await;
    let mut raw = node.login().await;
    let mut header = vec![b'Q'];
    header.extend(2000_u32.to_be_bytes());
    raw.send(&header).await;
    assert!(raw.rest().await.windows(6).any(|window| window == b"C54000"));
    assert!(node.client().await.simple_query(&"x".repeat(900)).await.is_err());
}

#[tokio::test]
async fn a_client_that_dies_leaves_nothing_behind() {
    let node = node().await;
    let client = node.client().await;
    client.batch_execute("CREATE TABLE t (a)").await.unwrap();
    let mut raw = node.login().await;
    raw.query("BEGIN; INSERT INTO t VALUES (1)").flush().await;
    raw.until('Z').await;
    drop(raw);
    // Waits for the dead client's lock; an endless statement must not hold it either.
    client.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    let mut raw = node.login().await;
    let endless = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT i FROM n WHERE i < 0";
    raw.query(endless).flush().await;
    drop(raw);
    let written = client.execute("INSERT INTO t VALUES (3)", &[]);
    tokio::time::timeout(Duration::from_secs(60), written).await.unwrap().unwrap();
    let rows = client.query("SELECT a FROM t ORDER BY a", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["2", "3"]);
}
