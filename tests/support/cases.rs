//! Changes that v0.0.7 did not bring to other nodes as they were made, or brought and must.

/// What is done, one request after the other.
pub type Case = (&'static str, &'static [&'static str]);

/// What arrived wrong, or not at all.
pub const CASES: &[Case] = &[
    (
        "a table that was altered before rows are inserted and updated",
        &[
            "CREATE TABLE alt(id INTEGER PRIMARY KEY, a)",
            "INSERT INTO alt VALUES(1, 'x')",
            "ALTER TABLE alt ADD COLUMN b DEFAULT 7",
            "INSERT INTO alt VALUES(2, 'y', 'z')",
            "UPDATE alt SET b = 'changed' WHERE id = 1",
            "ALTER TABLE alt RENAME COLUMN a TO c",
            "UPDATE alt SET c = 'renamed'",
            "ALTER TABLE alt DROP COLUMN b",
            "INSERT INTO alt VALUES(3, 'after')",
        ],
    ),
    (
        "a table without rowid",
        &[
            "CREATE TABLE wr(k TEXT, n INT, v, PRIMARY KEY(k, n)) WITHOUT ROWID",
            "INSERT INTO wr VALUES('a', 1, 'x'), ('b', 2, 'y')",
            "UPDATE wr SET n = 9 WHERE k = 'a'",
            "DELETE FROM wr WHERE k = 'b'",
        ],
    ),
    (
        "values of every type in columns of every type",
        &[
            "CREATE TABLE ty(i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC, x)",
            "INSERT INTO ty VALUES(9007199254740993, 3.0, 'text', x'00ff41', 9223372036854775807, -9223372036854775808)",
            "INSERT INTO ty VALUES(1, 9e999, x'00ff41', 'text in a blob column', 1.5, x'00ff41')",
            "INSERT INTO ty VALUES(1, -0.0, CAST(x'41ff00' AS TEXT), zeroblob(3), '', 9007199254740993)",
        ],
    ),
    (
        "names that are words of SQL or hold spaces",
        &[
            "CREATE TABLE \"order\"(\"group\", \"my col\", \"a\"\"b\")",
            "INSERT INTO \"order\" VALUES(1, 2, 3)",
            "UPDATE \"order\" SET \"my col\" = 'it''s', \"a\"\"b\" = \"group\"",
        ],
    ),
    (
        "generated columns",
        &[
            "CREATE TABLE gen(a, v AS (a * 2) VIRTUAL, s AS (a + 1) STORED, z)",
            "INSERT INTO gen(a, z) VALUES(1, 'one'), (2, 'two')",
            "UPDATE gen SET a = 10 WHERE z = 'two'",
        ],
    ),
    (
        "triggers that call triggers",
        &[
            "CREATE TABLE src(k); CREATE TABLE cnt(n); CREATE TABLE hist(n); INSERT INTO cnt VALUES(0)",
            "CREATE TRIGGER one AFTER INSERT ON src BEGIN UPDATE cnt SET n = n + 1; END",
            "CREATE TRIGGER two AFTER UPDATE ON cnt BEGIN INSERT INTO hist VALUES(new.n); END",
            "INSERT INTO src VALUES('a'), ('b'), ('c')",
        ],
    ),
    (
        "full-text indexes",
        &[
            "CREATE VIRTUAL TABLE four USING fts4(body); INSERT INTO four VALUES('hello world')",
            "CREATE VIRTUAL TABLE five USING fts5(body); INSERT INTO five VALUES('hello world'), ('bye')",
            "DELETE FROM five WHERE five MATCH 'bye'; UPDATE four SET body = 'hello again'",
        ],
    ),
    (
        "ANALYZE, and DROP after it",
        &[
            "CREATE TABLE an(a); CREATE INDEX an_a ON an(a); INSERT INTO an VALUES(1), (2)",
            "ANALYZE",
            "CREATE TABLE bn(a)",
            "DROP TABLE an",
            "INSERT INTO bn VALUES(1)",
        ],
    ),
    (
        "schema changes that change nothing",
        &[
            "CREATE TABLE noop(a)",
            "CREATE TABLE IF NOT EXISTS noop(a, b)",
            "DROP TABLE IF EXISTS nosuch",
            "INSERT INTO noop VALUES(1)",
        ],
    ),
    (
        "replaced rows, upserts, deletes without a condition, rowids of any sign",
        &[
            "CREATE TABLE rep(id INTEGER PRIMARY KEY, u UNIQUE, v); CREATE TABLE nopk(a)",
            "INSERT INTO rep VALUES(0, 'zero', 0), (-5, 'minus', 0), (3, 'three', 0)",
            "REPLACE INTO rep VALUES(3, 'zero', 'two victims')",
            "INSERT INTO rep VALUES(4, 'minus', 1) ON CONFLICT(u) DO UPDATE SET v = 'upsert', id = 44",
            "UPDATE rep SET id = 100 WHERE id = 3",
            "INSERT INTO nopk VALUES(1), (2); UPDATE nopk SET rowid = -9 WHERE a = 2",
            "DELETE FROM rep",
            "INSERT INTO rep VALUES(1, 'again', NULL)",
        ],
    ),
    ("the version of the user's schema", &["PRAGMA user_version = 42", "PRAGMA user_version = -3"]),
];
