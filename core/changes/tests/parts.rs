//! Entries larger than a message, cut into parts.

mod common;

use common::entries::{any_entry, changes, exact};
use common::go::{GoMessage, GoNode};
use common::parts::{big, decoded, rows};
use common::{Sqlite, entry, insert, keyed, meta};
use ha_changes::{
    Assembler, Base, Change, Encoded, Entry, Error, Form, Kind, MAX_PARTS, Meta, PartLimits,
    PartWriter, Progress, TransactionMark, decode, decode_part, encode, encode_parts,
};
use ha_core::{AttemptId, RunningHash, Seq, Value};
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
    let mut go = GoNode::new("CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
    parts.iter().for_each(|part| go.apply(part).unwrap());
    let expected = (1..=40).map(|id| (id, row![id, "some text"]));
    assert_eq!(go.0.rows("t"), expected.collect::<Vec<_>>());
}

#[test]
fn v007_skips_a_row_that_continues_and_has_the_rows_beside_it() {
    let parts = encode_parts(&big("x".repeat(5000).into()), 1000).unwrap();
    let mut go = GoNode::new("CREATE TABLE t(a TEXT, b INT)");
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
    let marks = (0..100).map(|_| TransactionMark { changes: 0, id: Some(keyed("key".repeat(9))) });
    too_large(
        &Entry { meta: Some(meta(Kind::Transactions(marks.collect()))), ..entry(vec![]) },
        2000,
    );
    too_large(&Entry { meta: None, ..rows(40) }, 1000);
    let a_part = Meta { part: (1, 2), ..meta(Kind::Transactions(vec![])) };
    too_large(&Entry { meta: Some(a_part), ..rows(40) }, 1000);
    let wrong = entry(vec![insert(&Sqlite::new("CREATE TABLE t(a)").schema("t"), 1, row![1, 2])]);
    assert!(matches!(encode_parts(&wrong, 100), Err(Error::Inconsistent(_))));
}

#[test]
fn an_entry_has_a_thousand_parts_at_most() {
    let parts = |length| encode_parts(&big("x".repeat(length).into()), 700);
    let (mut fits, mut is_too_large) = (300_000, 500_000);
    while is_too_large - fits > 1 {
        let middle = usize::midpoint(fits, is_too_large);
        let half = if parts(middle).is_ok() { &mut fits } else { &mut is_too_large };
        *half = middle;
    }
    assert_eq!(parts(fits).map(|parts| parts.len()), Ok(1000));
    assert_eq!(parts(is_too_large), Err(Error::TooLarge { max_part_bytes: 700 }));
}

/// The entry as a writer makes it of its head and its changes one by one.
fn written(entry: &Entry, max_part_bytes: usize) -> Result<Encoded, Error> {
    let limits = PartLimits { max_part_bytes, max_parts: MAX_PARTS };
    let head = Entry { changes: Vec::new(), ..entry.clone() };
    let mut writer = PartWriter::new(head, Form::Own, limits)?;
    entry.changes.iter().try_for_each(|change| writer.push(change))?;
    writer.finish()
}

fn payloads(encoded: &Encoded) -> Vec<Vec<u8>> {
    encoded.parts().iter().map(|part| part.to_vec()).collect()
}

#[test]
fn another_try_has_the_same_changes_and_still_fits() {
    let small = Base { seq: Seq(1), ..meta(Kind::Noop).base };
    let wide = Base { seq: Seq(u64::MAX), hash: RunningHash([9; 32]), ..small };
    for (count, max) in [(1, 1000), (40, 1000), (400, 2000)] {
        let mut entry = rows(count);
        let mut encoded = written(&entry, max).unwrap();
        let parts = encoded.parts().len();
        assert_eq!(parts > 1, count > 1);
        for (counter, base) in [(3, small), (u64::MAX, wide), (1, small)] {
            let id = AttemptId { boot: counter, counter };
            encoded.rebase(id, base);
            let meta = entry.meta.as_mut().unwrap();
            (meta.id, meta.base) = (id, base);
            assert!(encoded.parts().iter().all(|part| part.len() <= max));
            assert_eq!(assemble(&payloads(&encoded)), entry);
            assert_eq!(encoded.parts().len(), parts);
        }
        assert!(encoded.head().changes.is_empty());
    }
}

#[test]
fn a_writer_takes_no_more_parts_than_it_may_and_no_other_changes_than_are_marked() {
    let entry = rows(40);
    let limits = |max_parts| PartLimits { max_part_bytes: 1000, max_parts };
    let head = || Entry { changes: Vec::new(), ..entry.clone() };
    let parts = u32::try_from(written(&entry, 1000).unwrap().parts().len()).unwrap();
    let mut writer = PartWriter::new(head(), Form::Own, limits(parts - 1)).unwrap();
    let pushed = entry.changes.iter().try_for_each(|change| writer.push(change));
    let outcome = pushed.and_then(|()| writer.finish().map(drop));
    assert_eq!(outcome, Err(Error::TooLarge { max_part_bytes: 1000 }));
    let mut writer = PartWriter::new(head(), Form::Own, limits(parts)).unwrap();
    writer.push(&entry.changes[0]).unwrap();
    assert!(writer.size() > 100);
    assert!(matches!(writer.finish(), Err(Error::Inconsistent(_))));
}
