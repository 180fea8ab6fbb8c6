//! Entries larger than a message: cut into parts, put together again, applied part by part.

mod common;

use common::entries::{any_entry, changes, exact};
use common::go::GoMessage;
use common::{Sqlite, delete, entry, insert, keyed, meta, update};
use ha_changes::{
    Applied, ApplyError, Assembler, Change, Entry, Error, Kind, Meta, PartApplier, Progress,
    TransactionMark, decode, decode_part, encode, encode_parts,
};
use ha_core::{AttemptId, Value};
use proptest::prelude::*;

/// The entry that all these messages make.
fn assemble(parts: &[Vec<u8>]) -> Entry {
    let mut assembler = Assembler::default();
    let (last, before) = parts.split_last().unwrap();
    for part in before {
        assert_eq!(assembler.push(decode_part(part).unwrap()), Ok(Progress::More));
    }
    match assembler.push(decode_part(last).unwrap()).unwrap() {
        Progress::Complete(entry) => entry,
        other => panic!("{other:?}"),
    }
}

/// An entry of a few hundred bytes for each of its rows.
fn rows(count: i64) -> Entry {
    let table = Sqlite::new("CREATE TABLE t(id INTEGER PRIMARY KEY, a)").schema("t");
    let table = decoded(&table);
    entry((1..=count).map(|id| insert(&table, id, row![id, "some text"])).collect())
}

/// A table without declared types, as it is after decoding.
fn decoded(table: &ha_changes::Table) -> std::sync::Arc<ha_changes::Table> {
    let mut table = table.clone();
    table.columns.iter_mut().for_each(|column| column.decl_type.clear());
    table.into()
}

fn big(value: Value) -> Entry {
    let table = Sqlite::new("CREATE TABLE t(a, b)").schema("t");
    entry(vec![
        insert(&table, 1, row![1, 2]),
        insert(&table, 2, vec![value, 3.into()]),
        insert(&table, 3, row![5, 6]),
    ])
}

fn cut_anywhere() -> impl Strategy<Value = (Entry, usize)> {
    any_entry().prop_flat_map(|entry| {
        let whole = encode(&entry).unwrap().len();
        (Just(entry), whole.saturating_sub(600)..whole + 2)
    })
}

proptest! {
    #[test]
    fn an_entry_survives_its_parts((entry, max) in cut_anywhere()) {
        let whole = encode(&entry).unwrap();
        let Ok(parts) = encode_parts(&entry, max) else {
            // Long names and keys leave no room for changes.
            prop_assert!(whole.len() > max);
            return Ok(());
        };
        prop_assert!(parts.iter().all(|part| part.len() <= max));
        prop_assert_eq!(parts.len() == 1, whole.len() <= max);
        prop_assert!(parts.len() > 1 || parts[0] == whole);
        prop_assert_eq!(exact(&assemble(&parts)), exact(&entry));
    }

    #[test]
    fn many_small_parts_make_the_entry(changes in changes(), max in 550..900_usize) {
        let entry = common::entry(changes);
        let parts = encode_parts(&entry, max).unwrap();
        prop_assert!(parts.iter().all(|part| part.len() <= max));
        prop_assert_eq!(exact(&assemble(&parts)), exact(&entry));
    }

    #[test]
    fn damaged_parts_are_refused_or_ignored(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0..3_usize
    ) {
        let entry = big(vec![7; 900].into());
        let mut parts = encode_parts(&entry, 700).unwrap();
        let at = at.index(parts[which].len());
        parts[which][at] = byte;
        let mut assembler = Assembler::default();
        for part in &parts {
            match decode_part(part).and_then(|part| assembler.push(part)) {
                Ok(_) => {}
                Err(_) => _ = assembler.cut(),
            }
        }
    }
}

#[test]
fn v007_applies_the_rows_of_all_parts() {
    let parts = encode_parts(&rows(40), 1000).unwrap();
    assert!(parts.len() > 3);
    let mut go = common::go::GoNode::new("CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
    parts.iter().for_each(|part| go.apply(part).unwrap());
    let expected = (1..=40).map(|id| (id, row![id, "some text"]));
    assert_eq!(go.0.rows("t"), expected.collect::<Vec<_>>());
}

#[test]
fn v007_skips_a_row_that_continues_and_has_the_rows_beside_it() {
    let parts = encode_parts(&big("x".repeat(5000).into()), 1000).unwrap();
    let mut go = common::go::GoNode::new("CREATE TABLE t(a TEXT, b INT)");
    parts.iter().for_each(|part| go.apply(part).unwrap());
    assert_eq!(go.0.rows("t"), [(1, row!["1.0", 2]), (3, row!["5.0", 6])]);
}

#[test]
fn each_part_names_its_entry_and_the_first_has_what_concerns_all() {
    let mut entry = rows(40);
    let marks = [30, 0, 10]
        .map(|changes| TransactionMark { changes, id: Some(keyed(format!("k{changes}"))) });
    let with_needs = Meta {
        sqlite: Some("3.54.1".into()),
        functions: vec!["f".into()],
        modules: vec!["fts5".into()],
        ..meta(Kind::Transactions(marks.to_vec()))
    };
    entry.meta = Some(with_needs.clone());
    let parts = encode_parts(&entry, 1000).unwrap();
    let n = u32::try_from(parts.len()).unwrap();
    for (k, part) in (1..).zip(&parts) {
        let read = decode_part(part).unwrap();
        let found = read.meta().unwrap();
        assert_eq!((read.place(), found.id, found.base), ((k, n), with_needs.id, with_needs.base));
        let expected = if k == 1 { with_needs.clone() } else { meta(Kind::Transactions(vec![])) };
        assert_eq!(found, &Meta { part: (k, n), ..expected });
        let go: GoMessage = serde_json::from_slice(part).unwrap();
        assert_eq!((&go.node, go.process_id), (&entry.node, entry.process_id));
        assert_eq!(go.timestamp_ns, entry.timestamp_ns);
    }
    assert_eq!(assemble(&parts), entry);
    let whole = |part: &Vec<u8>| decode(part).unwrap().changes.len();
    assert_eq!(parts.iter().map(whole).sum::<usize>(), 40);
}

/// Values that are each much larger than a part.
#[test]
fn large_values_arrive_exactly() {
    let bytes: Vec<u8> =
        (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    for value in [Value::Blob(bytes.clone()), Value::RawText(bytes), Value::Text(text.clone())] {
        let entry = big(value);
        let parts = encode_parts(&entry, 100_000).unwrap();
        assert!(parts.iter().all(|part| part.len() <= 100_000) && parts.len() > 30);
        // All but the last are full: a character, escaped, may be left over.
        assert!(parts[..parts.len() - 1].iter().all(|part| part.len() > 99_990));
        assert_eq!(assemble(&parts).changes.len(), 3);
        assert!(without_types(assemble(&parts)) == without_types(entry));
    }
    let sql = entry(vec![Change::Sql(format!("SELECT '{}\"\\'", text.replace('\'', "''")))]);
    assert!(assemble(&encode_parts(&sql, 100_000).unwrap()) == sql);
}

fn without_types(mut entry: Entry) -> Entry {
    for change in &mut entry.changes {
        if let Change::Row(row) = change {
            row.table = decoded(&row.table);
        }
    }
    entry
}

#[test]
fn what_does_not_fit_is_refused() {
    let too_large = |entry: &Entry, max_part_bytes| {
        assert_eq!(encode_parts(entry, max_part_bytes), Err(Error::TooLarge { max_part_bytes }));
    };
    too_large(&rows(3), 300);
    too_large(&big("x".repeat(1_000_000).into()), 1000);
    let marks = (0..100).map(|_| TransactionMark { changes: 0, id: Some(keyed("key".repeat(9))) });
    too_large(
        &Entry { meta: Some(meta(Kind::Transactions(marks.collect()))), ..entry(vec![]) },
        2000,
    );
    too_large(&Entry { meta: None, ..rows(40) }, 1000);
    assert_eq!(
        encode_parts(&big("x".repeat(600_000).into()), 1000).map(|parts| parts.len() > 900),
        Ok(true)
    );
    let wrong = entry(vec![insert(&Sqlite::new("CREATE TABLE t(a)").schema("t"), 1, row![1, 2])]);
    assert!(matches!(encode_parts(&wrong, 100), Err(Error::Inconsistent(_))));
}

/// Parts of two entries that differ in nothing but their id.
fn two_runs() -> [Vec<Vec<u8>>; 2] {
    [7, 8].map(|counter| {
        let mut entry = rows(20);
        entry.meta.as_mut().unwrap().id = AttemptId { boot: 1, counter };
        encode_parts(&entry, 1150).unwrap()
    })
}

/// A letter for each of these messages: more, complete, stray; `x` before a letter if it cut.
fn progress(messages: &[&[u8]]) -> String {
    let mut assembler = Assembler::default();
    let mut letters = String::new();
    for message in messages {
        let mut progress = assembler.push(decode_part(message).unwrap()).unwrap();
        if let Progress::Cut(part) = progress {
            letters.push('x');
            progress = assembler.push(*part).unwrap();
        }
        letters.push(match progress {
            Progress::More => 'm',
            Progress::Complete(_) => 'c',
            Progress::Cut(_) => '!',
            Progress::Stray => 's',
        });
    }
    letters
}

#[test]
fn a_run_is_void_unless_its_parts_follow_each_other() {
    let [a, b] = two_runs();
    assert_eq!((a.len(), b.len()), (4, 4));
    let single = encode(&rows(1)).unwrap();
    let theirs = br#"{"changes":[{"operation":"SQL","sql":"SELECT 1"}]}"#;
    let other = |from: &str, to: &str| {
        String::from_utf8(a[1].clone()).unwrap().replace(from, to).into_bytes()
    };
    let (base, count) = (other("\"seq\":41", "\"seq\":42"), other("[2,4]", "[2,5]"));
    let marks = other("\"transactions\":[]", "\"transactions\":[{\"changes\":20}]");
    let messages: &[(&[&[u8]], &str)] = &[
        (&[&a[0], &a[1], &a[2], &a[3], &b[0], &b[1], &b[2], &b[3]], "mmmcmmmc"),
        (&[&a[0], &a[1], &single, &a[2], &a[3]], "mmxcss"),
        (&[&a[0], theirs, &a[1]], "mxcs"),
        (&[&a[0], &a[2], &a[3]], "mxss"),
        (&[&a[0], &a[0], &a[1], &a[2], &a[3]], "mxmmmc"),
        (&[&a[0], &a[1], &a[1]], "mmxs"),
        (&[&a[0], &b[1], &a[1]], "mxss"),
        (&[&a[0], &a[1], &b[0], &b[1], &b[2], &b[3]], "mmxmmmc"),
        (&[&a[3], &a[1], &single], "ssc"),
        (&[&a[0], &base], "mxs"),
        (&[&a[0], &count], "mxs"),
        (&[&a[0], &marks], "mxs"),
    ];
    for (messages, expected) in messages {
        assert_eq!(progress(messages), *expected);
    }
}

#[test]
fn what_cannot_be_decoded_cuts_a_run() {
    let [a, _] = two_runs();
    let mut assembler = Assembler::default();
    assert!(!assembler.cut());
    assert_eq!(assembler.push(decode_part(&a[0]).unwrap()), Ok(Progress::More));
    assert!(assembler.cut());
    assert_eq!(assembler.push(decode_part(&a[1]).unwrap()), Ok(Progress::Stray));
}

#[test]
fn parts_that_contradict_each_other_are_void() {
    let parts = encode_parts(&big("x".repeat(900).into()), 900).unwrap();
    let texts: Vec<String> =
        parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect();
    let [first, second, third] = &texts[..] else { panic!("{texts:?}") };
    let row = r#"{"database":"main","table":"t","columns":["a","b"],"operation":"INSERT","old_rowid":9,"new_rowid":9,"new_values":[1,2]}"#;
    assert!(second.contains(",\"more\":true") && third.contains(row_of_three()), "{texts:?}");
    for (at, from, to) in [
        (0, "{\"changes\":3}", "{\"changes\":2}"),
        (0, "{\"changes\":3}", "{\"changes\":4}"),
        (2, "\"changes\":[", &*format!("\"changes\":[{row},")),
        (1, "\"changes\":[", "\"changes\":[{\"operation\":\"CONTINUE\",\"json\":\"\"},"),
        (1, "xxxx", "xx\\\""),
        (2, "3]}\"", "3]\""),
        (2, "3]}\"", "3]}\",\"more\":true"),
        (1, ",\"more\":true", ""),
    ] {
        let mut texts = [first.clone(), second.clone(), third.clone()];
        assert!(texts[at].contains(from), "{from}: {texts:?}");
        texts[at] = texts[at].replacen(from, to, 1);
        let mut assembler = Assembler::default();
        let pushed = texts.iter().map(|text| assembler.push(decode_part(text.as_bytes())?));
        let result: Result<Vec<_>, _> = pushed.collect();
        assert!(matches!(result, Err(Error::Malformed(_))), "{to}: {result:?}");
        assert!(!assembler.cut(), "nothing is left of it");
    }
}

fn row_of_three() -> &'static str {
    "\"new_values\":[5,6]"
}

#[test]
fn a_piece_is_refused_where_there_are_no_parts() {
    let bytes = encode(&entry(vec![Change::Sql("x".into())])).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let piece = text.replace("\"operation\":\"SQL\"", "\"operation\":\"CONTINUE\",\"json\":\"{}\"");
    assert!(matches!(decode_part(piece.as_bytes()), Err(Error::Malformed(_))));
    assert!(matches!(decode(piece.as_bytes()), Err(Error::Malformed(_))));
}

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
