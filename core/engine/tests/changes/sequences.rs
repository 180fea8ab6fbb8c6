//! `sqlite_sequence` moves with and without rows.

use crate::{Case, arrive};

const SEQUENCES: &[Case] = &[
    (
        "ignored inserts and upserts",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1)",
            "INSERT OR IGNORE INTO t(u) VALUES(1); INSERT INTO t(u) VALUES(1) ON CONFLICT DO NOTHING",
            "INSERT INTO t(u) VALUES(1) ON CONFLICT(u) DO UPDATE SET u = 2; INSERT INTO t(u) VALUES(1)",
        ],
    ),
    (
        "ids that are given, deleted and negative",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES(-5); INSERT INTO t VALUES(100); DELETE FROM t",
            "INSERT INTO t DEFAULT VALUES; UPDATE t SET id = 500; INSERT INTO t DEFAULT VALUES",
        ],
    ),
    (
        "written by hand",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t DEFAULT VALUES; UPDATE sqlite_sequence SET seq = 40; INSERT INTO t DEFAULT VALUES",
            "DELETE FROM sqlite_sequence; INSERT INTO t VALUES(3)",
            "INSERT INTO sqlite_sequence VALUES('it''s', 'no number'),(NULL, x'00'); INSERT INTO t DEFAULT VALUES",
            "INSERT INTO t DEFAULT VALUES",
        ],
    ),
    (
        "tables dropped and made again at once",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1),(2),(3)",
            "DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1)",
            "INSERT INTO t(u) VALUES(2); DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1); INSERT OR IGNORE INTO t(u) VALUES(1)",
            "DROP TABLE t",
        ],
    ),
    (
        "renamed and made again at once",
        &[
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1),(2)",
            "ALTER TABLE t RENAME TO old; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); INSERT INTO t(u) VALUES(1); INSERT OR IGNORE INTO t(u) VALUES(1)",
            "INSERT INTO old(u) VALUES(5)",
        ],
    ),
    (
        "several tables in one transaction",
        &[
            "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, u NOT NULL); CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT)",
            "INSERT OR IGNORE INTO a(u) VALUES(NULL); INSERT INTO b DEFAULT VALUES; INSERT INTO a(u) VALUES(1)",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn sequences_arrive() {
    arrive(SEQUENCES).await;
}
