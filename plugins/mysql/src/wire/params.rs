//! The values of a prepared statement's parameters:
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html>.

use ha_core::Value;

use super::Reader;
use crate::error::{Failure, Outcome};

/// A parameter's type and whether it is unsigned.
pub(crate) type ParamType = (u8, bool);

/// Reads what follows the iteration count of COM_STMT_EXECUTE. `types` are those of the last
/// execution, used unless the client sends new ones; `long` are values that came ahead.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    count: usize,
    types: &mut Vec<ParamType>,
    long: &[Option<Vec<u8>>],
) -> Outcome<Vec<Value>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let nulls = reader.take(count.div_ceil(8))?;
    if reader.byte()? == 1 {
        *types = (0..count)
            .map(|_| Ok((reader.byte()?, reader.byte()? & 0x80 != 0)))
            .collect::<Outcome<_>>()?;
    }
    if types.len() != count {
        return Err(Failure::protocol("parameters without types"));
    }
    let mut value = |index: usize| {
        let (code, unsigned) = types[index];
        match long.get(index) {
            Some(Some(bytes)) => Ok(string(code, bytes)),
            _ if nulls[index / 8] & (1 << (index % 8)) != 0 => Ok(Value::Null),
            _ => one(reader, code, unsigned),
        }
    };
    (0..count).map(&mut value).collect()
}

fn one(reader: &mut Reader<'_>, code: u8, unsigned: bool) -> Outcome<Value> {
    Ok(match code {
        1 => integer(reader, 1, unsigned)?,
        2 | 13 => integer(reader, 2, unsigned)?,
        3 | 9 => integer(reader, 4, unsigned)?,
        8 => integer(reader, 8, unsigned)?,
        4 => {
            let bits = reader.int(4)? as u32;
            Value::Real(f64::from(f32::from_bits(bits)))
        }
        5 => Value::Real(f64::from_bits(reader.int(8)?)),
        6 => Value::Null,
        7 | 10 | 12 => moment(reader, code == 10)?,
        11 => duration(reader)?,
        _ => string(code, reader.bytes()?),
    })
}

fn integer(reader: &mut Reader<'_>, bytes: usize, unsigned: bool) -> Outcome<Value> {
    let raw = reader.int(bytes)?;
    let shift = 64 - 8 * bytes as u32;
    match unsigned {
        false => Ok(Value::Integer(((raw << shift) as i64) >> shift)),
        true => i64::try_from(raw).map(Value::Integer).map_err(|_| {
            Failure::new(1264, "22003", format!("Out of range value {raw} for a parameter"))
        }),
    }
}

/// Clients do not tell text and bytes apart by type, unless they say BLOB: what is UTF-8 is text.
fn string(code: u8, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if !(249..=252).contains(&code) => Value::Text(text.to_owned()),
        _ => Value::Blob(bytes.to_vec()),
    }
}

fn moment(reader: &mut Reader<'_>, date: bool) -> Outcome<Value> {
    let mut rest = Reader(reader.bytes()?);
    if rest.0.is_empty() {
        return Ok(Value::Text(if date { "0000-00-00" } else { "0000-00-00 00:00:00" }.into()));
    }
    let (year, month, day) = (rest.int(2)?, rest.byte()?, rest.byte()?);
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    if !date {
        let clock = if rest.0.is_empty() { "00:00:00".into() } else { clock(&mut rest, 0)? };
        text = format!("{text} {clock}");
    }
    Ok(Value::Text(text))
}

fn duration(reader: &mut Reader<'_>) -> Outcome<Value> {
    let mut rest = Reader(reader.bytes()?);
    if rest.0.is_empty() {
        return Ok(Value::Text("00:00:00".into()));
    }
    let sign = if rest.byte()? == 1 { "-" } else { "" };
    let days = rest.int(4)?;
    Ok(Value::Text(format!("{sign}{}", clock(&mut rest, days * 24)?)))
}

fn clock(rest: &mut Reader<'_>, more_hours: u64) -> Outcome<String> {
    let (hours, minutes, seconds) = (rest.byte()?, rest.byte()?, rest.byte()?);
    let text = format!("{:02}:{minutes:02}:{seconds:02}", u64::from(hours) + more_hours);
    if rest.0.is_empty() {
        return Ok(text);
    }
    Ok(format!("{text}.{:06}", rest.int(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(code: u8, unsigned: u8, bytes: &[u8]) -> Outcome<Value> {
        let packet = [&[0, 1, code, unsigned][..], bytes].concat();
        let values = read(&mut Reader(&packet), 1, &mut Vec::new(), &[])?;
        Ok(values.into_iter().next().unwrap())
    }

    #[test]
    fn values_are_exact() {
        let most = i64::MIN.to_le_bytes();
        assert_eq!(read_one(8, 0, &most).unwrap(), Value::Integer(i64::MIN));
        assert!(read_one(8, 0x80, &u64::MAX.to_le_bytes()).is_err());
        assert_eq!(read_one(1, 0, &[0xff]).unwrap(), Value::Integer(-1));
        assert_eq!(read_one(1, 0x80, &[0xff]).unwrap(), Value::Integer(255));
        assert_eq!(read_one(253, 0, &[2, 0xff, 0]).unwrap(), Value::Blob(vec![0xff, 0]));
        assert_eq!(read_one(252, 0, b"\x01a").unwrap(), Value::Blob(b"a".to_vec()));
        assert_eq!(read_one(253, 0, b"\x01a").unwrap(), Value::from("a"));
    }

    #[test]
    fn times_become_text_and_short_packets_are_refused() {
        let bytes = [11, 0xe8, 0x07, 2, 29, 1, 2, 3, 0x40, 0xe2, 1, 0];
        assert_eq!(read_one(12, 0, &bytes).unwrap(), "2024-02-29 01:02:03.123456".into());
        let bytes = [8, 1, 1, 0, 0, 0, 2, 3, 4];
        assert_eq!(read_one(11, 0, &bytes).unwrap(), "-26:03:04".into());
        assert!(read_one(12, 0, &[11, 1]).is_err());
        assert!(read(&mut Reader(&[0, 0]), 1, &mut Vec::new(), &[]).is_err());
    }
}
