//! From results to a reply's body.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use ha_core::{Column, ResultSet, Value};

use crate::json;
use crate::timestamp::Timestamp;

/// The body of a reply: `{"results":[…]}` and a line feed; `null` in place of no results, as
/// v0.0.7 says it.
pub(crate) fn encode(results: &[ResultSet]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"results\":");
    if results.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        list(&mut out, results, result);
    }
    out.extend_from_slice(b"}\n");
    out
}

/// How the integers and texts of a column are shown.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Boolean,
    Time,
}

impl Kind {
    /// By the declared type in lower case, exactly; source: `SQLiteRows.Next` of
    /// <https://github.com/mattn/go-sqlite3/blob/v1.14.32/sqlite3.go>.
    fn of(column: &Column) -> Self {
        let Some(declared) = &column.decl_type else { return Self::Plain };
        let is = |name: &str| declared.eq_ignore_ascii_case(name);
        if is("boolean") {
            Self::Boolean
        } else if is("timestamp") || is("datetime") || is("date") {
            Self::Time
        } else {
            Self::Plain
        }
    }
}

fn result(out: &mut Vec<u8>, result: &ResultSet) {
    if result.columns.is_empty() {
        out.extend_from_slice(b"{\"columns\":[\"rows_affected\",\"last_insert_id\"],\"rows\":[[");
        json::display(out, result.changes);
        out.push(b',');
        json::integer(out, result.last_insert_rowid);
        out.extend_from_slice(b"]]}");
        return;
    }
    let kinds: Vec<Kind> = result.columns.iter().map(Kind::of).collect();
    out.extend_from_slice(b"{\"columns\":");
    list(out, &result.columns, |out, column| json::string(out, &column.name));
    out.extend_from_slice(b",\"rows\":");
    list(out, &result.rows, |out, row| {
        list(out, row.iter().zip(&kinds), |out, (cell, kind)| value(out, cell, *kind));
    });
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, value: &Value, kind: Kind) {
    match (value, kind) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (Value::Integer(value), Kind::Boolean) => json::display(out, *value > 0),
        (Value::Integer(value), Kind::Time) => match Timestamp::from_unix(*value) {
            Some(time) => json::display(out, format_args!("\"{time}\"")),
            None => json::integer(out, *value),
        },
        (Value::Integer(value), Kind::Plain) => json::integer(out, *value),
        (Value::Real(value), _) => json::float(out, *value),
        (Value::Text(text), Kind::Time) => match Timestamp::parse(text) {
            Some(time) => json::display(out, format_args!("\"{time}\"")),
            None => json::string(out, text),
        },
        (Value::Text(text), _) => json::string(out, text),
        (Value::RawText(bytes), _) => json::lossy_string(out, bytes),
        (Value::Blob(bytes), _) => {
            json::display(out, format_args!("\"{}\"", Base64Display::new(bytes, &STANDARD)));
        }
    }
}

fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, value) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, decl_type: &str) -> Column {
        Column { name: name.to_owned(), decl_type: Some(decl_type.to_owned()), origin: None }
    }

    fn encoded(results: &[ResultSet]) -> String {
        String::from_utf8(encode(results)).unwrap()
    }

    fn shown(decl_type: &str, value: Value) -> String {
        let columns = vec![column("c", decl_type)];
        let text =
            encoded(&[ResultSet { columns, rows: vec![vec![value]], ..ResultSet::default() }]);
        let cell = text.strip_prefix(r#"{"results":[{"columns":["c"],"rows":[["#).unwrap();
        cell.strip_suffix("]]}]}\n").unwrap().to_owned()
    }

    #[test]
    fn results_have_the_shape_of_v0_0_7() {
        let rows =
            ResultSet { columns: vec![column("a<", ""), column("a<", "")], ..ResultSet::default() };
        let counts = ResultSet { changes: 2, last_insert_rowid: -7, ..ResultSet::default() };
        let expected = concat!(
            r#"{"results":[{"columns":["a\u003c","a\u003c"],"rows":[]},"#,
            r#"{"columns":["rows_affected","last_insert_id"],"rows":[[2,-7]]}]}"#,
            "\n"
        );
        assert_eq!(encoded(&[rows, counts]), expected);
        assert_eq!(encoded(&[]), "{\"results\":null}\n");
    }

    #[test]
    fn values_are_shown_by_their_type() {
        assert_eq!(shown("", Value::Null), "null");
        assert_eq!(shown("", Value::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(shown("", Value::Real(12.0)), "12");
        assert_eq!(shown("", Value::from("a\n")), r#""a\n""#);
        assert_eq!(shown("", Value::RawText(vec![0xFF, b'A'])), r#""\ufffdA""#);
        assert_eq!(shown("", Value::Blob(vec![0, 0xFF, 0x41])), r#""AP9B""#);
        assert_eq!(shown("", Value::Blob(Vec::new())), r#""""#);
    }

    #[test]
    fn declared_types_change_integers_and_texts_only() {
        assert_eq!(shown("BOOLEAN", Value::Integer(1)), "true");
        assert_eq!(shown("boolean", Value::Integer(-1)), "false");
        assert_eq!(shown("BOOL", Value::Integer(1)), "1");
        assert_eq!(shown("boolean", Value::from("1")), r#""1""#);
        assert_eq!(shown("DateTime", Value::from("2024-01-02")), r#""2024-01-02T00:00:00Z""#);
        assert_eq!(shown("timestamp", Value::Integer(0)), r#""1970-01-01T00:00:00Z""#);
        assert_eq!(shown("date", Value::Real(1.5)), "1.5");
        assert_eq!(shown("timestamptz", Value::Integer(0)), "0");
    }

    #[test]
    fn what_is_no_time_stays_what_it_is() {
        assert_eq!(shown("date", Value::from("soon")), r#""soon""#);
        assert_eq!(shown("date", Value::Integer(i64::MAX)), "9223372036854775807");
    }
}
