//! Tables behind which are tables.

use crate::{Case, arrive};

const VIRTUAL: &[Case] = &[
    (
        "full text",
        &[
            "CREATE VIRTUAL TABLE f USING fts5(a, b); INSERT INTO f VALUES('one two','x'),('three','y')",
            "UPDATE f SET a = 'two three' WHERE rowid = 1; DELETE FROM f WHERE rowid = 2; INSERT INTO f(rowid, a) VALUES(-3, 'minus')",
            "INSERT INTO f(f) VALUES('optimize'); INSERT INTO f(f, rank) VALUES('automerge', 2); INSERT INTO f(f) VALUES('rebuild')",
        ],
    ),
    (
        "full text made, filled, altered and dropped in one transaction",
        &[
            "CREATE TABLE t(a); CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES('one'); INSERT INTO t SELECT count(*) FROM f WHERE f MATCH 'one'",
            "INSERT INTO f VALUES('two'); ALTER TABLE f RENAME TO g; INSERT INTO g VALUES('three')",
            "INSERT INTO g VALUES('four'); ALTER TABLE t ADD COLUMN b; INSERT INTO t VALUES(1, 2)",
            "INSERT INTO g VALUES('five'); DROP TABLE g; CREATE VIRTUAL TABLE g USING fts5(x, y); INSERT INTO g VALUES('six', 'seven')",
            "CREATE VIRTUAL TABLE IF NOT EXISTS g USING fts5(z); DROP TABLE IF EXISTS missing; DROP TABLE g",
        ],
    ),
    (
        "a second index beside rows that wait",
        &[
            "CREATE VIRTUAL TABLE f USING fts5(a)",
            "INSERT INTO f VALUES('before'); CREATE VIRTUAL TABLE g USING fts5(a); INSERT INTO g VALUES('after'); INSERT INTO f VALUES('after')",
            "INSERT INTO f VALUES('x'); SAVEPOINT s; INSERT INTO f VALUES('gone'); CREATE VIRTUAL TABLE h USING fts5(a); ROLLBACK TO s; INSERT INTO g VALUES('y')",
        ],
    ),
    (
        "full text of another table's content, by triggers",
        &[
            "CREATE TABLE doc(id INTEGER PRIMARY KEY, body); CREATE VIRTUAL TABLE f USING fts5(body, content='doc', content_rowid='id')",
            "CREATE TRIGGER ai AFTER INSERT ON doc BEGIN INSERT INTO f(rowid, body) VALUES(new.id, new.body); END; \
             CREATE TRIGGER ad AFTER DELETE ON doc BEGIN INSERT INTO f(f, rowid, body) VALUES('delete', old.id, old.body); END; \
             CREATE TRIGGER au AFTER UPDATE ON doc BEGIN INSERT INTO f(f, rowid, body) VALUES('delete', old.id, old.body); \
               INSERT INTO f(rowid, body) VALUES(new.id, new.body); END",
            "INSERT INTO doc(body) VALUES('one two'),('three'); UPDATE doc SET body = 'four' WHERE id = 1; DELETE FROM doc WHERE id = 2",
            "INSERT INTO doc(body) VALUES('five'); INSERT INTO f(f) VALUES('rebuild'); REPLACE INTO doc VALUES(1, 'six')",
        ],
    ),
    (
        "full text without content, and its vocabulary",
        &[
            "CREATE VIRTUAL TABLE f USING fts5(a, content='', contentless_delete=1, prefix='2 3', tokenize='porter ascii'); INSERT INTO f VALUES('running runs')",
            "DELETE FROM f WHERE rowid = 1; INSERT INTO f(rowid, a) VALUES(7, 'walked')",
            "CREATE VIRTUAL TABLE v USING fts5vocab('f', 'row')",
        ],
    ),
    (
        "full text of the older kind",
        &[
            "CREATE VIRTUAL TABLE f USING fts4(a, tokenize=porter); INSERT INTO f VALUES('one two'),('three')",
            "UPDATE f SET a = 'four' WHERE docid = 1; DELETE FROM f WHERE docid = 2; INSERT INTO f(f) VALUES('optimize')",
            "INSERT INTO f VALUES('five'); ALTER TABLE f RENAME TO g; INSERT INTO g VALUES('six')",
            "CREATE TABLE c(x); INSERT INTO c VALUES('seven'); CREATE VIRTUAL TABLE e USING fts4(content='c', x); INSERT INTO e(e) VALUES('rebuild')",
            "INSERT INTO g VALUES('x'); DROP TABLE g; CREATE VIRTUAL TABLE g USING fts3(b); INSERT INTO g VALUES('eight')",
        ],
    ),
    (
        "boxes",
        &[
            "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1, +note); INSERT INTO r VALUES(1,0,1,0,1,'a'),(2,5,6,5,6,'b')",
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 70) INSERT INTO r SELECT i, i, i + 1, -i, i, NULL FROM n",
            "UPDATE r SET x1 = 3 WHERE id = 1; DELETE FROM r WHERE id % 3 = 0",
            "INSERT INTO r VALUES(0,0,1,0,1,'z'); ALTER TABLE r RENAME TO s; DELETE FROM s WHERE id = 1; CREATE VIRTUAL TABLE i USING rtree_i32(id, a, b); INSERT INTO i VALUES(1,2,3)",
            "INSERT INTO s VALUES(1,0,1,0,1,'q'); DROP TABLE s",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn virtual_tables_arrive() {
    arrive(VIRTUAL).await;
}
