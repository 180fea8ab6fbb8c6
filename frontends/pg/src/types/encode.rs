use bytes::{BufMut, BytesMut};
use ha_core::Value;
use pgwire::api::Type;

use crate::error::{Failure, Outcome};

/// How a value is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As text.
    Text,
    /// In the type's binary form.
    Binary,
}

impl Format {
    /// From its code in the protocol.
    pub(crate) fn of_code(code: i16) -> Outcome<Self> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            code => Err(Failure::error("22023", format!("invalid format code: {code}"))),
        }
    }

    /// Its code in the protocol.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// Appends a field of a DataRow: its length and the value in the type's form. SQLite's values
/// have any type in any column: what cannot be converted without loss is an error that names
/// the column.
pub(crate) fn encode(
    value: &Value,
    ty: &Type,
    format: Format,
    column: &str,
    out: &mut BytesMut,
) -> Outcome<()> {
    if *value == Value::Null {
        out.put_i32(-1);
        return Ok(());
    }
    let start = out.len();
    out.put_i32(0);
    match format {
        Format::Text => put_text(value, ty, out),
        Format::Binary => put_binary(value, ty, out),
    }
    .map_err(|misfit| misfit.in_column(value, ty, column))?;
    let length = i32::try_from(out.len() - start - 4)
        .map_err(|_| Failure::error("54000", format!("the value of \"{column}\" is too long")))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Whether the value can be sent as this type.
pub(crate) fn fits(value: &Value, ty: &Type) -> bool {
    *value == Value::Null || put_text(value, ty, &mut BytesMut::new()).is_ok()
}

/// Why a value cannot be sent.
enum Misfit {
    Type,
    Range,
    Encoding,
}

impl Misfit {
    fn in_column(self, value: &Value, ty: &Type, column: &str) -> Failure {
        let kind = match value {
            Value::Null => "NULL",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a real",
            Value::Text(_) | Value::RawText(_) => "text",
            Value::Blob(_) => "a blob",
        };
        let name = ty.name();
        match self {
            Self::Type => Failure::error(
                "22P02",
                format!("column \"{column}\" holds {kind}, which is no {name}"),
            ),
            Self::Range => Failure::error(
                "22003",
                format!("the value of column \"{column}\" is out of range for {name}"),
            ),
            Self::Encoding => {
                Failure::error("22021", format!("column \"{column}\" holds text that is not UTF-8"))
            }
        }
    }
}

fn put_text(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<(), Misfit> {
    match *ty {
        Type::BOOL => out.put_u8(if boolean(value)? { b't' } else { b'f' }),
        Type::INT2 => out.put_slice(integer::<i16>(value)?.to_string().as_bytes()),
        Type::INT4 => out.put_slice(integer::<i32>(value)?.to_string().as_bytes()),
        Type::INT8 => out.put_slice(integer::<i64>(value)?.to_string().as_bytes()),
        Type::FLOAT8 | Type::FLOAT4 => out.put_slice(real_text(real(value)?).as_bytes()),
        Type::BYTEA => out.put_slice(bytea_text(bytes(value)?).as_bytes()),
        _ => out.put_slice(text(value)?.as_bytes()),
    }
    Ok(())
}

fn put_binary(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<(), Misfit> {
    match *ty {
        Type::BOOL => out.put_u8(boolean(value)?.into()),
        Type::INT2 => out.put_i16(integer(value)?),
        Type::INT4 => out.put_i32(integer(value)?),
        Type::INT8 => out.put_i64(integer(value)?),
        #[expect(clippy::cast_possible_truncation, reason = "the client asked for the short type")]
        Type::FLOAT4 => out.put_f32(real(value)? as f32),
        Type::FLOAT8 => out.put_f64(real(value)?),
        Type::BYTEA => out.put_slice(bytes(value)?),
        _ => out.put_slice(text(value)?.as_bytes()),
    }
    Ok(())
}

fn integer<T: TryFrom<i64>>(value: &Value) -> Result<T, Misfit> {
    let integer = match value {
        Value::Integer(integer) => *integer,
        Value::Real(real) => exact(*real).ok_or(Misfit::Type)?,
        Value::Text(text) => text.trim().parse().map_err(|_| Misfit::Type)?,
        _ => return Err(Misfit::Type),
    };
    integer.try_into().map_err(|_| Misfit::Range)
}

/// The integer that a real is, if it is one.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked")]
fn exact(real: f64) -> Option<i64> {
    let limit = (1_i64 << 53) as f64;
    (real.fract() == 0.0 && real.abs() <= limit).then_some(real as i64)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "checked")]
fn real(value: &Value) -> Result<f64, Misfit> {
    match value {
        Value::Real(real) => Ok(*real),
        Value::Integer(integer) if (*integer as f64) as i128 == i128::from(*integer) => {
            Ok(*integer as f64)
        }
        Value::Integer(_) => Err(Misfit::Range),
        Value::Text(text) => text.trim().parse().map_err(|_| Misfit::Type),
        _ => Err(Misfit::Type),
    }
}

fn boolean(value: &Value) -> Result<bool, Misfit> {
    match value {
        Value::Integer(0) => Ok(false),
        Value::Integer(1) => Ok(true),
        Value::Text(text) => super::truth(text).ok_or(Misfit::Type),
        _ => Err(Misfit::Type),
    }
}

fn bytes(value: &Value) -> Result<&[u8], Misfit> {
    match value {
        Value::Blob(bytes) | Value::RawText(bytes) => Ok(bytes),
        Value::Text(text) => Ok(text.as_bytes()),
        _ => Err(Misfit::Type),
    }
}

fn text(value: &Value) -> Result<String, Misfit> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(integer) => Ok(integer.to_string()),
        Value::Real(real) => Ok(real_text(*real)),
        Value::Blob(bytes) => Ok(bytea_text(bytes)),
        Value::RawText(_) => Err(Misfit::Encoding),
        Value::Null => Ok(String::new()),
    }
}

fn bytea_text(bytes: &[u8]) -> String {
    format!("\\x{}", hex::encode(bytes))
}

/// The shortest digits that give the number back, with an exponent where PostgreSQL has one:
/// below 1e-4 and from 1e15 on.
fn real_text(real: f64) -> String {
    if real.is_infinite() {
        return if real > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if real.is_nan() {
        return "NaN".to_owned();
    }
    let scientific = format!("{real:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if real == 0.0 || (-4..15).contains(&exponent) {
        return format!("{real}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &Value, ty: &Type, format: Format) -> Result<Vec<u8>, String> {
        let mut out = BytesMut::new();
        match encode(value, ty, format, "c", &mut out) {
            Ok(()) => Ok(out[4..].to_vec()),
            Err(Failure::Report(info)) => Err(info.code),
            Err(Failure::Gone) => panic!("a report is expected"),
        }
    }

    #[test]
    fn reals_are_written_as_postgresql_writes_them() {
        let cases = [
            (1.0, "1"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1.25e-5, "1.25e-05"),
            (f64::INFINITY, "Infinity"),
        ];
        for (real, text) in cases {
            assert_eq!(real_text(real), text);
        }
    }

    #[test]
    fn values_are_converted_only_without_loss() {
        let binary = |value: Value, ty| sent(&value, &ty, Format::Binary);
        assert_eq!(binary(7.into(), Type::INT4), Ok(vec![0, 0, 0, 7]));
        assert_eq!(binary("7".into(), Type::INT2), Ok(vec![0, 7]));
        assert_eq!(binary(2.0.into(), Type::INT8), Ok(vec![0, 0, 0, 0, 0, 0, 0, 2]));
        assert_eq!(binary(2.5.into(), Type::INT8), Err("22P02".into()));
        assert_eq!(binary((1_i64 << 31).into(), Type::INT4), Err("22003".into()));
        assert_eq!(binary(((1_i64 << 53) + 1).into(), Type::FLOAT8), Err("22003".into()));
        assert_eq!(binary(1.into(), Type::BOOL), Ok(vec![1]));
        assert_eq!(binary(2.into(), Type::BOOL), Err("22P02".into()));
        assert_eq!(binary("x".into(), Type::INT8), Err("22P02".into()));
        assert_eq!(binary(5.into(), Type::TEXT), Ok(b"5".to_vec()));
        assert_eq!(binary(Value::RawText(vec![0xff]), Type::TEXT), Err("22021".into()));
    }

    #[test]
    fn null_and_blobs_are_what_they_are() {
        let mut out = BytesMut::new();
        encode(&Value::Null, &Type::INT8, Format::Binary, "c", &mut out).unwrap_or_default();
        assert_eq!(&out[..], (-1_i32).to_be_bytes());
        let blob = || Value::Blob(vec![0, 255]);
        assert_eq!(sent(&blob(), &Type::BYTEA, Format::Text), Ok(br"\x00ff".to_vec()));
        assert_eq!(sent(&blob(), &Type::BYTEA, Format::Binary), Ok(vec![0, 255]));
    }
}
