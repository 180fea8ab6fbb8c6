//! A node of v0.0.7 that is written to by clients of PostgreSQL.

use crate::compare::assert_same;
use crate::go::GoNode;
use crate::support::tools::{psql, psql_at};
use crate::support::{Node, home};

const SCHEMA: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, b BLOB, r REAL)";

/// As far as its own parser takes them.
const STATEMENTS: [&str; 9] = [
    "INSERT INTO t VALUES(1, 'one', x'00ff', 1.5)",
    "INSERT INTO t(v) VALUES('two'), ('three')",
    "BEGIN",
    "INSERT INTO t VALUES(9007199254740993, 'large', NULL, -0.5)",
    "UPDATE t SET v = v || '!' WHERE id < 3",
    "COMMIT",
    "DELETE FROM t WHERE v = 'three'",
    "CREATE TABLE u(a PRIMARY KEY, b) WITHOUT ROWID",
    "INSERT INTO u VALUES('k', 1), ('l', 2)",
];

#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn what_psql_writes_there_is_the_same_here() {
    let home = home();
    let go = GoNode::start(home.path(), "go", "go.db?_journal=WAL");
    let ours = Node::start(
        home.path(),
        &["-n", "ours", "--compat", "v0.0.7", "--replication-url", &go.nats, "ours.db"],
    );
    let created = psql_at(go.pg, &["-d", "ha", "-c", SCHEMA]);
    assert!(created.success, "{}", created.err);
    let each: Vec<&str> = STATEMENTS.iter().flat_map(|sql| ["-c", sql]).collect();
    let written = psql_at(go.pg, &[&["-d", "ha", "-v", "ON_ERROR_STOP=1"], &each[..]].concat());
    assert!(written.success, "{}{}", written.out, written.err);
    assert_same(&ours, &go, "psql there");
    assert_eq!(ours.run(&["SELECT count(*) FROM t"])[0][0], 3);
    // And the other way.
    let back = psql(
        &ours,
        &["-d", "ha", "-c", "BEGIN", "-c", "DELETE FROM u WHERE a = 'k'", "-c", "COMMIT"],
    );
    assert!(back.success, "{}", back.err);
    assert_same(&ours, &go, "psql here");
}
