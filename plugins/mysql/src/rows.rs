//! Results: which type a column has, and how its values are sent.

use bytes::BufMut;
use ha_core::{Column, ResultSet, Value};

use crate::wire::types::{Field, Kind, Type};
use crate::wire::{put_bytes, put_int};

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
    let mut kind = None;
    for value in values {
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
    kind.unwrap_or(Kind::TEXT)
}

fn fits(kind: Kind, value: &Value) -> bool {
    match (value, kind.code) {
        (Value::Null, _) => true,
        (Value::Integer(value), code) => match code {
            Type::Tiny => range(*value, 8, kind.unsigned),
            Type::Short => range(*value, 16, kind.unsigned),
            Type::Long => range(*value, 32, kind.unsigned),
            Type::LongLong => !kind.unsigned || *value >= 0,
            Type::Float | Type::Double | Type::Decimal | Type::Text => true,
            _ => false,
        },
        (Value::Real(_), code) => matches!(code, Type::Float | Type::Double | Type::Decimal),
        (Value::Text(text), code) => match code {
            Type::Date => date(text).is_some() && text.len() == 10,
            Type::DateTime => {
                date(text).is_some() && clock(text.get(10..).unwrap_or_default()).is_some()
            }
            Type::Time => clock(text).is_some(),
            code => matches!(code, Type::Text | Type::Json | Type::Blob | Type::Decimal),
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
        (Type::Float, _) => out.put_f32_le(real() as f32),
        (Type::Double, _) => out.put_f64_le(real()),
        (Type::Date | Type::DateTime, Value::Text(text)) => put_moment(out, text),
        (Type::Time, Value::Text(text)) => put_time(out, text),
        (_, value) => put_bytes(out, text(kind, value)),
    }
}

fn put_moment(out: &mut Vec<u8>, text: &str) {
    let (year, month, day) = date(text).unwrap_or_default();
    let time = text.get(10..).and_then(clock);
    put_int(out, if time.is_some() { 11 } else { 4 });
    out.put_u16_le(year);
    out.put_slice(&[month, day]);
    if let Some(time) = time {
        out.put_slice(&[time.hours as u8, time.minutes, time.seconds]);
        out.put_u32_le(time.micros);
    }
}

fn put_time(out: &mut Vec<u8>, text: &str) {
    let time = clock(text).unwrap_or_default();
    put_int(out, 12);
    out.put_u8(u8::from(text.starts_with('-')));
    out.put_u32_le(time.hours / 24);
    out.put_slice(&[(time.hours % 24) as u8, time.minutes, time.seconds]);
    out.put_u32_le(time.micros);
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

fn date(text: &str) -> Option<(u16, u8, u8)> {
    let bytes = text.as_bytes();
    let separated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    let part = |range: std::ops::Range<usize>| text.get(range).filter(|_| separated);
    Some((part(0..4)?.parse().ok()?, part(5..7)?.parse().ok()?, part(8..10)?.parse().ok()?))
}

#[derive(Default)]
struct Clock {
    hours: u32,
    minutes: u8,
    seconds: u8,
    micros: u32,
}

/// `HH:MM:SS[.f]`, maybe after a blank, a T or a sign.
fn clock(text: &str) -> Option<Clock> {
    let text = text.strip_prefix([' ', 'T', '-']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(Clock {
        hours: hours.parse().ok()?,
        minutes: minutes.parse().ok()?,
        seconds: seconds.parse().ok()?,
        micros,
    })
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
