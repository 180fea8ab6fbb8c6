/// The digits of a binary `numeric`: groups of four decimal digits, the weight of the first
/// group, the sign and the number of digits after the point (`numeric_send` in PostgreSQL's
/// `numeric.c`). `None` for NaN, infinity and what is no numeric.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks(2).map(|pair| Some(i16::from_be_bytes(pair.try_into().ok()?)));
    let mut next = || words.next().flatten();
    let (count, weight, sign, scale) = (next()?, next()?, next()?, next()?);
    let groups: Vec<i16> = (0..count).map(|_| next()).collect::<Option<_>>()?;
    let negative = match sign {
        0 => false,
        0x4000 => true,
        _ => return None,
    };
    if groups.iter().any(|group| !(0..10_000).contains(group)) || !(0..=16_383).contains(&scale) {
        return None;
    }
    let group = |place: i32| {
        let index = usize::try_from(i32::from(weight) - place).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let whole: String =
        (0..=i32::from(weight).max(0)).rev().map(|p| format!("{:04}", group(p))).collect();
    let places = (i32::from(scale) + 3) / 4;
    let mut fraction: String = (1..=places).map(|place| format!("{:04}", group(-place))).collect();
    fraction.truncate(usize::try_from(scale).ok()?);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[i16]) -> Option<String> {
        text(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn digits_are_kept_exactly() {
        assert_eq!(of(&[2, 0, 0, 1, 1, 5000]).as_deref(), Some("1.5"));
        assert_eq!(of(&[2, 1, 0x4000, 0, 12, 3456]).as_deref(), Some("-123456"));
        assert_eq!(of(&[1, 1, 0, 2, 1]).as_deref(), Some("10000.00"));
        assert_eq!(of(&[1, -1, 0, 4, 7]).as_deref(), Some("0.0007"));
        assert_eq!(of(&[0, 0, 0, 0]).as_deref(), Some("0"));
        assert_eq!(of(&[0, 0, -0x4000, 0]), None);
        assert_eq!(of(&[5, 0, 0, 0, 1]), None);
        assert_eq!(text(&[0]), None);
    }
}
