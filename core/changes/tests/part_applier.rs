//! Entries that are applied part by part.

mod common;

use common::parts::{rows, two_runs};
use common::{Sqlite, delete, entry, insert, update};
use ha_changes::{
    Applied, ApplyError, Change, PartApplier, Progress, decode, decode_part, encode, encode_parts,
};

/// Pushes the messages in a transaction, as far as they go without an error.
fn apply_parts(db: &mut Sqlite, parts: &[Vec<u8>]) -> Result<Progress<Applied>, ApplyError> {
    let mut applier = PartApplier::default();
    let mut last = Progress::More;
    for part in parts {
        last = applier.push(db, decode_part(part).unwrap())?;
    }
    Ok(last)
}

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, a)";

#[test]
fn parts_are_applied_as_the_entry_is() {
    let (mut whole, mut parts) = (Sqlite::new(TABLE), Sqlite::new(TABLE));
    let t = whole.schema("t");
    let mut changes = rows(5000).changes;
    changes.extend([
        Change::Sql("CREATE TABLE u(a)".into()),
        insert(&t, -1, row![-1, "x".repeat(50_000).as_str()]),
        update(&t, (1, 1), row![1, "some text"], row![1, "other"]),
        delete(&t, 2, row![2, "some text"]),
    ]);
    let entry = entry(changes);
    let applied = whole.apply_bytes(&encode(&entry).unwrap()).unwrap();
    let messages = encode_parts(&entry, 20_000).unwrap();
    assert!(messages.len() > 30);
    assert_eq!(apply_parts(&mut parts, &messages), Ok(Progress::Complete(applied)));
    assert_eq!(applied, Applied { rows: 5003, statements: 1, ignored: 0 });
    assert_eq!(parts.rows("t"), whole.rows("t"));
    assert_eq!(parts.rows("u"), []);
}

#[test]
fn each_part_is_applied_when_it_comes() {
    let messages = encode_parts(&rows(20), 1000).unwrap();
    let mut db = Sqlite::new(TABLE);
    let mut applier = PartApplier::default();
    let mut seen = 0;
    for message in &messages {
        applier.push(&mut db, decode_part(message).unwrap()).unwrap();
        seen += decode(message).unwrap().changes.len();
        assert_eq!(db.rows("t").len(), seen);
    }
}

#[test]
fn a_cut_or_an_error_ends_what_was_begun() {
    let [a, b] = two_runs();
    let mut db = Sqlite::new(TABLE);
    let mut applier = PartApplier::default();
    let mut push = |db: &mut Sqlite, part: &[u8]| applier.push(db, decode_part(part).unwrap());
    db.0.execute_batch("BEGIN").unwrap();
    assert_eq!(push(&mut db, &a[0]), Ok(Progress::More));
    assert!(matches!(push(&mut db, &b[0]), Ok(Progress::Cut(_))));
    db.0.execute_batch("ROLLBACK; BEGIN").unwrap();
    for part in &b[..3] {
        assert_eq!(push(&mut db, part), Ok(Progress::More));
    }
    let applied = Applied { rows: 20, statements: 0, ignored: 0 };
    assert_eq!(push(&mut db, &b[3]), Ok(Progress::Complete(applied)), "rows of a do not count");
    db.0.execute_batch("COMMIT").unwrap();
    assert!(matches!(push(&mut db, &a[0]), Err(ApplyError::Diverged { .. })));
    assert_eq!(push(&mut db, &a[1]), Ok(Progress::Stray));
    let marked =
        String::from_utf8(a[0].clone()).unwrap().replace("{\"changes\":20}", "{\"changes\":1}");
    let result = push(&mut Sqlite::new(TABLE), marked.as_bytes());
    assert!(matches!(result, Err(ApplyError::Malformed(_))), "{result:?}");
}

#[test]
fn a_message_of_v007_is_applied_by_its_own_rules() {
    let mut db = Sqlite::new(TABLE);
    let message = br#"{"changes":[{"database":"main","table":"t","columns":["id","a"],
        "operation":"INSERT","new_rowid":1,"new_values":[1,"x"]}]}"#;
    for _ in 0..2 {
        let applied = Applied { rows: 1, statements: 0, ignored: 0 };
        assert_eq!(apply_parts(&mut db, &[message.to_vec()]), Ok(Progress::Complete(applied)));
    }
}
