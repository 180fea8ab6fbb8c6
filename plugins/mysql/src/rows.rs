//! Results: which type a column has, and how its values are sent.

use bytes::BufMut;
use ha_core::{Column, ResultSet, Value};

use crate::wire::moment::{clock, date, put_moment, put_time};
use crate::wire::put_bytes;
use crate::wire::types::{Field, Kind, Type};

/// The columns of a result. A declared type counts if all values are of it, since SQLite holds
/// columns to no type; columns of expressions are typed by their values.
pub(crate) fn fields(result: &ResultSet) -> Vec<Field> {
    let field = |(index, column): (usize, &Column)| {
        let values = || result.rows.iter().map(move |row| &row[index]);
        let declared = column.decl_type.as_deref().and_then(Kind::declared);
        let kind = declared
            .filter(|kind| values().all(|value| fits(*kind, value)))
            .unwrap_or_else(|| of_values(values()));
        named(column, kind)
    };
    result.columns.iter().enumerate().map(field).collect()
}

/// The columns of a result that is not there yet.
pub(crate) fn described(columns: &[Column]) -> Vec<Field> {
    let kind = |column: &Column| column.decl_type.as_deref().and_then(Kind::declared);
    columns.iter().map(|column| named(column, kind(column).unwrap_or(Kind::TEXT))).collect()
}

fn named(column: &Column, kind: Kind) -> Field {
    let table = column.origin.as_ref().map(|(table, _)| table.clone()).unwrap_or_default();
    Field { name: column.name.clone(), table, kind }
}

fn of_values<'v>(values: impl Iterator<Item = &'v Value>) -> Kind {
    let (mut kind, mut exact) = (None, true);
    for value in values {
        exact &= !matches!(value, Value::Integer(value) if !is_double(*value));
        let next = match value {
            Value::Null => continue,
            Value::Integer(_) => Kind::BIG,
            Value::Real(_) => Kind::DOUBLE,
            Value::Text(_) => Kind::TEXT,
            Value::RawText(_) | Value::Blob(_) => Kind::BLOB,
        };
        kind = Some(match kind {
            None => next,
            Some(kind) if kind == next => kind,
            Some(kind) if [kind, next].contains(&Kind::BLOB) => Kind::BLOB,
            Some(kind) if [kind, next].contains(&Kind::TEXT) => Kind::TEXT,
            Some(_) => Kind::DOUBLE,
        });
    }
    // Text is exact where a double is not.
    kind.filter(|kind| exact || *kind != Kind::DOUBLE).unwrap_or(Kind::TEXT)
}

/// Whether a double is the same number.
fn is_double(value: i64) -> bool {
    value.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS
}

fn fits(kind: Kind, value: &Value) -> bool {
    match (value, kind.code) {
        (Value::Null, _) => true,
        (Value::Integer(value), code) => match code {
            Type::Tiny => range(*value, 8, kind.unsigned),
            Type::Short => range(*value, 16, kind.unsigned),
            Type::Long => range(*value, 32, kind.unsigned),
            Type::LongLong => !kind.unsigned || *value >= 0,
            Type::Double => is_double(*value),
            Type::Decimal | Type::Text => true,
            _ => false,
        },
        (Value::Real(_), Type::Double) => true,
        // Without digits behind the point, there may be some that were never cut off.
        (Value::Real(value), Type::Decimal) => kind.decimals > 0 || value.fract() == 0.0,
        (Value::Real(_), _) => false,
        (Value::Text(text), code) => match code {
            Type::Date => date(text).is_some() && text.len() == 10,
            Type::DateTime => {
                let time = clock(text.get(10..).unwrap_or_default());
                date(text).is_some() && time.is_some_and(|time| time.hours < 24)
            }
            Type::Time => clock(text).is_some(),
            code => matches!(code, Type::Text | Type::Json | Type::Blob),
        },
        (Value::RawText(_) | Value::Blob(_), code) => code == Type::Blob,
    }
}

fn range(value: i64, bits: u32, unsigned: bool) -> bool {
    let (low, high) = if unsigned { (0, 1 << bits) } else { (-(1 << (bits - 1)), 1 << (bits - 1)) };
    (low..high).contains(&value)
}

/// A row of the text protocol.
pub(crate) fn text_row(fields: &[Field], row: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, value) in fields.iter().zip(row) {
        match value {
            Value::Null => out.put_u8(0xfb),
            value => put_bytes(&mut out, text(field.kind, value)),
        }
    }
    out
}

/// A row of the binary protocol
/// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>).
pub(crate) fn binary_row(fields: &[Field], row: &[Value]) -> Vec<u8> {
    let mut out = vec![0; 1 + (fields.len() + 9) / 8];
    for (index, (field, value)) in fields.iter().zip(row).enumerate() {
        if *value == Value::Null {
            out[1 + (index + 2) / 8] |= 1 << ((index + 2) % 8);
        } else {
            binary(&mut out, field.kind, value);
        }
    }
    out
}

fn binary(out: &mut Vec<u8>, kind: Kind, value: &Value) {
    let real = || match value {
        Value::Real(real) => *real,
        Value::Integer(integer) => *integer as f64,
        Value::Null | Value::Text(_) | Value::RawText(_) | Value::Blob(_) => 0.0,
    };
    match (kind.code, value) {
        (Type::Tiny, Value::Integer(value)) => out.put_u8(*value as u8),
        (Type::Short, Value::Integer(value)) => out.put_u16_le(*value as u16),
        (Type::Long, Value::Integer(value)) => out.put_u32_le(*value as u32),
        (Type::LongLong, Value::Integer(value)) => out.put_i64_le(*value),
        (Type::Double, _) => out.put_f64_le(real()),
        (Type::Date | Type::DateTime, Value::Text(text)) => put_moment(out, text),
        (Type::Time, Value::Text(text)) => put_time(out, text),
        (_, value) => put_bytes(out, text(kind, value)),
    }
}

/// A value as text.
fn text(kind: Kind, value: &Value) -> Vec<u8> {
    let places = usize::from(kind.decimals);
    match value {
        Value::Null => Vec::new(),
        Value::Integer(value) if kind.code == Type::Decimal && places > 0 => {
            format!("{value}.{:0places$}", 0).into_bytes()
        }
        Value::Integer(value) => value.to_string().into_bytes(),
        Value::Real(value) if kind.code == Type::Decimal => {
            format!("{value:.places$}").into_bytes()
        }
        Value::Real(value) => real(*value).into_bytes(),
        Value::Text(text) => text.clone().into_bytes(),
        Value::RawText(bytes) | Value::Blob(bytes) => bytes.clone(),
    }
}

/// The shortest text that reads as the same number, as MySQL writes it: `1`, `1.5`, `1e300`.
fn real(value: f64) -> String {
    let plain = value == 0.0 || (1e-5..1e15).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(declared: Option<&str>, values: &[Value]) -> Kind {
        let column = Column { name: "a".into(), decl_type: declared.map(Into::into), origin: None };
        let rows = values.iter().map(|value| vec![value.clone()]).collect();
        fields(&ResultSet { columns: vec![column], rows, ..ResultSet::default() })[0].kind
    }

    #[test]
    fn a_declared_type_holds_as_long_as_the_values_do() {
        assert_eq!(kind(Some("INT"), &[1.into(), Value::Null]).code, Type::Long);
        assert_eq!(kind(Some("INT"), &[i64::MAX.into()]).code, Type::LongLong);
        assert_eq!(kind(Some("INT"), &["x".into(), 1.into()]).code, Type::Text);
        assert_eq!(
            kind(Some("DATETIME(6)"), &["2024-02-29 01:02:03.5".into()]).code,
            Type::DateTime
        );
        assert_eq!(kind(Some("DATETIME"), &["yesterday".into()]).code, Type::Text);
        assert_eq!(kind(None, &[1.into(), 1.5.into()]).code, Type::Double);
        assert_eq!(kind(Some("DECIMAL(5,2)"), &[1.5.into()]).code, Type::Decimal);
        assert_eq!(kind(Some("DECIMAL(5,2)"), &["x".into()]).code, Type::Text);
        for odd in ["2024-13-01", "2024-01-99"] {
            assert_eq!(kind(Some("DATE"), &[odd.into()]).code, Type::Text);
        }
        for odd in ["2024-01-01 99:00:00", "2024-01-01 01:60:00", "2024-01-01 01:00:00.1234567"] {
            assert_eq!(kind(Some("DATETIME(6)"), &[odd.into()]).code, Type::Text);
        }
    }

    #[test]
    fn no_type_takes_digits_from_a_number() {
        let big = i64::MAX - 1;
        for values in [[1.5.into(), big.into()], [big.into(), Value::from(1.5)]] {
            assert_eq!(kind(None, &values).code, Type::Text);
            assert_eq!(kind(Some("DOUBLE"), &values).code, Type::Text);
        }
        assert_eq!(kind(Some("FLOAT"), &[123_456_789.125.into()]).code, Type::Double);
        assert_eq!(kind(Some("NUMERIC"), &[1.5.into()]).code, Type::Double);
        assert_eq!(kind(Some("DECIMAL"), &[2.into()]).code, Type::Decimal);
        assert_eq!(kind(None, &[]).code, Type::Text);
    }

    #[test]
    fn numbers_and_times_are_written_as_by_mysql() {
        let price = Kind::declared("DECIMAL(5,2)").unwrap();
        assert_eq!(text(price, &1.5.into()), b"1.50");
        assert_eq!(text(price, &2.into()), b"2.00");
        assert_eq!([real(1.0), real(1e300), real(0.1)], ["1", "1e300", "0.1"]);
        let field = Field {
            name: String::new(),
            table: String::new(),
            kind: Kind::declared("datetime(6)").unwrap(),
        };
        let row = binary_row(&[field], &["2024-02-29 01:02:03.123456".into()]);
        assert_eq!(row, [0, 0, 11, 0xe8, 0x07, 2, 29, 1, 2, 3, 0x40, 0xe2, 1, 0]);
    }
}
