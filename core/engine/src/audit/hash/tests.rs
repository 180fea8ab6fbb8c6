use super::*;

fn database(sql: &str) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(sql).unwrap();
    conn
}

fn hashed(sql: &str) -> StateHash {
    state(&database(sql), Seq(1), &AtomicBool::new(false)).unwrap()
}

/// The tables in which two states differ.
fn differing(a: &str, b: &str) -> Vec<String> {
    let (a, b) = (hashed(a), hashed(b));
    assert_eq!(a.total == b.total, a.tables == b.tables);
    let differs = |(name, hash): &&(String, [u8; 32])| !b.tables.contains(&(name.clone(), *hash));
    a.tables.iter().filter(differs).map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_value_counts_with_its_type_and_place() {
    let rows = [
        "",
        "(NULL)",
        "(0)",
        "(0.0)",
        "(-0.0)",
        "('0')",
        "(x'30')",
        "('')",
        "(x'')",
        "(1)",
        "('1'),('2')",
        "('12')",
        "('2'),('1')",
        "(9e999)",
        "(CAST(x'ff' AS TEXT))",
        "('a' || char(0))",
        "('a')",
    ];
    let hash = |values: &str| {
        let insert =
            if values.is_empty() { String::new() } else { format!("INSERT INTO t VALUES{values}") };
        hashed(&format!("CREATE TABLE t(a); {insert}")).total
    };
    for (index, one) in rows.iter().enumerate() {
        for other in &rows[..index] {
            assert_ne!(hash(one), hash(other), "{one} {other}");
        }
        assert_eq!(hash(one), hash(one));
    }
}

#[test]
fn rowids_count_where_nothing_else_tells_rows_apart() {
    let table = "CREATE TABLE t(a); INSERT INTO t(rowid, a) VALUES";
    assert_eq!(differing(&format!("{table}(1,1)"), &format!("{table}(2,1)")), ["t"]);
}

#[test]
fn the_way_to_a_state_does_not_count() {
    let a = "CREATE TABLE a(x PRIMARY KEY, y DESC) WITHOUT ROWID; CREATE TABLE b(x UNIQUE, y);
             INSERT INTO a VALUES(2,1),(1,2); INSERT INTO b VALUES(2,1),(1,2);
             CREATE INDEX i ON b(y)";
    let b = "CREATE TABLE gone(x); CREATE TABLE b(x UNIQUE, y); DROP TABLE gone;
             INSERT INTO b VALUES(2,1),(5,5),(1,2); DELETE FROM b WHERE x = 5;
             UPDATE b SET rowid = 2 WHERE x = 1; CREATE INDEX i ON b(y);
             CREATE TABLE a(x PRIMARY KEY, y DESC) WITHOUT ROWID; INSERT INTO a VALUES(1,2),(2,1); VACUUM";
    assert_eq!(hashed(a), hashed(b));
}

#[test]
fn the_schema_and_the_numbers_of_a_database_count() {
    let base = "CREATE TABLE t(a)";
    for other in [
        "CREATE TABLE t(a INT)",
        "CREATE TABLE t(a); CREATE INDEX i ON t(a)",
        "CREATE TABLE t(a); CREATE VIEW v AS SELECT 1",
        "CREATE TABLE t(a); PRAGMA user_version = 1",
        "CREATE TABLE t(a); PRAGMA application_id = 1",
    ] {
        assert_eq!(differing(base, other), [SCHEMA], "{other}");
    }
}

#[test]
fn of_our_own_tables_only_keys_count_and_those_that_are_remembered() {
    let ours = "CREATE TABLE t(a); CREATE TABLE _ha_position(a); CREATE TABLE _ha_keys(key, seq)";
    let other = format!("{ours}; INSERT INTO _ha_position VALUES(1)");
    assert!(differing(ours, &other).is_empty());
    assert_eq!(
        differing(ours, &format!("{ours}; INSERT INTO _ha_keys VALUES('k', 1)")),
        ["_ha_keys"]
    );
    let forgotten = format!("{ours}; INSERT INTO _ha_keys VALUES('k', -100000)");
    assert!(differing(ours, &forgotten).is_empty());
}

#[test]
fn a_virtual_table_counts_by_the_tables_behind_it() {
    let table = "CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES";
    let different = differing(&format!("{table}('one')"), &format!("{table}('two')"));
    assert!(different.contains(&"f_content".to_owned()), "{different:?}");
    assert!(!different.contains(&"f".to_owned()), "{different:?}");
}

#[test]
fn rows_of_megabytes_are_hashed_and_an_unwanted_hash_ends() {
    let large = "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(3000000)),(1)";
    assert!(hashed(large).bytes > 3_000_000);
    let many = "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n";
    let stopped = state(&database(many), Seq(1), &AtomicBool::new(true));
    assert_eq!(
        stopped.unwrap_err().sqlite_error_code(),
        Some(rusqlite::ErrorCode::OperationInterrupted)
    );
}

#[test]
fn a_report_names_as_many_tables_as_there_is_room_for() {
    let all = hashed("CREATE TABLE a(x); CREATE TABLE b(x)");
    assert_eq!(all.clone().report(Seq(7), 10_000).tables.len(), 3);
    let report = all.report(Seq(7), 200);
    assert_eq!((report.mark, report.tables.len()), (Seq(7), 2));
}
