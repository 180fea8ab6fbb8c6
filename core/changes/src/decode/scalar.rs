use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use ha_core::Value;
use hex::FromHex;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

/// A string that is borrowed where it has no escapes.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Strings)
    }
}

/// A value of a type that is sent as its text form.
#[derive(Debug)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.as_str().parse().map(Self).map_err(D::Error::custom)
    }
}

/// 32 bytes in hexadecimal.
#[derive(Debug)]
pub(super) struct Digest(pub(super) [u8; 32]);

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        FromHex::from_hex(text.as_str()).map(Self).map_err(D::Error::custom)
    }
}

/// What a JSON scalar says by itself. An integer beyond 64 bits is a REAL: v0.0.7 writes
/// doubles up to 1e21 without an exponent.
#[derive(Debug)]
pub(super) enum Plain<'a> {
    Scalar(Value),
    String(Cow<'a, str>),
}

impl Plain<'_> {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::String(text) => Value::Text(text.into_owned()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Plain<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalars;
        impl<'de> Visitor<'de> for Scalars {
            type Value = Plain<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a number or a string")
            }

            fn visit_unit<E>(self) -> Result<Plain<'de>, E> {
                Ok(Plain::Scalar(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Plain<'de>, E> {
                Ok(Plain::Scalar(Value::Integer(value.into())))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Plain<'de>, E> {
                Ok(Plain::Scalar(Value::Integer(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Plain<'de>, E> {
                let real = Value::Real(value as f64);
                Ok(Plain::Scalar(i64::try_from(value).map_or(real, Value::Integer)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Plain<'de>, E> {
                Ok(Plain::Scalar(Value::Real(value)))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Plain<'de>, E> {
                Ok(Plain::String(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Plain<'de>, E> {
                Ok(Plain::String(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Plain<'de>, E> {
                Ok(Plain::String(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_any(Scalars)
    }
}

/// Arguments of SQL, flattened: v0.0.7 puts the list it was given into a list of its own.
/// What is no scalar is NULL.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Args<'a>(#[serde(borrow)] Vec<Arg<'a>>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Arg<'a> {
    #[serde(borrow)]
    Scalar(Plain<'a>),
    List(Vec<Plain<'a>>),
    Other(IgnoredAny),
}

impl Args<'_> {
    pub(super) fn into_values(self) -> Vec<Value> {
        let values = self.0.into_iter().flat_map(|arg| match arg {
            Arg::Scalar(value) => vec![value],
            Arg::List(values) => values,
            Arg::Other(_) => vec![Plain::Scalar(Value::Null)],
        });
        values.map(Plain::into_value).collect()
    }
}
