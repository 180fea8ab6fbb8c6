use time::{Date, Duration, Month, PrimitiveDateTime, Time};

/// The date that is this many days after 2000-01-01; `None` beyond the year 9999, which
/// SQLite's date functions do not know either, and for infinity.
pub(super) fn date(days: i32) -> Option<String> {
    let date = epoch()?.checked_add(Duration::days(days.into()))?;
    written(date)
}

/// The time of day that is this many microseconds after midnight.
pub(super) fn time(microseconds: i64) -> Option<String> {
    let time = Duration::microseconds(microseconds);
    let in_day = (Duration::ZERO..Duration::DAY).contains(&time);
    in_day.then(|| clock(Time::MIDNIGHT + time))
}

/// Date and time of day, this many microseconds after 2000-01-01.
pub(super) fn timestamp(microseconds: i64) -> Option<String> {
    let start = PrimitiveDateTime::new(epoch()?, Time::MIDNIGHT);
    let moment = start.checked_add(Duration::microseconds(microseconds))?;
    Some(format!("{} {}", written(moment.date())?, clock(moment.time())))
}

fn epoch() -> Option<Date> {
    Date::from_calendar_date(2000, Month::January, 1).ok()
}

fn written(date: Date) -> Option<String> {
    let (year, month, day) = date.to_calendar_date();
    (year > 0).then(|| format!("{year:04}-{:02}-{day:02}", u8::from(month)))
}

/// Fractions of a second only as far as there are any, as PostgreSQL writes them.
fn clock(time: Time) -> String {
    let (hour, minute, second, micro) = time.as_hms_micro();
    let seconds = format!("{hour:02}:{minute:02}:{second:02}");
    match micro {
        0 => seconds,
        micro => format!("{seconds}.{micro:06}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_iso() {
        assert_eq!(date(0).as_deref(), Some("2000-01-01"));
        assert_eq!(date(-1).as_deref(), Some("1999-12-31"));
        assert_eq!(date(i32::MAX), None);
        assert_eq!(time(3_600_000_001).as_deref(), Some("01:00:00.000001"));
        assert_eq!(time(-1), None);
        assert_eq!(timestamp(1_500_000).as_deref(), Some("2000-01-01 00:00:01.5"));
        assert_eq!(timestamp(i64::MAX), None);
    }
}
