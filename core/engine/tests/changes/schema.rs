//! What travels as SQL, alone or with rows.

use crate::{Case, arrive};

const SCHEMA: &[Case] = &[
    (
        "a table made of a query",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)",
            "CREATE TABLE made AS SELECT a, random() AS r FROM t; INSERT INTO made VALUES(3, 4); UPDATE made SET a = a + 1",
            "CREATE TABLE IF NOT EXISTS made AS SELECT 1",
        ],
    ),
    (
        "a column more, with a default",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1)",
            "ALTER TABLE t ADD COLUMN b DEFAULT 'bb'; INSERT INTO t(a) VALUES(2); UPDATE t SET b = 'x' WHERE a = 1",
            "ALTER TABLE t ADD COLUMN c TEXT NOT NULL DEFAULT 'c' CHECK (c <> ''); DELETE FROM t WHERE a = 1; INSERT INTO t VALUES(3, 4, 5)",
            "ALTER TABLE t ADD COLUMN g AS (a || b); UPDATE t SET a = 9 WHERE a = 2; INSERT INTO t(a, b) VALUES(1, 2)",
        ],
    ),
    (
        "a column less",
        &[
            "CREATE TABLE t(a, b, c); INSERT INTO t VALUES(1,2,3),(4,5,6)",
            "ALTER TABLE t DROP COLUMN b; UPDATE t SET c = 7 WHERE a = 1; INSERT INTO t VALUES(8, 9)",
            "INSERT INTO t VALUES(10, 11); ALTER TABLE t DROP COLUMN a; DELETE FROM t WHERE c = 6",
        ],
    ),
    (
        "a column of another name",
        &[
            "CREATE TABLE t(a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO t VALUES(1,2); CREATE INDEX i ON t(b); CREATE VIEW v AS SELECT b FROM t",
            "UPDATE t SET b = 3; ALTER TABLE t RENAME COLUMN b TO \"b b\"; UPDATE t SET \"b b\" = 4; ALTER TABLE t RENAME a TO k; INSERT INTO t VALUES(5, 6)",
        ],
    ),
    (
        "a table of another name, with what refers to it",
        &[
            "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b); CREATE TABLE c(t REFERENCES t); CREATE VIEW v AS SELECT * FROM t",
            "CREATE TRIGGER tr AFTER INSERT ON c BEGIN UPDATE t SET b = new.t; END; INSERT INTO t(b) VALUES('x'); INSERT INTO c VALUES(1)",
            "INSERT INTO t(b) VALUES('y'); ALTER TABLE t RENAME TO u; INSERT INTO u(b) VALUES('z'); INSERT INTO c VALUES(3)",
            "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b); INSERT INTO t(b) VALUES(1); INSERT INTO u(b) VALUES(1)",
        ],
    ),
    (
        "constraints that come and go",
        &[
            "CREATE TABLE t(a, b, CONSTRAINT small CHECK (a < 9)); INSERT INTO t VALUES(1, 2)",
            "ALTER TABLE t ALTER COLUMN b SET NOT NULL; INSERT INTO t VALUES(2, 3)",
            "ALTER TABLE t ALTER COLUMN b DROP NOT NULL; INSERT INTO t VALUES(3, NULL)",
            "ALTER TABLE t DROP CONSTRAINT small; INSERT INTO t VALUES(10, 4)",
            "ALTER TABLE t ADD CONSTRAINT big CHECK (a < 99); UPDATE t SET a = a + 1",
        ],
    ),
    (
        "a table that is dropped and made again",
        &[
            "CREATE TABLE t(a); INSERT INTO t VALUES(1)",
            "INSERT INTO t VALUES(2); DROP TABLE t; CREATE TABLE t(b, c); INSERT INTO t VALUES(3, 4)",
            "DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS t; CREATE TABLE IF NOT EXISTS t(z); CREATE TABLE IF NOT EXISTS t(y)",
        ],
    ),
    (
        "indexes, views and triggers",
        &[
            "CREATE TABLE t(a, b); INSERT INTO t VALUES(-1, 2),(1, NULL); CREATE UNIQUE INDEX i ON t(abs(a)) WHERE b IS NULL; CREATE INDEX j ON t(b COLLATE NOCASE DESC)",
            "CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER r BEFORE UPDATE ON t BEGIN SELECT 1; END; UPDATE t SET b = 3",
            "DROP INDEX i; DROP VIEW v; DROP TRIGGER r; INSERT INTO t VALUES(1, NULL); REINDEX; REINDEX j; REINDEX t; REINDEX nocase",
        ],
    ),
    (
        "pragmas that belong to the database",
        &[
            "PRAGMA user_version = 7; PRAGMA application_id = -5; CREATE TABLE t(a)",
            "SAVEPOINT s; PRAGMA user_version = 8; ROLLBACK TO s; INSERT INTO t VALUES(1)",
        ],
    ),
    (
        "statistics",
        &[
            "CREATE TABLE t(a, b); CREATE INDEX i ON t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i % 17, i FROM n",
            "ANALYZE; INSERT INTO t VALUES(1, 2)",
            "ANALYZE t; DROP TABLE t",
            "CREATE TABLE u(a); ANALYZE u; DROP TABLE sqlite_stat1",
        ],
    ),
    (
        "a referenced table that is dropped",
        &[
            "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p ON DELETE CASCADE); CREATE TABLE n(p REFERENCES p ON DELETE SET NULL)",
            "INSERT INTO p VALUES(1),(2); INSERT INTO c VALUES(1),(2),(NULL); INSERT INTO n VALUES(1)",
            "INSERT INTO p VALUES(3); INSERT INTO c VALUES(3); DROP TABLE p",
            "CREATE TABLE p(id TEXT PRIMARY KEY); DELETE FROM c; INSERT INTO p VALUES('x'); INSERT INTO c VALUES('x')",
        ],
    ),
    (
        "a table that refers to itself is dropped",
        &[
            "CREATE TABLE tree(id INTEGER PRIMARY KEY AUTOINCREMENT, p REFERENCES tree ON DELETE CASCADE); INSERT INTO tree VALUES(1,NULL),(2,1),(3,2)",
            "DROP TABLE tree; CREATE TABLE tree(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO tree DEFAULT VALUES",
        ],
    ),
    (
        "statements that do nothing",
        &[
            "CREATE TABLE t(a)",
            "CREATE TABLE IF NOT EXISTS t(b); DROP VIEW IF EXISTS v",
            "INSERT INTO t VALUES(1)",
        ],
    ),
    (
        "strict tables",
        &[
            "CREATE TABLE s(a INT, b ANY, c REAL, d BLOB) STRICT; INSERT INTO s VALUES(1,'1',2,x'00'),(2,1,0.1,NULL); UPDATE s SET b = 2.0",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_schema_arrive() {
    arrive(SCHEMA).await;
}
