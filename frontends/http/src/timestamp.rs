//! Times as the Go driver of v0.0.7 reads them and RFC 3339 writes them.
//!
//! Source: `SQLiteTimestampFormats` and `SQLiteRows.Next` of
//! <https://github.com/mattn/go-sqlite3/blob/v1.14.32/sqlite3.go>, and `Time.MarshalJSON` of
//! <https://go.dev/src/time/time.go>.

use std::fmt;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// A time that displays in RFC 3339, with as many digits of the second as it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Unix seconds, or milliseconds beyond 10¹²; `None` outside the years 0 to 9999.
    pub(crate) fn from_unix(value: i64) -> Option<Self> {
        let unit = if value.unsigned_abs() > 1_000_000_000_000 { 1_000_000 } else { 1_000_000_000 };
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(value) * unit).ok()?;
        (time.year() >= 0).then_some(Self(time))
    }

    /// A date, which hours and minutes, seconds, a fraction and an offset may follow in this
    /// order.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut input = Input(text.strip_suffix('Z').unwrap_or(text).as_bytes());
        let date = input.date()?;
        let (time, offset) = if input.0.is_empty() {
            (Time::MIDNIGHT, UtcOffset::UTC)
        } else {
            input.one_of(b" T")?;
            input.time()?
        };
        let whole = PrimitiveDateTime::new(date, time).assume_offset(offset);
        input.0.is_empty().then_some(Self(whole))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0;
        write!(f, "{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())?;
        write!(f, "T{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())?;
        if time.nanosecond() > 0 {
            let digits = format!("{:09}", time.nanosecond());
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if time.offset().is_utc() {
            return f.write_str("Z");
        }
        let (hours, minutes, _) = time.offset().as_hms();
        let sign = if time.offset().is_negative() { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn date(&mut self) -> Option<Date> {
        let year = self.number(4)?;
        self.one_of(b"-")?;
        let month = self.number(2)?;
        self.one_of(b"-")?;
        let day = self.number(2)?;
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()
    }

    /// The hour may have one digit; a fraction and an offset follow a second only.
    fn time(&mut self) -> Option<(Time, UtcOffset)> {
        let hour = self.number(2).or_else(|| self.number(1))?;
        self.one_of(b":")?;
        let minute = self.number(2)?;
        let (mut second, mut nanos, mut offset) = (0, 0, UtcOffset::UTC);
        if self.one_of(b":").is_some() {
            second = self.number(2)?;
            nanos = self.fraction();
            offset = self.offset()?;
        }
        let part = |value: u32| u8::try_from(value).ok();
        Some((Time::from_hms_nano(part(hour)?, part(minute)?, part(second)?, nanos).ok()?, offset))
    }

    /// Nanoseconds; digits beyond the ninth are dropped.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', digits @ ..] = self.0 else { return 0 };
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return 0;
        }
        let padded = digits[..length].iter().copied().chain(std::iter::repeat(b'0'));
        self.0 = &digits[length..];
        padded.take(9).fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'))
    }

    /// UTC if nothing is left.
    fn offset(&mut self) -> Option<UtcOffset> {
        if self.0.is_empty() {
            return Some(UtcOffset::UTC);
        }
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = i8::try_from(self.number(2)?).ok().filter(|hours| *hours < 24)?;
        self.one_of(b":")?;
        let minutes = i8::try_from(self.number(2)?).ok().filter(|minutes| *minutes < 60)?;
        UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let number = std::str::from_utf8(head).ok().filter(|_| head.iter().all(u8::is_ascii_digit));
        let number = number?.parse().ok()?;
        self.0 = rest;
        Some(number)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = bytes.contains(first).then_some(rest)?;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go made of each text with the formats of the driver.
    #[test]
    fn text_is_read_as_the_go_driver_reads_it() {
        let cases = [
            ("2024-01-02 03:04:05", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            ("2024-01-02Z", "2024-01-02T00:00:00Z"),
            ("2024-01-02 03:04", "2024-01-02T03:04:00Z"),
            ("2024-01-02T03:04:05.120", "2024-01-02T03:04:05.12Z"),
            ("2024-01-02 03:04:05,5", "2024-01-02T03:04:05.5Z"),
            ("2024-01-02 03:04:05.1234567899", "2024-01-02T03:04:05.123456789Z"),
            ("2024-01-02 03:04:05+02:00", "2024-01-02T03:04:05+02:00"),
            ("2024-01-02 03:04:05+02:00Z", "2024-01-02T03:04:05+02:00"),
            ("2024-01-02 03:04:05.5-09:30", "2024-01-02T03:04:05.5-09:30"),
            ("2024-01-02T03:04:05+00:00", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05-00:00", "2024-01-02T03:04:05Z"),
            ("2024-01-02 3:04:05", "2024-01-02T03:04:05Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("0000-01-01", "0000-01-01T00:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Timestamp::parse(text).map(|time| time.to_string()).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn text_that_go_refuses_is_no_time() {
        for text in [
            "2023-02-29",
            "2024-1-2",
            "2024-01-02 25:00",
            "2024-01-02 03:04:60",
            "today",
            "",
            "2024-01-02 03:04:05 +02:00",
            "2024-01-02 03:04+02:00",
            "2024-01-02 03:04:05.",
            "2024-01-02T03:04:05+24:00",
            "2024-01-02 03",
            "2024-01-02T03:04.5",
            "2024-01-02 ",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn integers_are_seconds_or_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (1_000_000_000_001, "2001-09-09T01:46:40.001Z"),
            (-1_000_000_000_001, "1938-04-24T22:13:19.999Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ];
        for (value, expected) in cases {
            assert_eq!(Timestamp::from_unix(value).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn years_that_rfc_3339_has_no_digits_for_are_no_times() {
        assert_eq!(Timestamp::from_unix(i64::MAX), None);
        assert_eq!(Timestamp::from_unix(1_000_000_000_000), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_time_that_reads_back_or_none(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{0,12})?([+-][0-9]{2}:[0-9]{2})?)?)?Z?|.{0,24}"
        ) {
            if let Some(time) = Timestamp::parse(&text) {
                assert_eq!(Timestamp::parse(&time.to_string()).map(|time| time.to_string()), Some(time.to_string()));
            }
        }
    }
}
