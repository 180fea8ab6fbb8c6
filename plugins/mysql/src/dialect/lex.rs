use std::ops::Range;

use ha_core::sql::{count, quoted};

/// The version that clients are told, as `/*!` writes it.
const MYSQL: u32 = 80_036;

/// What a piece of SQL text is, in MySQL's lexical structure
/// (<https://dev.mysql.com/doc/refman/8.0/en/language-structure.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key word or a plain name.
    Word,
    /// A name in backticks.
    Name,
    /// A string in either kind of quotes, with backslash escapes.
    Text,
    /// `x'…'` or `0x…`.
    Hex,
    /// `b'…'` or `0b…`.
    Bits,
    /// Any other number.
    Number,
    /// `?`, counted from 1.
    Param(usize),
    /// `@@…`.
    System,
    /// `@…`.
    User,
    /// An operator, or a character of punctuation.
    Symbol,
}

/// A piece of SQL text.
#[derive(Debug, Clone, Copy)]
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
        matches!(self.kind, Kind::Word | Kind::Name)
    }

    /// The name or the string that it stands for.
    pub(crate) fn value(&self) -> String {
        match self.kind {
            Kind::Name => inner(self.text).replace("``", "`"),
            Kind::Text => unescape(inner(self.text), self.text.as_bytes()[0] as char),
            _ => self.text.to_owned(),
        }
    }

    /// Where it ends, in bytes.
    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// Takes SQL text apart and leaves out white space and comments. The text of `/*! … */` counts,
/// unless it is for a newer version than the one that clients are told.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut at, mut params, mut conditional) = (Vec::new(), 0, 0, false);
    while at < sql.len() {
        let rest = &sql.as_bytes()[at..];
        if rest.starts_with(b"/*!")
            && let Some(length) = head(rest)
        {
            (at, conditional) = (at + length, true);
            continue;
        }
        if conditional && rest.starts_with(b"*/") {
            (at, conditional) = (at + 2, false);
            continue;
        }
        let (kind, range) = next(sql, at);
        at = range.end;
        let Some(kind) = kind else { continue };
        let kind = match kind {
            Kind::Param(_) => {
                params += 1;
                Kind::Param(params)
            }
            kind => kind,
        };
        tokens.push(Token { kind, text: &sql[range.clone()], at: range.start });
    }
    tokens
}

/// Without the quotes; all of it if the closing one is missing.
pub(crate) fn inner(text: &str) -> &str {
    let rest = text.get(1..).unwrap_or_default();
    rest.strip_suffix(['\'', '"', '`']).unwrap_or(rest)
}

fn next(sql: &str, at: usize) -> (Option<Kind>, Range<usize>) {
    let bytes = &sql.as_bytes()[at..];
    let byte = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let (kind, length) = match (bytes[0], byte(1)) {
        (b'#', _) => (None, count(bytes, |b| b != b'\n')),
        // Two dashes are a comment only before white space: `5--1` is a number.
        (b'-', b'-') if bytes.get(2).is_none_or(|b| b.is_ascii_whitespace()) => {
            (None, count(bytes, |b| b != b'\n'))
        }
        (b'/', b'*') => (None, until(bytes, b"*/")),
        (b, _) if b.is_ascii_whitespace() => (None, count(bytes, |b| b.is_ascii_whitespace())),
        (quote @ (b'\'' | b'"'), _) => (Some(Kind::Text), quoted(bytes, quote, true)),
        (b'`', _) => (Some(Kind::Name), quoted(bytes, b'`', false)),
        (b'x' | b'X', b'\'') => (Some(Kind::Hex), 1 + quoted(&bytes[1..], b'\'', false)),
        (b'b' | b'B', b'\'') => (Some(Kind::Bits), 1 + quoted(&bytes[1..], b'\'', false)),
        (b'n' | b'N', b'\'') => (None, 1),
        (b'0', b'x') => (Some(Kind::Hex), 2 + count(&bytes[2..], |b| b.is_ascii_hexdigit())),
        (b'0', b'b') if matches!(byte(2), b'0' | b'1') => {
            (Some(Kind::Bits), 2 + count(&bytes[2..], |b| matches!(b, b'0' | b'1')))
        }
        (b'?', _) => (Some(Kind::Param(0)), 1),
        (b'@', b'@') => (Some(Kind::System), 2 + count(&bytes[2..], |b| in_word(b) || b == b'.')),
        (b'@', b'`' | b'\'') => (Some(Kind::User), 1 + quoted(&bytes[1..], byte(1), false)),
        (b'@', _) => (Some(Kind::User), 1 + count(&bytes[1..], |b| in_word(b) || b == b'.')),
        (b, b2) if b.is_ascii_digit() || (b == b'.' && b2.is_ascii_digit()) => {
            (Some(Kind::Number), number(bytes))
        }
        (b, _) if in_word(b) => (Some(Kind::Word), count(bytes, in_word)),
        _ => (Some(Kind::Symbol), symbol(sql, at)),
    };
    (kind, at..at + length)
}

/// How long `/*!` and its version are; `None` if the version is a newer one.
fn head(bytes: &[u8]) -> Option<usize> {
    let digits = count(&bytes[3..bytes.len().min(9)], |b| b.is_ascii_digit());
    let version = std::str::from_utf8(&bytes[3..3 + digits]).ok()?;
    match digits {
        5 | 6 => (version.parse::<u32>().ok()? <= MYSQL).then_some(3 + digits),
        _ => Some(3),
    }
}

fn until(bytes: &[u8], end: &[u8]) -> usize {
    let found = bytes.windows(end.len()).skip(2).position(|window| window == end);
    found.map_or(bytes.len(), |index| 2 + index + end.len())
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn number(bytes: &[u8]) -> usize {
    let length = count(bytes, |b| b.is_ascii_digit() || b == b'.');
    if bytes.get(length).is_some_and(|b| b.eq_ignore_ascii_case(&b'e')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let digits = count(&bytes[(length + 1 + sign).min(bytes.len())..], |b| b.is_ascii_digit());
        if digits > 0 {
            return length + 1 + sign + digits;
        }
    }
    // A name may begin with digits.
    length
}

fn symbol(sql: &str, at: usize) -> usize {
    const OPERATORS: &[&str] =
        &["<=>", "->>", "<=", ">=", "<>", "!=", ":=", "||", "&&", "->", "<<", ">>"];
    let rest = &sql[at..];
    OPERATORS.iter().find(|op| rest.starts_with(**op)).map_or(1, |op| op.len())
}

/// A string's text (<https://dev.mysql.com/doc/refman/8.0/en/string-literals.html>).
fn unescape(text: &str, quote: char) -> String {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            char if char == quote && chars.peek() == Some(&quote) => result.extend(chars.next()),
            '\\' => match chars.next() {
                Some('n') => result.push('\n'),
                Some('t') => result.push('\t'),
                Some('r') => result.push('\r'),
                Some('b') => result.push('\u{8}'),
                Some('0') => result.push('\0'),
                Some('Z') => result.push('\u{1a}'),
                // Kept for LIKE, where they mean the character itself.
                Some(wild @ ('%' | '_')) => result.extend(['\\', wild]),
                other => result.extend(other),
            },
            char => result.push(char),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<String> {
        tokens(sql).iter().map(Token::value).collect()
    }

    #[test]
    fn strings_names_and_comments_are_mysql_s() {
        let sql =
            "SELECT 'it\\'s', \"a\"\"b\", `c``d` # x\n, 5--1 -- y\n /* z */ /*!40101 SET */ + 0xfF";
        let expected = [
            "SELECT", "it's", ",", "a\"b", ",", "c`d", ",", "5", "-", "-", "1", "SET", "+", "0xfF",
        ];
        assert_eq!(texts(sql), expected);
        assert_eq!(
            texts("a<=>b||@@session.x:=@y"),
            ["a", "<=>", "b", "||", "@@session.x", ":=", "@y"]
        );
        assert_eq!(texts("'a\\%\\n'"), ["a\\%\n"]);
        assert_eq!(texts("2*/*c*/3 /*!50100 + 1*//1"), ["2", "*", "3", "+", "1", "/", "1"]);
        assert_eq!(texts("1 /*!999999\\- x */ /*!90100 + 1 */ /*!1 */"), ["1", "1"]);
        assert_eq!(tokens("0b101")[0].kind, Kind::Bits);
    }

    #[test]
    fn parameters_are_counted_and_unclosed_text_ends_with_the_text() {
        let kinds: Vec<_> = tokens("? '?' ?").iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Param(1), Kind::Text, Kind::Param(2)]);
        for sql in ["'a", "'a\\", "`", "/* a", "x'", "1e", "@", "é", "'", "@@"] {
            assert_eq!(tokens(sql).last().map_or(sql.len(), Token::end).max(1), sql.len().max(1));
        }
    }
}
