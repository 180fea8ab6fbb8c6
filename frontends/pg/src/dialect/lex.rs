use std::ops::Range;

use ha_core::sql::{count, quoted};

/// What a piece of SQL text is, in PostgreSQL's lexical structure
/// (<https://www.postgresql.org/docs/15/sql-syntax-lexical.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space and comments.
    Blank,
    /// A key word or a plain name.
    Word,
    /// A name in double quotes.
    Quoted,
    /// `'…'`.
    Text,
    /// `E'…'` with backslash escapes.
    Escaped,
    /// `$tag$…$tag$`.
    Dollar,
    /// `x'…'`, a blob in SQLite.
    Hex,
    /// A number without a fraction or exponent.
    Integer,
    /// Any other number.
    Decimal,
    /// `$n`, or `?n` after the translation.
    Param(u16),
    /// `::`.
    Cast,
    /// One or more characters of an operator, or one of punctuation.
    Symbol,
}

/// A piece of SQL text.
#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// As it was written.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

impl Token<'_> {
    /// Whether it is this key word.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is one of these key words.
    pub(crate) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether it is this operator or punctuation.
    pub(crate) fn symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Whether it can name a table or column.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }

    /// The name it stands for, without quotes.
    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Quoted => inner(self.text).replace("\"\"", "\""),
            _ => self.text.to_ascii_lowercase(),
        }
    }
}

/// Takes SQL text apart. The tokens' texts side by side are the text again.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let (kind, range) = next(sql, at);
        at = range.end;
        tokens.push(Token { kind, text: &sql[range.clone()], at: range.start });
    }
    tokens
}

/// The tokens that mean something.
pub(crate) fn words<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    tokens.iter().filter(|token| token.kind != Kind::Blank).cloned().collect()
}

/// A string or name without its quotes; all of it if the closing one is missing.
pub(crate) fn inner(text: &str) -> &str {
    let text = text.get(1..).unwrap_or_default();
    text.strip_suffix(['\'', '"']).unwrap_or(text)
}

fn next(sql: &str, at: usize) -> (Kind, Range<usize>) {
    let bytes = &sql.as_bytes()[at..];
    let second = bytes.get(1).copied().unwrap_or_default();
    let (kind, length) = match bytes[0] {
        b'-' if second == b'-' => (Kind::Blank, count(bytes, |b| b != b'\n')),
        b'/' if second == b'*' => (Kind::Blank, comment(bytes)),
        byte if byte.is_ascii_whitespace() => {
            (Kind::Blank, count(bytes, |b| b.is_ascii_whitespace()))
        }
        b'\'' => (Kind::Text, quoted(bytes, b'\'', false)),
        b'"' => (Kind::Quoted, quoted(bytes, b'"', false)),
        b'e' | b'E' if second == b'\'' => (Kind::Escaped, 1 + quoted(&bytes[1..], b'\'', true)),
        b'x' | b'X' if second == b'\'' => (Kind::Hex, 1 + quoted(&bytes[1..], b'\'', false)),
        b'$' | b'?' if second.is_ascii_digit() => param(bytes),
        b'$' => dollar(sql, at).map_or((Kind::Symbol, 1), |length| (Kind::Dollar, length)),
        b':' if second == b':' => (Kind::Cast, 2),
        byte if byte.is_ascii_digit() || (byte == b'.' && second.is_ascii_digit()) => number(bytes),
        byte if starts_word(byte) => (Kind::Word, count(bytes, in_word)),
        _ => (Kind::Symbol, symbol(bytes)),
    };
    (kind, at..at + length)
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// PostgreSQL's comments nest.
fn comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn param(bytes: &[u8]) -> (Kind, usize) {
    let length = 1 + count(&bytes[1..], |b| b.is_ascii_digit());
    let number = std::str::from_utf8(&bytes[1..length]).ok().and_then(|text| text.parse().ok());
    (number.map_or(Kind::Symbol, Kind::Param), length)
}

fn dollar(sql: &str, at: usize) -> Option<usize> {
    let rest = &sql[at..];
    let tag = 1 + count(&rest.as_bytes()[1..], |b| in_word(b) && b != b'$');
    let mark = rest.get(..=tag).filter(|mark| mark.ends_with('$'))?;
    let end = rest[mark.len()..].find(mark);
    Some(end.map_or(rest.len(), |end| mark.len() + end + mark.len()))
}

fn number(bytes: &[u8]) -> (Kind, usize) {
    if bytes.len() > 1 && bytes[0] == b'0' && bytes[1].eq_ignore_ascii_case(&b'x') {
        return (Kind::Integer, 2 + count(&bytes[2..], |b| b.is_ascii_hexdigit()));
    }
    let mut length = count(bytes, |b| b.is_ascii_digit() || b == b'.');
    let mut kind = if bytes[..length].contains(&b'.') { Kind::Decimal } else { Kind::Integer };
    if bytes.get(length).is_some_and(|b| b.eq_ignore_ascii_case(&b'e')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let digits = count(&bytes[(length + 1 + sign).min(bytes.len())..], |b| b.is_ascii_digit());
        if digits > 0 {
            (kind, length) = (Kind::Decimal, length + 1 + sign + digits);
        }
    }
    (kind, length)
}

/// Two-character operators are one token, so that `<=` compares and `||` joins.
fn symbol(bytes: &[u8]) -> usize {
    const PAIRS: &[&[u8]] = &[b"<=", b">=", b"<>", b"!=", b"==", b"||", b"->", b"<<", b">>"];
    let pair = PAIRS.iter().any(|pair| bytes.starts_with(pair));
    if pair { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str) -> Vec<(Kind, String)> {
        words(&tokens(sql)).iter().map(|token| (token.kind, token.text.to_owned())).collect()
    }

    #[test]
    fn the_pieces_are_the_text() {
        let sql = "SELECT $1::int, 'it''s $2', E'a\\'b', $x$;'$x$ /* a /* b */ c */ é.\"q\"\"\" 1.5e3 -- z\n$";
        let text: String = tokens(sql).iter().map(|token| token.text).collect();
        assert_eq!(text, sql);
        let kinds: Vec<_> = kinds(sql).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds[1..4], [Kind::Param(1), Kind::Cast, Kind::Word]);
        assert!(kinds.contains(&Kind::Escaped) && kinds.contains(&Kind::Dollar));
        assert!(!kinds.contains(&Kind::Param(2)));
    }

    #[test]
    fn unclosed_text_ends_with_the_text() {
        for sql in ["'a", "\"a", "E'a\\", "/* a", "$a$ b", "x'", "1e", "$", "é"] {
            assert_eq!(
                tokens(sql).last().unwrap().text.len() + tokens(sql).last().unwrap().at,
                sql.len()
            );
        }
    }
}
