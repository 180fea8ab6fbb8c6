use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Params, Statement, Value};

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => out.serialize_unit(),
            Self::Positional(values) => values.serialize(out),
            Self::Named(values) => {
                out.collect_map(values.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object of parameters")
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Params, A::Error> {
        let mut values = Vec::with_capacity(list.size_hint().unwrap_or(0));
        while let Some(value) = list.next_element::<Value>()? {
            values.push(value);
        }
        Ok(Params::Positional(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
        let mut values = Vec::new();
        while let Some(entry) = map.next_entry::<String, Value>()? {
            values.push(entry);
        }
        Ok(Params::Named(values))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    sql: &'a str,
    params: &'a Params,
}

/// A text is a statement without parameters.
#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Text(String),
    Whole {
        sql: String,
        #[serde(default)]
        params: Params,
    },
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Written { sql: &self.sql, params: &self.params }.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Read::deserialize(from)? {
            Read::Text(sql) => Self { sql, params: Params::None },
            Read::Whole { sql, params } => Self { sql, params },
        })
    }
}
