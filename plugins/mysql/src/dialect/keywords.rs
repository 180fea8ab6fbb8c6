//! Key words that are others in SQLite, or none.

use super::lex::{Kind, Token};
use super::parts::until_close;
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

impl Rewriter<'_> {
    /// Rewrites a word that is no name.
    pub(super) fn key_word(
        &self,
        tokens: &[Token<'_>],
        at: usize,
        out: &mut Vec<String>,
    ) -> Outcome<usize> {
        let (token, rest) = (&tokens[at], &tokens[at + 1..]);
        let next = |index: usize, words: &[&str]| rest.get(index).is_some_and(|t| t.is_any(words));
        Ok(match token.text.to_ascii_uppercase().as_str() {
            "SQL_CALC_FOUND_ROWS" | "SQL_NO_CACHE" | "SQL_SMALL_RESULT" | "SQL_BIG_RESULT" => 1,
            "BINARY" if !rest.is_empty() => 1,
            "DISTINCTROW" => push(out, "DISTINCT"),
            "STRAIGHT_JOIN" => push(out, "JOIN"),
            "DIV" => push(out, "/"),
            "MOD" => push(out, "%"),
            "RLIKE" => push(out, "REGEXP"),
            "FROM" if next(0, &["DUAL"]) => 2,
            "FOR" if next(0, &["UPDATE", "SHARE"]) => 1 + locking(rest),
            "LOCK" if next(0, &["IN"]) => 1 + rest.len().min(3),
            "USE" | "FORCE" | "IGNORE" if next(0, &["INDEX", "KEY"]) => {
                let open = rest.iter().position(|token| token.symbol("(")).unwrap_or(0);
                until_close(tokens, at + 1 + open)? + 1 - at
            }
            "COLLATE" if !rest.is_empty() => {
                out.push(format!("COLLATE {}", collation(&rest[0].value())));
                2
            }
            "LIMIT" => 1 + self.limit(rest, out)?,
            "LIKE" => {
                let used = self.pattern(tokens, at + 1, out)?;
                1 + used
            }
            // An introducer before a string.
            text if text.starts_with('_') && rest.first().is_some_and(|t| t.kind == Kind::Text) => {
                1
            }
            _ => push(out, token.text),
        })
    }

    /// The pattern of LIKE, in which a backslash escapes unless another character is named.
    fn pattern(&self, tokens: &[Token<'_>], at: usize, out: &mut Vec<String>) -> Outcome<usize> {
        out.push("LIKE".into());
        let binary = usize::from(tokens.get(at).is_some_and(|token| token.is("BINARY")));
        let start = at + binary;
        let end = operand_end(tokens, start)?;
        out.push(self.expression(&tokens[start.min(end)..end])?);
        if !tokens.get(end).is_some_and(|token| token.is("ESCAPE")) {
            out.push("ESCAPE '\\'".into());
        }
        Ok(end - at)
    }

    /// What follows LIMIT. A negative number would be no limit at all, so it becomes one that
    /// SQLite refuses.
    fn limit(&self, rest: &[Token<'_>], out: &mut Vec<String>) -> Outcome<usize> {
        out.push("LIMIT".into());
        let part = |token: &&Token<'_>| {
            matches!(token.kind, Kind::Number | Kind::Param(_))
                || token.symbol(",")
                || token.is("OFFSET")
        };
        let used = rest.iter().take_while(part).count();
        for token in &rest[..used] {
            out.push(match token.kind {
                // MySQL counts rows in 64 bits without a sign.
                Kind::Number if token.text.parse::<u64>().is_ok_and(|n| n > i64::MAX as u64) => {
                    i64::MAX.to_string()
                }
                Kind::Param(n) => format!("iif(CAST(?{n} AS INTEGER) < 0, 'negative', ?{n})"),
                _ => token.text.to_owned(),
            });
        }
        match rest.get(used) {
            Some(next) if next.symbol("-") => Err(Failure::syntax("LIMIT -")),
            _ => Ok(used),
        }
    }
}

/// Where the operand ends that begins at `at`: a value, a path, a call or what is in parentheses,
/// maybe behind a sign.
pub(super) fn operand_end(tokens: &[Token<'_>], at: usize) -> Outcome<usize> {
    let sign = |token: &&Token<'_>| ["!", "-", "+", "~"].iter().any(|sign| token.symbol(sign));
    let start = at + tokens.iter().skip(at).take_while(sign).count();
    let mut end = start + 1;
    if tokens.get(start).is_some_and(|token| token.symbol("(")) {
        end = until_close(tokens, start)? + 1;
    }
    while let Some(token) = tokens.get(end) {
        match token.text {
            "(" => end = until_close(tokens, end)? + 1,
            "." => end += 2,
            _ => break,
        }
    }
    Ok(end.min(tokens.len()))
}

/// SQLite's collation that is nearest to one of MySQL's.
pub(super) fn collation(name: &str) -> &'static str {
    if name.ends_with("_ci") { "NOCASE" } else { "BINARY" }
}

fn push(out: &mut Vec<String>, text: &str) -> usize {
    out.push(text.to_owned());
    1
}

/// What follows FOR UPDATE or FOR SHARE: OF t, NOWAIT, SKIP LOCKED.
fn locking(rest: &[Token<'_>]) -> usize {
    rest.iter().position(|token| token.symbol(")")).unwrap_or(rest.len())
}
