//! How SQLite's values and PostgreSQL's types meet. The types' numbers and their text and
//! binary forms are those of <https://www.postgresql.org/docs/15/datatype.html>.

mod calendar;
mod decode;
mod encode;
mod infer;
mod numeric;
mod select;

use pgwire::api::Type;

pub(crate) use decode::decode;
pub(crate) use encode::{Format, encode, fits};
pub(crate) use infer::{Scope, infer};

/// The type that a column with this declared type is announced with. SQLite's integers have
/// 64 bits and its reals are doubles, whatever was declared; what has no exact counterpart is
/// announced as the text that it is stored as.
pub(crate) fn declared(name: &str) -> Type {
    let name = name.split('(').next().unwrap_or_default().to_ascii_lowercase();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.as_str() {
        "bool" | "boolean" => Type::BOOL,
        "bytea" | "blob" => Type::BYTEA,
        "varchar" | "character varying" | "nvarchar" => Type::VARCHAR,
        "char" | "character" | "bpchar" => Type::BPCHAR,
        "name" => Type::NAME,
        "interval" | "point" => Type::TEXT,
        name => by_affinity(name),
    }
}

/// The type that a cast, or a parameter that is cast, has.
pub(crate) fn cast(name: &str) -> Type {
    match name {
        "INT2" => Type::INT2,
        "INT4" => Type::INT4,
        "FLOAT4" => Type::FLOAT4,
        name => declared(name),
    }
}

/// SQLite's rules (<https://sqlite.org/datatype3.html#determination_of_column_affinity>).
fn by_affinity(name: &str) -> Type {
    let has = |part: &str| name.contains(part);
    if has("int") || has("serial") {
        Type::INT8
    } else if has("char") || has("clob") || has("text") {
        Type::TEXT
    } else if has("blob") {
        Type::BYTEA
    } else if has("real") || has("floa") || has("doub") {
        Type::FLOAT8
    } else {
        Type::TEXT
    }
}

/// `typlen` of pg_type: -1 where the length varies.
pub(crate) fn size(ty: &Type) -> i16 {
    match *ty {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 => 8,
        Type::NAME => 64,
        _ => -1,
    }
}

/// `atttypmod` of pg_attribute: the declared length of a string and 4, or -1.
pub(crate) fn modifier(declared_type: &str, ty: &Type) -> i32 {
    let length = declared_type.split_once('(').and_then(|(_, rest)| rest.split(')').next());
    match (ty, length.and_then(|length| length.trim().parse::<i32>().ok())) {
        (&Type::VARCHAR | &Type::BPCHAR, Some(length)) => length.saturating_add(4),
        _ => -1,
    }
}

/// PostgreSQL's words for true and false, and their unambiguous beginnings.
pub(crate) fn truth(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&*text);
    if begins("true", 1) || begins("yes", 1) || text == "on" || text == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_announced_as_what_they_hold() {
        let types = [
            ("INTEGER", Type::INT8),
            ("int4", Type::INT8),
            ("bigserial", Type::INT8),
            ("VARCHAR(20)", Type::VARCHAR),
            ("character  varying (3)", Type::VARCHAR),
            ("double precision", Type::FLOAT8),
            ("real", Type::FLOAT8),
            ("boolean", Type::BOOL),
            ("BLOB", Type::BYTEA),
            ("timestamptz", Type::TEXT),
            ("interval", Type::TEXT),
            ("numeric(10,2)", Type::TEXT),
            ("", Type::TEXT),
        ];
        for (name, ty) in types {
            assert_eq!(declared(name), ty, "{name}");
        }
        assert_eq!(modifier("varchar(20)", &Type::VARCHAR), 24);
        assert_eq!(modifier("text", &Type::TEXT), -1);
    }

    #[test]
    fn truth_has_many_words() {
        assert_eq!(["t", "TRUE", "yes", "on", "1"].map(truth), [Some(true); 5]);
        assert_eq!(["f", "False", "n", "off", "0"].map(truth), [Some(false); 5]);
        assert_eq!(["", "o", "maybe", "2"].map(truth), [None; 4]);
    }
}
