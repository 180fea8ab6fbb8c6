//! Days and times in the binary protocol
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>).

use bytes::BufMut;

use super::put_int;

/// A day, or a day and a time.
pub(crate) fn put_moment(out: &mut Vec<u8>, text: &str) {
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

/// A time, or how long something takes.
pub(crate) fn put_time(out: &mut Vec<u8>, text: &str) {
    let time = clock(text).unwrap_or_default();
    put_int(out, 12);
    out.put_u8(u8::from(text.starts_with('-')));
    out.put_u32_le(time.hours / 24);
    out.put_slice(&[(time.hours % 24) as u8, time.minutes, time.seconds]);
    out.put_u32_le(time.micros);
}

/// `YYYY-MM-DD` in front of a text: year, month, day.
pub(crate) fn date(text: &str) -> Option<(u16, u8, u8)> {
    let bytes = text.as_bytes();
    let separated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    let part = |range: std::ops::Range<usize>| text.get(range).filter(|_| separated);
    let (year, month, day) =
        (part(0..4)?.parse().ok()?, part(5..7)?.parse().ok()?, part(8..10)?.parse().ok()?);
    (month <= 12 && day <= 31).then_some((year, month, day))
}

/// What a clock shows, or more hours than that.
#[derive(Default)]
pub(crate) struct Clock {
    pub(crate) hours: u32,
    minutes: u8,
    seconds: u8,
    micros: u32,
}

/// `HH:MM:SS[.f]`, maybe after a blank, a T or a sign.
pub(crate) fn clock(text: &str) -> Option<Clock> {
    let text = text.strip_prefix([' ', 'T', '-']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = fraction.len() <= 6 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !digits {
        return None;
    }
    let micros = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let (minutes, seconds) = (minutes.parse().ok()?, seconds.parse().ok()?);
    let hours = hours.parse().ok()?;
    (minutes < 60 && seconds < 60).then_some(Clock { hours, minutes, seconds, micros })
}
