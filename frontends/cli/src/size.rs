//! Sizes in bytes: `4096`, `64k`, `8MiB`.

/// Reads a size. The units `k`, `m` and `g`, with or without `iB` and in any case, are powers
/// of 1024. `kB`, `MB` and `GB` are refused: they mean 1000 to some and 1024 to others.
pub fn parse(text: &str) -> Result<usize, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(expected()),
    };
    let count: usize = number.parse().map_err(|_| expected())?;
    count.checked_mul(1 << shift).ok_or_else(|| "the size is too large".into())
}

/// [`parse`] for what cannot be zero.
pub fn parse_positive(text: &str) -> Result<usize, String> {
    match parse(text)? {
        0 => Err("must be at least 1".into()),
        size => Ok(size),
    }
}

fn expected() -> String {
    "expected a size such as 4096, 64k or 8MiB".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("7b", 7),
            ("64k", 65_536),
            ("8MiB", 8 << 20),
            ("8 mib", 8 << 20),
            ("2G", 2 << 30),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn unclear_sizes_are_refused() {
        for text in ["", "k", "8MB", "1.5m", "-1", "8 MiB x", "99999999999g"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_positive("0k").is_err());
    }
}
