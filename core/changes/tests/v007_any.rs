//! v0.0.7 follows whatever is written, in tables of any kind.

mod common;

use common::cluster::Cluster;
use common::value;
use ha_core::Value;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Put(i64, Vec<Value>),
    Set(i64, usize, Value),
    Remove(i64),
}

const WIDTH: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let rowid = prop_oneof![5 => -2..6_i64, 1 => Just(i64::MAX), 1 => Just((1 << 53) + 1)];
    (rowid, vec(value(), WIDTH), 0..WIDTH, value(), 0..4).prop_map(
        |(rowid, row, at, value, kind)| match kind {
            0 | 1 => Step::Put(rowid, row),
            2 => Step::Set(rowid, at, value),
            _ => Step::Remove(rowid),
        },
    )
}

fn decl_type() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "INT",
        "INTEGER",
        "BLOB",
        "blob",
        "TEXT",
        "VARCHAR(9)",
        "REAL",
        "DOUBLE",
        "NUMERIC",
        "DECIMAL(5,2)",
        "BOOLEAN",
        "DATETIME",
        "ANY",
        "FLOATING POINT",
        "CHARINT",
        "STRING",
    ])
}

/// A table keyed by `k`, which is the rowid, beside it, or instead of it.
fn schema_of(types: &[&str], kind: usize) -> String {
    let columns: Vec<String> =
        types.iter().enumerate().map(|(at, decl)| format!("c{at} {decl}")).collect();
    let (key, options) =
        [("INTEGER PRIMARY KEY", ""), ("INT UNIQUE", ""), ("PRIMARY KEY", "WITHOUT ROWID")][kind];
    format!("CREATE TABLE t({}, k {key}) {options}", columns.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn v007_follows_any_writes(
        types in vec(decl_type(), WIDTH), kind in 0..3_usize, triggers in any::<bool>(),
        steps in vec(step(), 1..12),
    ) {
        let mut cluster = Cluster::new();
        cluster.execute(&schema_of(&types, kind), &[]);
        cluster.execute("CREATE TABLE log(m)", &[]);
        if triggers {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let body = "INSERT INTO log VALUES (1 + (SELECT count(*) FROM log))";
                cluster.execute(&format!("CREATE TRIGGER {event}_t AFTER {event} ON t BEGIN {body}; END"), &[]);
            }
        }
        for step in steps {
            run(&mut cluster, step);
        }
    }
}

fn run(cluster: &mut Cluster, step: Step) {
    match step {
        Step::Put(key, row) => {
            let key = Value::Integer(key);
            let params: Vec<&Value> = row.iter().chain([&key]).collect();
            cluster.execute("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?, ?)", &params);
        }
        Step::Set(key, at, value) => {
            let sql = format!("UPDATE t SET c{at} = ? WHERE k = ?");
            cluster.execute(&sql, &[&value, &Value::Integer(key)]);
        }
        Step::Remove(key) => cluster.execute("DELETE FROM t WHERE k = ?", &[&Value::Integer(key)]),
    }
}
