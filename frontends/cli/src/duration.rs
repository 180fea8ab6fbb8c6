//! Durations as Go writes them: `5s`, `1h30m`, `250ms`, `1.5h`.

use std::time::Duration;

/// Reads a duration in the syntax of Go's `time.ParseDuration`. Zero needs no unit; a negative
/// duration and one of more than 584 years are errors.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err("a duration cannot be negative".into());
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let nanos = sum_of_terms(unsigned)
        .ok_or("expected a duration with its unit, such as 5s, 1h30m or 250ms")?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| "the duration is too long".into())
}

/// [`parse`] for what cannot be zero.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("must be longer than 0".into()),
        duration => Ok(duration),
    }
}

/// Nanoseconds of one or more terms like `1.5h`.
fn sum_of_terms(text: &str) -> Option<u128> {
    let (mut sum, mut rest) = leading_term(text)?;
    while !rest.is_empty() {
        let (nanos, after) = leading_term(rest)?;
        sum = sum.checked_add(nanos)?;
        rest = after;
    }
    Some(sum)
}

fn leading_term(text: &str) -> Option<(u128, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(number_end);
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    Some((scaled(number, nanos_of(unit)?)?, after))
}

/// A decimal number times `unit`; what is below a nanosecond is cut off.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(18)];
    let parts = digits(fraction)?.checked_mul(unit)? / 10_u128.pow(fraction.len() as u32);
    digits(whole)?.checked_mul(unit)?.checked_add(parts)
}

fn digits(text: &str) -> Option<u128> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

fn nanos_of(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, nanos) in [
            ("5s", 5_000_000_000),
            ("24h", 86_400_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("250ms", 250_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("3.s", 3_000_000_000),
            ("+1µs2ns", 1_002),
            ("0", 0),
            ("0s", 0),
            ("0.0000000001s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "+", "5", "s", ".s", "1.2.3s", "5 s", "5d", "-5s", "s5", "99999999h", "1e3s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_positive("0s").is_err());
        assert!(parse(&format!("{}h", "9".repeat(60))).is_err());
    }
}
