use ha_core::Value;
use pgwire::api::Type;

use super::{Format, calendar, numeric};
use crate::error::{Failure, Outcome};

/// The value that a parameter of this type is bound to. Types that SQLite does not have become
/// the text that PostgreSQL writes for them.
pub(crate) fn decode(bytes: Option<&[u8]>, ty: &Type, format: Format) -> Outcome<Value> {
    match (bytes, format) {
        (None, _) => Ok(Value::Null),
        (Some(bytes), Format::Text) => from_text(bytes, ty),
        (Some(bytes), Format::Binary) => from_binary(bytes, ty),
    }
}

fn from_text(bytes: &[u8], ty: &Type) -> Outcome<Value> {
    let text = utf8(bytes)?;
    match *ty {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => integer(text, ty),
        Type::FLOAT4 | Type::FLOAT8 => stored(text.trim().parse().map_err(|_| invalid(ty, text))?),
        Type::BOOL => {
            let truth = super::truth(text).ok_or_else(|| invalid(ty, text))?;
            Ok(Value::Integer(truth.into()))
        }
        Type::BYTEA => bytea(text).map(Value::Blob).ok_or_else(|| invalid(ty, text)),
        _ => Ok(text.into()),
    }
}

fn integer(text: &str, ty: &Type) -> Outcome<Value> {
    let number: i128 = text.trim().parse().map_err(|_| invalid(ty, text))?;
    let (least, most) = match *ty {
        Type::INT2 => (i16::MIN.into(), i16::MAX.into()),
        Type::INT4 => (i32::MIN.into(), i32::MAX.into()),
        Type::OID => (0, u32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    i64::try_from(number).ok().filter(|number| (least..=most).contains(number)).map_or_else(
        || {
            let name = ty.name();
            Err(Failure::error(
                "22003",
                format!("value \"{text}\" is out of range for type {name}"),
            ))
        },
        |number| Ok(Value::Integer(number)),
    )
}

/// `\x…` or the older escape form.
fn bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return hex::decode(digits).ok();
    }
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (rest, _) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (after, result.push(b'\\')),
            (b'\\', [a, b, c, after @ ..]) => (after, result.push(octal([*a, *b, *c])?)),
            (b'\\', _) => return None,
            (byte, after) => (after, result.push(*byte)),
        };
    }
    Some(result)
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

fn from_binary(bytes: &[u8], ty: &Type) -> Outcome<Value> {
    match *ty {
        Type::INT2 => Ok(i64::from(i16::from_be_bytes(exact(bytes, ty)?)).into()),
        Type::INT4 => Ok(i64::from(i32::from_be_bytes(exact(bytes, ty)?)).into()),
        Type::INT8 => Ok(i64::from_be_bytes(exact(bytes, ty)?).into()),
        Type::OID => Ok(i64::from(u32::from_be_bytes(exact(bytes, ty)?)).into()),
        Type::FLOAT4 => stored(f32::from_be_bytes(exact(bytes, ty)?).into()),
        Type::FLOAT8 => stored(f64::from_be_bytes(exact(bytes, ty)?)),
        Type::BOOL => Ok(i64::from(exact::<1>(bytes, ty)? != [0]).into()),
        Type::BYTEA => Ok(bytes.to_vec().into()),
        Type::JSONB => match bytes {
            [1, json @ ..] => Ok(utf8(json)?.into()),
            _ => Err(malformed(ty)),
        },
        Type::UUID => Ok(uuid(u128::from_be_bytes(exact(bytes, ty)?)).into()),
        Type::NUMERIC => numeric::text(bytes).map(Value::from).ok_or_else(|| malformed(ty)),
        Type::DATE => some(calendar::date(i32::from_be_bytes(exact(bytes, ty)?)), ty),
        Type::TIME => some(calendar::time(i64::from_be_bytes(exact(bytes, ty)?)), ty),
        Type::TIMESTAMP => some(calendar::timestamp(i64::from_be_bytes(exact(bytes, ty)?)), ty),
        Type::TIMESTAMPTZ => some(
            calendar::timestamp(i64::from_be_bytes(exact(bytes, ty)?)).map(|text| text + "+00"),
            ty,
        ),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
            Ok(utf8(bytes)?.into())
        }
        _ => Err(Failure::unsupported(format!(
            "binary values of type {} are not supported",
            ty.name()
        ))),
    }
}

fn exact<const N: usize>(bytes: &[u8], ty: &Type) -> Outcome<[u8; N]> {
    bytes.try_into().map_err(|_| malformed(ty))
}

fn some(text: Option<String>, ty: &Type) -> Outcome<Value> {
    let name = ty.name();
    text.map(Value::from)
        .ok_or_else(|| Failure::error("22008", format!("a {name} out of range cannot be stored")))
}

/// SQLite has no NaN: it would store NULL.
fn stored(real: f64) -> Outcome<Value> {
    if real.is_nan() {
        return Err(Failure::unsupported("NaN cannot be stored"));
    }
    Ok(real.into())
}

fn utf8(bytes: &[u8]) -> Outcome<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Failure::error("22021", "invalid byte sequence for encoding \"UTF8\""))
}

fn uuid(value: u128) -> String {
    let digits = format!("{value:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

fn invalid(ty: &Type, text: &str) -> Failure {
    let name = match *ty {
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::BOOL => "boolean",
        _ => ty.name(),
    };
    Failure::error("22P02", format!("invalid input syntax for type {name}: \"{text}\""))
}

fn malformed(ty: &Type) -> Failure {
    Failure::error("22P03", format!("incorrect binary data format for type {}", ty.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], ty: &Type, format: Format) -> Result<Value, String> {
        decode(Some(bytes), ty, format).map_err(|failure| match failure {
            Failure::Report(info) => info.code,
            Failure::Gone => panic!("a report is expected"),
        })
    }

    #[test]
    fn text_is_checked_by_its_type() {
        let text = |text: &str, ty| read(text.as_bytes(), &ty, Format::Text);
        assert_eq!(text(" 42 ", Type::INT4), Ok(42.into()));
        assert_eq!(text("2147483648", Type::INT4), Err("22003".into()));
        assert_eq!(text("99999999999999999999", Type::INT8), Err("22003".into()));
        assert_eq!(text("x", Type::INT8), Err("22P02".into()));
        assert_eq!(text("TRUE", Type::BOOL), Ok(1.into()));
        assert_eq!(text("1e400", Type::FLOAT8), Ok(f64::INFINITY.into()));
        assert_eq!(text("NaN", Type::FLOAT8), Err("0A000".into()));
        assert_eq!(text(r"\x00ff", Type::BYTEA), Ok(vec![0, 255].into()));
        assert_eq!(text(r"a\\\001", Type::BYTEA), Ok(b"a\\\x01".to_vec().into()));
        assert_eq!(text(r"\9", Type::BYTEA), Err("22P02".into()));
        assert_eq!(read(&[0xff], &Type::TEXT, Format::Text), Err("22021".into()));
    }

    #[test]
    fn binary_has_the_width_of_its_type() {
        let binary = |bytes: &[u8], ty| read(bytes, &ty, Format::Binary);
        assert_eq!(binary(&[0, 5], Type::INT2), Ok(5.into()));
        assert_eq!(binary(&[0, 5], Type::INT4), Err("22P03".into()));
        assert_eq!(binary(&1.5_f64.to_be_bytes(), Type::FLOAT8), Ok(1.5.into()));
        assert_eq!(binary(b"\x01{}", Type::JSONB), Ok("{}".into()));
        assert_eq!(binary(&[0; 16], Type::UUID), Ok("00000000-0000-0000-0000-000000000000".into()));
        assert_eq!(binary(&9_823_i32.to_be_bytes(), Type::DATE), Ok("2026-11-23".into()));
        assert_eq!(binary(&[0; 8], Type::TIMESTAMPTZ), Ok("2000-01-01 00:00:00+00".into()));
        assert_eq!(binary(&[0; 4], Type::INT4_ARRAY), Err("0A000".into()));
    }
}
