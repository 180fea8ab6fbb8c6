//! From a request's body to statements.

use std::fmt;

use ha_core::{Error, Params, Statement, Value, sql};
use serde::Deserialize as _;

use crate::failure::Failure;
use crate::wire::{Argument, Arguments, Request, Requests};

/// The statements of a body: a JSON array of `{"sql", "params"}`, one such object, or null.
///
/// As in v0.0.7 keys are compared without case, unknown keys and whatever follows the first
/// JSON value are ignored, and null stands for its type's empty value.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<Statement>, Failure> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let Requests(requests) = Requests::deserialize(&mut json)
        .map_err(|error| Failure::Malformed(format!("the body cannot be read: {error}")))?;
    requests.into_iter().map(statement).collect()
}

fn statement(request: Request) -> Result<Statement, Failure> {
    refuse_transaction_control(&request.sql)?;
    Ok(Statement { sql: request.sql, params: params(request.params)? })
}

/// A request is one transaction, so it can neither begin nor end one.
fn refuse_transaction_control(sql: &str) -> Result<(), Error> {
    for piece in sql::split(sql) {
        let words: Vec<String> = sql::words(piece).take(3).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["ROLLBACK", "TO", ..] | ["ROLLBACK", "TRANSACTION", "TO"] => {}
            [what @ ("BEGIN" | "COMMIT" | "END" | "ROLLBACK"), ..] => {
                return Err(Error::invalid(format!(
                    "{what} is not possible here: the statements of a request are one transaction"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn params(arguments: Arguments) -> Result<Params, Error> {
    Ok(match arguments {
        Arguments::None => Params::None,
        Arguments::Positional(values) => {
            let values = (1..).zip(values).map(|(number, argument)| value(number, argument));
            Params::Positional(values.collect::<Result<_, _>>()?)
        }
        Arguments::Named(values) => {
            let pair = |(name, argument)| value(&name, argument).map(|value| (name, value));
            Params::Named(values.into_iter().map(pair).collect::<Result<_, _>>()?)
        }
    })
}

fn value(name: impl fmt::Display, argument: Argument) -> Result<Value, Error> {
    match argument {
        Argument::Value(value) => Ok(value),
        Argument::Refused(why) => Err(Error::invalid(format!("parameter {name}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Statement {
        let mut statements = decode(body.as_bytes()).unwrap();
        assert_eq!(statements.len(), 1, "{body}");
        statements.remove(0)
    }

    fn bound(value: &str) -> Value {
        match one(&format!(r#"[{{"sql":"x","params":[{value}]}}]"#)).params {
            Params::Positional(mut values) if values.len() == 1 => values.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_array_an_object_and_null_are_bodies() {
        let array = r#"[{"sql":"a"},{"sql":"b"}]"#;
        assert_eq!(decode(array.as_bytes()).unwrap(), [Statement::new("a"), Statement::new("b")]);
        assert_eq!(one(r#"{"sql":"a"}"#), Statement::new("a"));
        assert!(decode(b"null").unwrap().is_empty() && decode(b" [] ").unwrap().is_empty());
    }

    #[test]
    fn keys_have_no_case_and_whatever_is_unknown_or_follows_is_ignored() {
        let body = r#"[{"x":[{"y":1}],"SQL":"a","Params":null}] }trailing"#;
        assert_eq!(one(body), Statement::new("a"));
        assert_eq!(one(r#"[{}]"#), Statement::new(""));
        assert_eq!(one("[null]"), Statement::new(""));
        assert_eq!(one(r#"[{"sql":null}]"#), Statement::new(""));
        assert_eq!(one(r#"[{"sql":"a","sql":"b"}]"#), Statement::new("b"));
    }

    #[test]
    fn json_types_become_sqlite_types() {
        assert_eq!(bound("null"), Value::Null);
        assert_eq!((bound("true"), bound("false")), (Value::Integer(1), Value::Integer(0)));
        assert_eq!(bound("9007199254740993"), Value::Integer(9_007_199_254_740_993));
        assert_eq!(bound("-9223372036854775808"), Value::Integer(i64::MIN));
        assert_eq!(bound("9223372036854775808"), Value::Real(9_223_372_036_854_775_808.0));
        assert_eq!((bound("5.0"), bound("5e0")), (Value::Real(5.0), Value::Real(5.0)));
        assert_eq!(bound("\"\\u00e9\""), Value::from("é"));
        assert_eq!(bound(r#"{"blob":"AP9B"}"#), Value::Blob(vec![0, 0xFF, 0x41]));
    }

    #[test]
    fn names_keep_their_prefixes_and_the_last_of_equal_ones_counts() {
        let body = r#"[{"sql":"x","params":{":a":1,"$1":2,"b":3,"b":4}}]"#;
        let Params::Named(pairs) = one(body).params else { panic!("not named") };
        let expected = [("$1", 2), (":a", 1), ("b", 4)];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), Value::Integer(value))));
    }

    #[test]
    fn a_value_that_cannot_be_bound_names_its_parameter() {
        for value in [
            r#"{"a":1}"#,
            "[1,2]",
            r#"{"blob":"*"}"#,
            r#"{"blob":1}"#,
            "{}",
            r#"{"blob":"AA==","x":1}"#,
            r#"{"blob":{"blob":"AA=="}}"#,
        ] {
            let body = format!(r#"[{{"sql":"x","params":{{"p":{value}}}}}]"#);
            match decode(body.as_bytes()) {
                Err(Failure::Engine(Error::Invalid(text))) => {
                    assert!(text.starts_with("parameter p: "))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        let deep = "[".repeat(10_000);
        let deep_value = format!(r#"[{{"params":[{}"#, r#"{"blob":"#.repeat(10_000));
        for body in [
            "",
            " ",
            "x",
            "[{\"sql\":",
            "[\"a\"]",
            "[{\"sql\":1}]",
            "[{\"sql\":\"a\",\"params\":1}]",
            "[[]]",
            "1",
            "{\"sql\"}",
            "[{\"sql\":\"\\ud800\"}]",
            "[1e999]",
            &deep,
            &deep_value,
        ] {
            assert!(matches!(decode(body.as_bytes()), Err(Failure::Malformed(_))), "{body}");
        }
        assert!(matches!(decode(b"[{\"sql\":\"\xff\"}]"), Err(Failure::Malformed(_))));
    }

    #[test]
    fn a_request_can_neither_begin_nor_end_a_transaction() {
        for sql in
            ["BEGIN", "/**/ commit", "SELECT 1; end", "rollback transaction", "begin immediate"]
        {
            let body = format!(r#"[{{"sql":"SELECT 1"}},{{"sql":"{sql}"}}]"#);
            let Err(Failure::Engine(Error::Invalid(text))) = decode(body.as_bytes()) else {
                panic!("{sql} is let through");
            };
            assert!(text.contains("one transaction"), "{text}");
        }
        for sql in ["SAVEPOINT a", "ROLLBACK TO a", "rollback transaction to a", "RELEASE a"] {
            one(&format!(r#"[{{"sql":"{sql}"}}]"#));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_decimal_is_read_to_the_last_bit(value in proptest::num::f64::NORMAL) {
            assert_eq!(bound(&format!("{value:e}")), Value::Real(value));
        }

        #[test]
        fn no_body_makes_it_panic(
            text in r#"[\[\]{}:,"0-9.eE+-]{0,64}|.{0,64}"#,
            cut in 0_usize..80,
            byte: u8,
        ) {
            let whole = br#"[{"sql":"SELECT :a","params":{"a":[1],"b":{"blob":"AA=="},"c":-1.5e3}},{}]"#;
            let mut torn = whole.to_vec();
            if let Some(at) = torn.get_mut(cut) {
                *at = byte;
            }
            for body in [text.as_bytes(), &torn, &whole[..cut.min(whole.len())]] {
                let _ = decode(body);
            }
        }
    }
}
