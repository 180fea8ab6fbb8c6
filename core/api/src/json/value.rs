use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Value;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Integer(value) => out.serialize_i64(*value),
            Self::Real(value) if value.is_finite() => out.serialize_f64(*value),
            Self::Real(value) => tagged(out, "real", &value.to_string().to_ascii_lowercase()),
            Self::Text(text) => out.serialize_str(text),
            Self::RawText(bytes) => tagged(out, "text", &STANDARD.encode(bytes)),
            Self::Blob(bytes) => tagged(out, "blob", &STANDARD.encode(bytes)),
        }
    }
}

fn tagged<S: Serializer>(out: S, tag: &'static str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(1))?;
    map.serialize_entry(tag, text)?;
    map.end()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Scalar)
    }
}

struct Scalar;

impl<'de> Visitor<'de> for Scalar {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "null, a number, a text, or an object of one of \"blob\", \"text\" and \"real\"",
        )
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom(format_args!("{value} does not fit into 64 bits with a sign")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some((tag, text)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::custom("an empty object is no value"));
        };
        let bytes = || STANDARD.decode(&text).map_err(A::Error::custom);
        match tag.as_str() {
            "blob" => bytes().map(Value::Blob),
            "text" => bytes().map(Value::RawText),
            "real" => text.parse().map(Value::Real).map_err(A::Error::custom),
            _ => Err(A::Error::unknown_field(&tag, &["blob", "text", "real"])),
        }
    }
}
