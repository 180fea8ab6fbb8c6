//! Each kind of change, made on a node of one version, beside what a node of the other has then.

use crate::compare::{assert_same, differences};
use crate::go::GoNode;
use crate::support::cases::{CASES, Case};
use crate::support::contents;
use crate::support::{Node, home};

/// What both versions can say.
const BOTH: &[Case] = &[
    (
        "numbers and texts in columns of every type",
        &[
            "CREATE TABLE num(i INTEGER, r REAL, t TEXT, n NUMERIC, d DECIMAL(10,2), bo BOOLEAN, dt DATETIME, b BLOB, x)",
            "INSERT INTO num VALUES(9007199254740992, 1e300, '<é&✓>', 1.5, 2.25, true, '2024-01-02', x'00ff41', 'x')",
            "INSERT INTO num(i, n) VALUES(9007199254740993, 9007199254740993), (9223372036854775807, 1e18), (-9223372036854775808, 0.1)",
            "INSERT INTO num(r) VALUES(3.0), (-0.0), (1e20), (1e21), (5e-324), (9223372036854775808.0)",
            "INSERT INTO num(b, x) VALUES(x'', 2.5), (zeroblob(5), 5), (7, NULL)",
            "INSERT INTO num(t) VALUES('nul' || char(0) || 'x'), (char(0x2028)), (''), ('a''b')",
            "UPDATE num SET b = x'27', i = i - 1 WHERE i > 9007199254740992",
            "DELETE FROM num WHERE b IS NULL AND i IS NULL",
        ],
    ),
    (
        "columns that are added, dropped, renamed and swapped",
        &[
            "CREATE TABLE alx(id INTEGER PRIMARY KEY, a TEXT, gone TEXT)",
            "INSERT INTO alx VALUES(1, 'x', 'y')",
            "ALTER TABLE alx ADD COLUMN b TEXT",
            "INSERT INTO alx VALUES(2, 'abcd', 'y', 'text after alter')",
            "UPDATE alx SET b = 'changed' WHERE id = 1",
            "ALTER TABLE alx ADD COLUMN c BLOB",
            "INSERT INTO alx VALUES(3, 'a', 'y', 'b', x'00ff')",
            "ALTER TABLE alx DROP COLUMN gone",
            "INSERT INTO alx VALUES(4, 'a', 'b', x'00ff')",
            "CREATE TABLE sw(a TEXT, b TEXT)",
            "INSERT INTO sw VALUES('1', '2')",
            "ALTER TABLE sw RENAME a TO t",
            "ALTER TABLE sw RENAME b TO a",
            "ALTER TABLE sw RENAME t TO b",
            "INSERT INTO sw VALUES('b', 'a')",
            "ALTER TABLE sw RENAME TO swapped",
            "UPDATE swapped SET a = '3'",
        ],
    ),
    (
        "a table made again with its columns in another order",
        &[
            "CREATE TABLE rec(a TEXT, b TEXT)",
            "INSERT INTO rec VALUES('1', '2')",
            "DROP TABLE rec",
            "CREATE TABLE rec(b TEXT, a TEXT)",
            "INSERT INTO rec VALUES('b', 'a')",
        ],
    ),
    (
        "a stored generated column",
        &[
            "CREATE TABLE gs(a TEXT, s AS (a || '!') STORED, z TEXT, b BLOB)",
            "INSERT INTO gs(a, z, b) VALUES('x', 'z', x'00ff')",
            "UPDATE gs SET a = 'y'",
            "INSERT INTO gs(a, z) VALUES('z', 'none')",
            "DELETE FROM gs WHERE z = 'none'",
        ],
    ),
    (
        "texts of several statements",
        &[
            "CREATE TABLE mu(a TEXT); INSERT INTO mu VALUES('1'); INSERT INTO mu VALUES('2')",
            "CREATE TABLE mu2(a TEXT); INSERT INTO mu2 SELECT a FROM mu; DELETE FROM mu WHERE a = '1'",
            "CREATE TABLE rolled(r TEXT); INSERT INTO rolled VALUES(hex(randomblob(4)))",
            "CREATE TABLE new_mu(b INTEGER DEFAULT 7, a TEXT); INSERT INTO new_mu(a) SELECT a FROM mu; DROP TABLE mu; ALTER TABLE new_mu RENAME TO mu",
            "INSERT INTO mu VALUES(8, 'after')",
        ],
    ),
    (
        "tables from tables, views and their triggers, names of every kind",
        &[
            "CREATE TABLE cs(a INTEGER, b TEXT); INSERT INTO cs VALUES(1, 'x'), (2, 'y')",
            "CREATE TABLE cs2 AS SELECT * FROM cs",
            "UPDATE cs2 SET b = 'z' WHERE a = 1",
            "CREATE VIEW vw AS SELECT b FROM cs",
            "CREATE TRIGGER vt INSTEAD OF INSERT ON vw BEGIN INSERT INTO cs(b) VALUES(new.b || '!'); END",
            "INSERT INTO vw VALUES('x')",
            "DROP VIEW vw",
            "CREATE TABLE crw(rowid TEXT, b TEXT)",
            "INSERT INTO crw VALUES('a', 'b')",
            "UPDATE crw SET b = 'c'",
            "/* c */ CREATE TABLE co(a TEXT) -- end",
            "INSERT INTO co VALUES('1') -- c",
        ],
    ),
    (
        "keys",
        &[
            "CREATE TABLE pa(id INTEGER PRIMARY KEY); CREATE TABLE ch(id INTEGER PRIMARY KEY, p INTEGER REFERENCES pa(id) ON DELETE CASCADE)",
            "INSERT INTO pa VALUES(1), (2)",
            "INSERT INTO ch VALUES(1, 1), (2, 2)",
            "DELETE FROM ch WHERE p = 1",
            "DELETE FROM pa WHERE id = 1",
            "DROP TABLE ch",
            "CREATE TABLE us(id INTEGER PRIMARY KEY, u TEXT UNIQUE)",
            "INSERT INTO us VALUES(1, 'a'), (2, 'b')",
            "UPDATE us SET id = id + 10",
            "REPLACE INTO us VALUES(11, 'b')",
            "INSERT INTO us(u) VALUES('x') RETURNING id",
            "CREATE TABLE wrr(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID",
            "INSERT INTO wrr VALUES('a', '1')",
            "REPLACE INTO wrr VALUES('a', '2')",
            "INSERT INTO wrr VALUES('a', '3') ON CONFLICT DO UPDATE SET v = 'u'",
            "CREATE TABLE au(id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT UNIQUE)",
            "INSERT INTO au(u) VALUES('a'), ('b')",
            "DELETE FROM au",
            "INSERT INTO au(u) VALUES('c')",
            "UPDATE sqlite_sequence SET seq = 100 WHERE name = 'au'",
            "INSERT INTO au(u) VALUES('d')",
            "DELETE FROM sqlite_sequence WHERE name = 'au'",
            "INSERT INTO au(u) VALUES('e')",
        ],
    ),
    (
        "full text",
        &[
            "CREATE VIRTUAL TABLE f4 USING fts4(body); INSERT INTO f4 VALUES('hello world')",
            "INSERT INTO f4 VALUES('hello again')",
            "DELETE FROM f4 WHERE body MATCH 'world'",
        ],
    ),
    (
        "a large value",
        &["CREATE TABLE big(a TEXT)", "INSERT INTO big VALUES(hex(zeroblob(300000)))"],
    ),
];

/// What v0.0.7 can follow, and not say.
const ONLY_FROM_OURS: &[Case] = &[(
    "what v0.0.7 has no form for",
    &[
        "CREATE TABLE un(a)",
        "INSERT INTO un VALUES(3.0), (x'00ff41'), (5), (9007199254740993)",
        "CREATE TABLE bt(t TEXT, b BLOB)",
        "INSERT INTO bt VALUES(x'414243', 'hello'), (CAST(x'41ff00' AS TEXT), 5)",
        "CREATE TABLE inf(r REAL)",
        "INSERT INTO inf VALUES(9e999), (-9e999)",
        "CREATE TABLE chance AS SELECT hex(randomblob(4)) AS r, strftime('%f', 'now') AS t",
        "CREATE VIRTUAL TABLE rt USING rtree(id, a, b)",
        "INSERT INTO rt VALUES(1, 2, 3)",
        "CREATE TABLE st(i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT",
        "INSERT INTO st VALUES(1, 2, '3', x'04', '5')",
        "INSERT INTO st(a) VALUES(5)",
        "INSERT OR IGNORE INTO au(u) VALUES('e')",
        "PRAGMA application_id = 7",
        "REINDEX un",
    ],
)];

/// Two nodes of this version beside one of v0.0.7, which has the server.
fn start(home: &tempfile::TempDir) -> (GoNode, [Node; 2]) {
    let go = GoNode::start(home.path(), "go1", "go1.db?_journal=WAL");
    let nodes = [["-n", "one", "one.db"], ["-n", "two", "two.db"]].map(|[flag, name, file]| {
        let log = ["--replication-url", &go.nats, "--compat", "v0.0.7"];
        Node::start(home.path(), &[&[flag, name][..], &log, &[file]].concat())
    });
    (go, nodes)
}

/// FTS5 is not in v0.0.7, whose server takes no generated columns that are not stored either.
fn is_known_there(case: &&Case) -> bool {
    case.0 != "full-text indexes"
}

#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn what_is_written_here_is_the_same_there() {
    let home = home();
    let (go, [one, two]) = start(&home);
    for (name, requests) in CASES.iter().filter(is_known_there).chain(BOTH).chain(ONLY_FROM_OURS) {
        for sql in *requests {
            let answer = one.query(sql);
            assert_eq!(answer.status, 200, "{name}: {sql}: {}", answer.body);
        }
        assert_same(&one, &go, name);
    }
    contents::assert_same(&one, &two, "all of it");
    // What it cannot apply it leaves out, and goes on.
    one.run(&["CREATE VIRTUAL TABLE five USING fts5(body)"]);
    one.run(&["CREATE TABLE after(a TEXT)", "INSERT INTO after VALUES('five')"]);
    let (here, there) = differences(&one, &go, 1);
    assert!(here.iter().all(|line| line.contains("five_") || line.contains("fts5")), "{here:?}");
    assert!(there.is_empty(), "{there:?}");
}

#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn what_is_written_there_is_the_same_here() {
    let home = home();
    let (go, [one, two]) = start(&home);
    let cannot = ["values of every type in columns of every type", "generated columns"];
    let cannot = |case: &&Case| {
        is_known_there(case) && !cannot.contains(&case.0) && !case.0.starts_with("the version")
    };
    for (name, requests) in CASES.iter().filter(cannot).chain(BOTH) {
        for sql in *requests {
            let answer = go.query(sql);
            assert_eq!(answer.status, 200, "{name}: {sql}: {}", answer.body);
        }
        assert_same(&one, &go, name);
    }
    go.run(&["CREATE TABLE dq(a TEXT CHECK(a <> \"bad\")); INSERT INTO dq VALUES(\"text\")"]);
    go.run(&["CREATE INDEX dq_a ON dq(a) WHERE a <> \"x\""]);
    assert_same(&one, &go, "strings in double quotes");
    contents::assert_same(&one, &two, "all of it");
    assert_eq!(one.get("/v1/status").json()["skipped"]["count"], 0);
}

/// What v0.0.7 does not send, or sends as something else; the nodes of this version have the same.
#[test]
#[ignore = "needs HA_V007, the binary of v0.0.7"]
fn what_v0_0_7_cannot_say_is_the_same_on_all_nodes_here() {
    let home = home();
    let (go, [one, two]) = start(&home);
    go.run(&[
        "CREATE TABLE un(a)",
        "INSERT INTO un VALUES(3.0), (x'00ff41'), (CAST(x'41ff00' AS TEXT))",
        "CREATE TABLE bt(t TEXT, b BLOB)",
        "INSERT INTO bt VALUES(x'414243', 'hello')",
        "CREATE TABLE chance AS SELECT hex(randomblob(4)) AS r, strftime('%f', 'now') AS t",
        "CREATE VIRTUAL TABLE rt USING rtree(id, a, b)",
        "INSERT INTO rt VALUES(1, 2, 3)",
        "CREATE TABLE au(id INTEGER PRIMARY KEY AUTOINCREMENT, u TEXT UNIQUE)",
        "INSERT INTO au(u) VALUES('a')",
        "INSERT OR IGNORE INTO au(u) VALUES('a')",
        "PRAGMA user_version = 7",
        "ANALYZE",
    ]);
    differences(&one, &go, 0);
    contents::assert_same(&one, &two, "all of it");
    let exact = "SELECT group_concat(typeof(a)) FROM un";
    assert_eq!(one.select(exact), "[[\"integer,text,text\"]]");
    assert_eq!(one.select("SELECT typeof(t), b = x'68656c6c6f' FROM bt"), "[[\"text\",1]]");
    assert_eq!(
        one.select("SELECT (SELECT count(*) FROM rt), integrity_check FROM pragma_integrity_check"),
        "[[0,\"ok\"]]"
    );
    assert_eq!(one.get("/v1/status").json()["skipped"]["count"], 0);
}
