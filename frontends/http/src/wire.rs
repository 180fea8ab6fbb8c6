//! The JSON of a request's body.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ha_core::Value;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A whole body.
pub(crate) struct Requests(pub(crate) Vec<Request>);

/// An element of it.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) sql: String,
    pub(crate) params: Arguments,
}

/// What `params` holds. Of equal names the last one counts.
#[derive(Default)]
pub(crate) enum Arguments {
    #[default]
    None,
    Positional(Vec<Argument>),
    Named(BTreeMap<String, Argument>),
}

/// A value, or why it cannot be one.
pub(crate) enum Argument {
    Value(Value),
    Refused(&'static str),
}

/// Reads a type from JSON with the visitor of that type.
macro_rules! deserialize_with {
    ($($type:ty => $visitor:ident),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
                json.deserialize_any($visitor)
            }
        }
    )*};
}

deserialize_with!(
    Requests => RequestsVisitor,
    Request => RequestVisitor,
    Arguments => ArgumentsVisitor,
    Argument => ArgumentVisitor
);

struct RequestsVisitor;

impl<'de> Visitor<'de> for RequestsVisitor {
    type Value = Requests;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of {\"sql\", \"params\"}")
    }

    fn visit_unit<E: Error>(self) -> Result<Requests, E> {
        Ok(Requests(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Requests, A::Error> {
        let mut requests = Vec::new();
        while let Some(request) = array.next_element()? {
            requests.push(request);
        }
        Ok(Requests(requests))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Requests, A::Error> {
        Ok(Requests(vec![RequestVisitor.visit_map(object)?]))
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object {\"sql\", \"params\"}")
    }

    fn visit_unit<E: Error>(self) -> Result<Request, E> {
        Ok(Request::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Request, A::Error> {
        let mut request = Request::default();
        while let Some(key) = object.next_key()? {
            match key {
                Key::Sql => {
                    request.sql = object.next_value::<Option<String>>()?.unwrap_or_default()
                }
                Key::Params => request.params = object.next_value()?,
                Key::Other => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(request)
    }
}

enum Key {
    Sql,
    Params,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            _ if key.eq_ignore_ascii_case("sql") => Key::Sql,
            _ if key.eq_ignore_ascii_case("params") => Key::Params,
            _ => Key::Other,
        })
    }
}

struct ArgumentsVisitor;

impl<'de> Visitor<'de> for ArgumentsVisitor {
    type Value = Arguments;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("params as an object, an array or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Arguments, E> {
        Ok(Arguments::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Arguments, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = array.next_element()? {
            values.push(value);
        }
        Ok(Arguments::Positional(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Arguments, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((name, value)) = object.next_entry()? {
            values.insert(name, value);
        }
        Ok(Arguments::Named(values))
    }
}

struct ArgumentVisitor;

impl<'de> Visitor<'de> for ArgumentVisitor {
    type Value = Argument;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Argument, E> {
        self.visit_i64(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Integer(value)))
    }

    /// What no INTEGER holds becomes a REAL, as an SQL literal does.
    fn visit_u64<E: Error>(self, value: u64) -> Result<Argument, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Real(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Argument, E> {
        Ok(Argument::Value(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Argument, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Argument::Refused("an array cannot be bound"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Argument, A::Error> {
        let mut argument =
            Argument::Refused("an object cannot be bound, except {\"blob\": \"<base64>\"}");
        let mut is_only = true;
        while let Some(key) = object.next_key::<String>()? {
            if is_only && key == "blob" {
                argument = blob(object.next_value()?);
            } else {
                object.next_value::<IgnoredAny>()?;
                argument =
                    Argument::Refused("an object with other keys than \"blob\" cannot be bound");
            }
            is_only = false;
        }
        Ok(argument)
    }
}

fn blob(content: Argument) -> Argument {
    match content {
        Argument::Value(Value::Text(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Argument::Value(Value::Blob(bytes)),
            Err(_) => Argument::Refused("the blob is not base64 with padding"),
        },
        _ => Argument::Refused("a blob is a string in base64"),
    }
}
