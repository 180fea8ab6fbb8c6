//! Parts in the log that do not follow each other, or contradict each other.

mod common;

use common::entry;
use common::parts::{big, rows, two_runs};
use ha_changes::{Assembler, Change, Error, Progress, decode, decode_part, encode, encode_parts};

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

#[test]
fn nothing_stands_between_the_pieces_of_a_change() {
    let changes = ["x", "y", "z"].map(|sql| Change::Sql(sql.into()));
    let text = String::from_utf8(encode(&entry(changes.to_vec())).unwrap()).unwrap();
    let piece =
        |json: &str, more| format!("{{\"operation\":\"CONTINUE\",\"json\":{json:?}{more}}}");
    let sql = |sql: &str| format!("{{\"operation\":\"SQL\",\"sql\":{sql:?},\"command\":{sql:?}}}");
    let (begun, whole) = (piece("{", ",\"more\":true"), piece(&sql("x"), ""));
    let with = |first: &str| {
        let text = text.replace("[1,1]", "[1,2]").replacen(&sql("x"), first, 1);
        Assembler::default().push(decode_part(text.as_bytes()).unwrap())
    };
    assert_eq!(with(&whole), Ok(Progress::More));
    let between = format!("{begun},{},{whole}", sql("x"));
    assert!(matches!(with(&between), Err(Error::Malformed(_))));
}

#[test]
fn parts_do_not_end_inside_a_change() {
    let text = String::from_utf8(encode(&entry(vec![Change::Sql("x".into())])).unwrap()).unwrap();
    let begun = text
        .replace("{\"changes\":1}", "{\"changes\":0}")
        .replace("\"SQL\",", "\"CONTINUE\",\"json\":\"{\",\"more\":true,");
    let last = encode(&entry(vec![])).unwrap();
    let last = String::from_utf8(last).unwrap().replace("[{\"changes\":0}]", "[]");
    let mut assembler = Assembler::default();
    let mut push = |text: &str| assembler.push(decode_part(text.as_bytes()).unwrap());
    assert_eq!(push(&begun.replace("[1,1]", "[1,2]")), Ok(Progress::More));
    assert!(matches!(push(&last.replace("[1,1]", "[2,2]")), Err(Error::Malformed(_))));
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
