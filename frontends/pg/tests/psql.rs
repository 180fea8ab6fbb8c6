//! What a person at psql sees.

mod support;

use support::node;

#[tokio::test]
async fn tags_nulls_and_values_are_printed_as_by_postgresql() {
    let node = node().await;
    let script = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, ok BOOLEAN, raw BLOB, x REAL);
        INSERT INTO t VALUES (1, 'a', true, x'00ff', 1.0), (2, NULL, false, NULL, 1e300);
        UPDATE t SET name = 'b' WHERE id = 1;
        SELECT * FROM t ORDER BY id;
        DELETE FROM t WHERE id = 2 RETURNING id;
        DROP TABLE t;";
    let (out, error) = node.psql(&["-P", "null=<null>", "-A", "-c", script]).await;
    let expected = "CREATE TABLE\nINSERT 0 2\nUPDATE 1\nid|name|ok|raw|x\n1|b|t|\\x00ff|1\n\
                    2|<null>|f|<null>|1e+300\n(2 rows)\nid\n2\n(1 row)\nDELETE 1\nDROP TABLE\n";
    assert_eq!((out.as_str(), error.as_str()), (expected, ""));
}

#[tokio::test]
async fn errors_have_codes_positions_and_names() {
    let node = node().await;
    node.psql(&["-c", "CREATE TABLE u (email TEXT UNIQUE NOT NULL)"]).await;
    node.psql(&["-c", "INSERT INTO u VALUES ('a')"]).await;
    let verbose = ["-v", "VERBOSITY=verbose", "-c"];
    let run = async |sql: &str| node.psql(&[&verbose[..], &[sql]].concat()).await.1;
    let syntax = run("SELECT 1; SELEC 2").await;
    assert!(syntax.contains("42601") && syntax.contains("LINE 1: SELECT 1; SELEC 2"), "{syntax}");
    assert!(syntax.contains("\n                  ^"), "{syntax}");
    let unique = run("INSERT INTO u VALUES ('a')").await;
    assert!(unique.contains("23505"), "{unique}");
    assert!(unique.contains("CONSTRAINT NAME:  u_email_key"), "{unique}");
    assert!(unique.contains("TABLE NAME:  u"), "{unique}");
    let null = run("INSERT INTO u VALUES (NULL)").await;
    assert!(null.contains("23502") && null.contains("COLUMN NAME:  email"), "{null}");
    assert!(run("SELECT * FROM nosuch").await.contains("42P01"));
    assert!(run("SELECT nosuch FROM u").await.contains("42703"));
    assert!(run("COPY u FROM STDIN").await.contains("0A000"));
    assert!(run("SELECT 'x'::int").await.contains("22P02"));
}

#[tokio::test]
async fn a_query_string_is_one_transaction() {
    let node = node().await;
    node.psql(&["-c", "CREATE TABLE t (a INTEGER PRIMARY KEY)"]).await;
    let (out, error) =
        node.psql(&["-c", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)"]).await;
    assert_eq!(out, "INSERT 0 1\n");
    assert!(error.contains("UNIQUE constraint failed"), "{error}");
    let count = async || node.psql(&["-Atc", "SELECT count(*) FROM t"]).await.0;
    assert_eq!(count().await, "0\n");
    let mixed = "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT nosuch";
    let (_, error) = node.psql(&["-c", mixed]).await;
    assert!(error.contains("there is no transaction in progress"), "{error}");
    assert_eq!(count().await, "1\n");
    let inside = "INSERT INTO t VALUES (2); BEGIN; INSERT INTO t VALUES (3); ROLLBACK";
    let (_, error) = node.psql(&["-c", inside]).await;
    assert_eq!(error, "");
    assert_eq!(count().await, "1\n");
}

#[tokio::test]
async fn transactions_warn_abort_and_return_to_savepoints() {
    let node = node().await;
    let script = "CREATE TABLE t (a);\nBEGIN;\nBEGIN;\nSAVEPOINT s;\nSELECT nosuch;\nSELECT 1;\n\
                  ROLLBACK TO s;\nINSERT INTO t VALUES (1);\nRELEASE s;\nCOMMIT;\nCOMMIT;\nBEGIN;\n\
                  SELECT nosuch;\nCOMMIT;\nSAVEPOINT s;\nSELECT count(*) FROM t;\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let (out, error) =
        node.psql(&["-At", "-v", "VERBOSITY=sqlstate", "-f", file.path().to_str().unwrap()]).await;
    let tags: Vec<_> = out.lines().collect();
    assert_eq!(
        tags,
        [
            "CREATE TABLE",
            "BEGIN",
            "BEGIN",
            "SAVEPOINT",
            "ROLLBACK",
            "INSERT 0 1",
            "RELEASE",
            "COMMIT",
            "COMMIT",
            "BEGIN",
            "ROLLBACK",
            "1"
        ]
    );
    let codes: Vec<_> =
        error.lines().filter_map(|line| line.split(": ").last()).map(str::trim).collect();
    assert_eq!(codes, ["25001", "42703", "25P02", "25P01", "42703", "25P01"]);
}

#[tokio::test]
async fn the_session_tells_who_and_what_it_is() {
    let node = node().await;
    let sql = "SELECT version(); SELECT current_user, current_database(), current_schema(); \
               SHOW server_version_num; SET application_name = 'x'; SHOW application_name; \
               SHOW TRANSACTION ISOLATION LEVEL";
    let (out, error) = node.psql(&["-Atc", sql]).await;
    assert!(out.starts_with("PostgreSQL 15.0 (ha "), "{out}{error}");
    assert!(out.ends_with("ha|ha|public\n150000\nSET\nx\nserializable\n"), "{out}{error}");
    let (out, error) = node.psql(&["-Atc", "SET LOCAL application_name = 'y'"]).await;
    assert!(out == "SET\n" && error.contains("can only be used in transaction"), "{error}");
    let (_, error) = node.psql(&["-v", "VERBOSITY=sqlstate", "-c", "SHOW nosuch"]).await;
    assert!(error.contains("42704"), "{error}");
    let (out, error) = node.psql(&["-c", "-- ping"]).await;
    assert_eq!((out.as_str(), error.as_str()), ("", ""));
    let (out, _) = node.psql(&["-c", "\\encoding", "-c", "\\conninfo"]).await;
    assert!(out.starts_with("UTF8\nYou are connected to database \"ha\" as user \"ha\""), "{out}");
}

#[tokio::test]
async fn columns_are_named_as_by_postgresql() {
    let node = node().await;
    let (out, _) = node.psql(&["-A", "-c", "SELECT count(*), 1 + 1, 'a' AS b"]).await;
    assert_eq!(out, "count|?column?|b\n1|2|a\n(1 row)\n");
}
