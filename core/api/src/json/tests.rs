use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::{
    AppendError, AttemptId, AttemptName, Batch, Error, IdempotencyKey, Limits, Lineage, Params,
    ReadLevel, Reply, ResultSet, Seq, Settings, Statement, Token, TransactionName,
    TransactionOptions, Value,
};

const TOKEN: Token = Token { lineage: Lineage([1; 8]), seq: Seq(7), n: 2 };

#[track_caller]
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: &str) {
    assert_eq!(String::from_utf8(write(value)).unwrap(), json);
    assert_eq!(&read::<T>(json.as_bytes()).unwrap(), value);
}

#[test]
fn values_cross_exactly() {
    same(&Value::Null, "null");
    same(&Value::Integer(i64::MIN), "-9223372036854775808");
    same(&Value::Integer(i64::MAX), "9223372036854775807");
    same(&Value::Real(7.0), "7.0");
    same(&Value::Real(f64::INFINITY), r#"{"real":"inf"}"#);
    same(&Value::Real(f64::NEG_INFINITY), r#"{"real":"-inf"}"#);
    same(&Value::from("a\0\"é"), "\"a\\u0000\\\"é\"");
    same(&Value::RawText(vec![0xff]), r#"{"text":"/w=="}"#);
    same(&Value::Blob(Vec::new()), r#"{"blob":""}"#);
    let Value::Real(zero) = read(b"-0.0").unwrap() else { panic!("no real") };
    assert!(zero.is_sign_negative());
    for value in [0.1 + 0.2, 5e-324, f64::MAX, 1.797_693_134_862_315_7e308, 9_007_199_254_740_993.0]
    {
        assert_eq!(read::<Value>(&write(&Value::Real(value))).unwrap(), Value::Real(value));
    }
    assert!(read::<Value>(b"9223372036854775808").is_err());
}

#[test]
fn a_batch_keeps_all_it_says_and_may_be_short() {
    let batch = Batch {
        statements: vec![
            Statement::with("SELECT ?", vec![1.into()]),
            Statement {
                sql: "SELECT :a".to_owned(),
                params: Params::Named(vec![("a".to_owned(), Value::Null)]),
            },
        ],
        limits: Limits { time: Some(Duration::from_millis(5)), rows: Some(1), bytes: None },
        reads: ReadLevel { min_position: Some(TOKEN), strong: true },
        key: Some(IdempotencyKey::new("k").unwrap()),
    };
    same(
        &batch,
        r#"{"statements":[{"sql":"SELECT ?","params":[1]},{"sql":"SELECT :a","params":{"a":null}}],"limits":{"time_ms":5,"rows":1,"bytes":null},"reads":{"min_position":"0101010101010101-7.2","strong":true},"key":"k"}"#,
    );
    let short: Batch = read(br#"{"statements":["SELECT 1"]}"#).unwrap();
    assert_eq!(short, Batch { statements: vec![Statement::new("SELECT 1")], ..Batch::default() });
    assert!(!read_or_default::<TransactionOptions>(b"").unwrap().read_only);
}

#[test]
fn a_reply_keeps_all_it_says() {
    let result = ResultSet {
        rows: vec![vec![Value::Null, 1.into()]],
        changes: 3,
        last_insert_rowid: -1,
        ..ResultSet::default()
    };
    same(
        &Reply { results: vec![result], position: TOKEN },
        r#"{"results":[{"columns":[],"rows":[[null,1]],"changes":3,"last_insert_rowid":-1}],"position":"0101010101010101-7.2"}"#,
    );
}

#[test]
fn every_error_is_the_same_on_the_other_side() {
    let attempt = AttemptId { boot: 1, counter: 2 };
    let name = AttemptName { lineage: TOKEN.lineage, base: Seq(1), attempt };
    let names = TransactionName::of([name, AttemptName { base: Seq(2), ..name }]);
    let text = || "why".to_owned();
    let errors = [
        Error::Sql { code: 2067, message: text(), offset: Some(3) },
        Error::Invalid(text()),
        Error::NotAllowed(text()),
        Error::Unsupported(text()),
        Error::Conflict,
        Error::OutcomeUnknown(name.into()),
        Error::OutcomeUnknown(names.expect("there are two")),
        Error::OtherLog { token: TOKEN, lineage: Lineage([2; 8]), kept: Some(Seq(3)) },
        Error::KeyReused(text()),
        Error::NotSent(text()),
        Error::NotReady(text()),
        Error::ReadOnly(text()),
        Error::Timeout(Duration::from_millis(1500)),
        Error::Interrupted,
        Error::TooLarge { what: text(), limit: 1, hint: text() },
        Error::IdleTransaction(Duration::from_secs(1)),
        Error::NoTransaction(text()),
        Error::Truncated { from: Seq(1), first: Seq(2) },
        Error::Corrupt(text()),
        Error::Closed,
        Error::config("a.b", text()),
        Error::transport("o", text()),
        Error::Io { context: text(), reason: text() },
    ];
    for expected in errors {
        assert_eq!(failure("x", &error(&expected)), expected);
    }
    assert_eq!(failure("x", br#"{"message":"m"}"#), Error::transport("x", "m"));
    assert_eq!(failure("x", b"no JSON"), Error::transport("x", "no JSON"));
}

#[test]
fn an_append_that_failed_without_a_known_kind_is_unknown() {
    let reason = "why".to_owned();
    for expected in [
        AppendError::Refused { last: Some(Seq(3)) },
        AppendError::Refused { last: None },
        AppendError::Unknown { reason: reason.clone() },
        AppendError::NotSent { reason },
        AppendError::TooLarge { size: 2, limit: 1 },
        AppendError::Closed,
    ] {
        assert_eq!(append_failure(&append_error(&expected)), expected);
    }
    let unknown = AppendError::Unknown { reason: "m".to_owned() };
    assert_eq!(append_failure(br#"{"message":"m","kind":"other"}"#), unknown);
}

#[test]
fn settings_cross_without_their_component() {
    let settings = Settings::new("redis").with("url", "u");
    let json = write_settings(&settings);
    assert_eq!(json, br#"{"url":"u"}"#);
    assert_eq!(read_settings("redis", &json).unwrap(), settings);
}
