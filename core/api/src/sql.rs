//! Reading SQL text just far enough to take it apart.

/// Splits SQL at the semicolons that end a statement, `CREATE TRIGGER … END;` kept whole.
/// Pieces that hold only white space and comments are left out.
#[must_use]
pub fn split(sql: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut statement = Progress::default();
    let mut rest = Tokens { sql, at: 0 };
    while let Some((token, range)) = rest.next_token() {
        if token == Token::Semicolon && statement.may_end() {
            if statement.tokens > 0 {
                pieces.push(sql[start..range.start].trim());
            }
            start = range.end;
            statement = Progress::default();
        } else if token != Token::Blank {
            statement.see(token, &sql[range]);
        }
    }
    if statement.tokens > 0 {
        pieces.push(sql[start..].trim());
    }
    pieces
}

/// The first word of a statement in upper case, comments and white space skipped; empty if it
/// does not begin with a word.
#[must_use]
pub fn first_keyword(sql: &str) -> String {
    words(sql).next().unwrap_or_default()
}

/// The leading words of a statement in upper case, up to the first token that is not a word.
pub fn words(sql: &str) -> impl Iterator<Item = String> + '_ {
    let mut tokens = Tokens { sql, at: 0 };
    std::iter::from_fn(move || {
        loop {
            match tokens.next_token()? {
                (Token::Blank, _) => {}
                (Token::Word, range) => return Some(sql[range].to_ascii_uppercase()),
                (Token::Semicolon | Token::Other, _) => return None,
            }
        }
    })
}

/// How many bytes in front match.
#[must_use]
pub fn count(bytes: &[u8], matches: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !matches(byte)).unwrap_or(bytes.len())
}

/// The length of the string or name in quotes that `bytes` begin with: up to the closing quote,
/// which a doubled one is not, nor one after a backslash if that `escapes`. All of it if the
/// closing one is missing.
#[must_use]
pub fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Blank,
    Word,
    Semicolon,
    Other,
}

/// What is known of a statement so far: only a trigger's body holds semicolons of its own.
#[derive(Default)]
struct Progress {
    tokens: usize,
    is_create: bool,
    is_trigger: bool,
    after_semicolon: bool,
    ended: bool,
}

impl Progress {
    fn see(&mut self, token: Token, text: &str) {
        let is = |word: &str| token == Token::Word && text.eq_ignore_ascii_case(word);
        match self.tokens {
            0 => self.is_create = is("CREATE"),
            1 | 2 if self.is_create && is("TRIGGER") => self.is_trigger = true,
            _ => {}
        }
        self.ended = self.after_semicolon && is("END");
        self.after_semicolon = token == Token::Semicolon;
        self.tokens += 1;
    }

    fn may_end(&self) -> bool {
        !self.is_trigger || self.ended
    }
}

struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl Tokens<'_> {
    fn next_token(&mut self) -> Option<(Token, std::ops::Range<usize>)> {
        let start = self.at;
        let rest = &self.sql.as_bytes()[start..];
        let (token, length) = match *rest.first()? {
            b';' => (Token::Semicolon, 1),
            b'-' if rest.get(1) == Some(&b'-') => (Token::Blank, until(rest, 2, b"\n")),
            b'/' if rest.get(1) == Some(&b'*') => (Token::Blank, until(rest, 2, b"*/")),
            quote @ (b'\'' | b'"' | b'`') => (Token::Other, until(rest, 1, &[quote])),
            b'[' => (Token::Other, until(rest, 1, b"]")),
            byte if byte.is_ascii_whitespace() => (Token::Blank, 1),
            byte if is_word(byte) => (Token::Word, count(rest, is_word)),
            _ => (Token::Other, 1),
        };
        self.at = start + length;
        Some((token, start..self.at))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The length up to and with the end mark; all of it if the mark is missing. A doubled quote
/// is read as two strings side by side, which splits the same.
fn until(bytes: &[u8], from: usize, end: &[u8]) -> usize {
    let from = from.min(bytes.len());
    bytes[from..]
        .windows(end.len())
        .position(|window| window == end)
        .map_or(bytes.len(), |index| from + index + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_strings_comments_and_triggers_do_not_split() {
        let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END";
        let sql =
            format!("SELECT 'a;''b' ; -- x;y\n SELECT \"c;\" /* ; */, [d;]; {trigger}; ;SELECT 3");
        let pieces = split(&sql);
        assert_eq!(pieces.len(), 4, "{pieces:?}");
        assert_eq!(pieces[0], "SELECT 'a;''b'");
        assert!(pieces[1].ends_with("[d;]"));
        assert_eq!(pieces[2], trigger);
        assert_eq!(pieces[3], "SELECT 3");
    }

    #[test]
    fn blank_pieces_are_left_out_and_unclosed_quotes_are_one_piece() {
        assert!(split(" ; -- nothing\n;/* */").is_empty());
        assert_eq!(split("SELECT 'a; SELECT 2"), ["SELECT 'a; SELECT 2"]);
        assert_eq!(split("SELECT é;SELECT 1").len(), 2);
    }

    #[test]
    fn a_quote_ends_where_the_dialect_says() {
        assert_eq!(quoted(b"'a''b' c'", b'\'', false), 6);
        assert_eq!(quoted(b"'a\\' c'", b'\'', false), 4);
        assert_eq!(quoted(b"'a\\' c'", b'\'', true), 7);
        for unclosed in [&b"'a"[..], b"'", b"'a\\", b"'a''"] {
            assert_eq!(quoted(unclosed, b'\'', true), unclosed.len());
        }
    }

    #[test]
    fn the_first_keyword_skips_comments() {
        assert_eq!(first_keyword("/* a */ -- b\n insert into t"), "INSERT");
        assert_eq!(first_keyword("(select 1)"), "");
        assert_eq!(words("rollback to x").collect::<Vec<_>>(), ["ROLLBACK", "TO", "X"]);
    }
}
