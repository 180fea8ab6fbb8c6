//! Expressions and the parts of statements that mean the same in both dialects.

use super::lex::{Kind, Token};
use super::parts::{literal, quoted, split, until_close};
use super::{Scope, functions, time};
use crate::error::{Failure, Outcome};
use crate::schema;

/// Rewrites tokens for a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rewriter<'s> {
    pub(crate) scope: &'s Scope,
    /// The name of the new row in ON DUPLICATE KEY UPDATE.
    pub(super) new_row: Option<&'s str>,
}

impl<'s> Rewriter<'s> {
    pub(crate) fn new(scope: &'s Scope) -> Self {
        Self { scope, new_row: None }
    }

    /// The tokens in SQLite's dialect.
    pub(crate) fn expression(&self, tokens: &[Token<'_>]) -> Outcome<String> {
        let (mut out, mut at) = (Vec::with_capacity(tokens.len()), 0);
        while at < tokens.len() {
            at += self.step(tokens, at, &mut out)?;
        }
        Ok(out.join(" "))
    }

    /// Rewrites what begins at `at`, and tells how many tokens it was.
    fn step(&self, tokens: &[Token<'_>], at: usize, out: &mut Vec<String>) -> Outcome<usize> {
        let token = &tokens[at];
        match token.kind {
            Kind::Word | Kind::Name => return self.word(tokens, at, out),
            Kind::Text => out.push(literal(&token.value())),
            Kind::Hex if token.text.starts_with("0x") => {
                let digits = &token.text[2..];
                let zero = if digits.len() % 2 == 1 { "0" } else { "" };
                out.push(format!("x'{zero}{digits}'"));
            }
            Kind::Bits => {
                let bits = u64::from_str_radix(super::lex::inner(&token.text[1..]), 2);
                out.push(bits.map_err(|_| Failure::syntax(token.text))?.to_string());
            }
            Kind::Param(number) => out.push(format!("?{number}")),
            Kind::System => out.push(self.scope.variables.system(token.text)?),
            Kind::User => out.push(self.scope.variables.user(token.text)),
            // MySQL allows 64 bits without a sign, which is "all" after LIMIT.
            Kind::Number if token.text == "18446744073709551615" => {
                out.push(i64::MAX.to_string());
            }
            Kind::Symbol => return self.operator(tokens, at, out),
            Kind::Hex | Kind::Number => out.push(token.text.to_owned()),
        }
        Ok(1)
    }

    fn operator(&self, tokens: &[Token<'_>], at: usize, out: &mut Vec<String>) -> Outcome<usize> {
        let token = &tokens[at];
        let interval = tokens.get(at + 1).is_some_and(|next| next.is("INTERVAL"));
        if matches!(token.text, "+" | "-") && interval {
            let time = operand(out);
            let end = tokens[at + 2..].iter().position(|token| {
                token.kind == Kind::Word && token.text.to_ascii_uppercase().is_unit()
            });
            let end = at + 3 + end.ok_or_else(|| Failure::syntax("INTERVAL"))?;
            out.push(time::shift(&time, token.text, &tokens[at + 1..end], self)?);
            return Ok(end - at);
        }
        out.push(
            match token.text {
                "||" => "OR",
                "&&" => "AND",
                "!" => "NOT",
                "<=>" => "IS",
                // Division is not of integers in MySQL.
                "/" => "* 1.0 /",
                text => text,
            }
            .to_owned(),
        );
        Ok(1)
    }

    fn word(&self, tokens: &[Token<'_>], at: usize, out: &mut Vec<String>) -> Outcome<usize> {
        let (token, rest) = (&tokens[at], &tokens[at + 1..]);
        let next = rest.first();
        let dot = next.is_some_and(|next| next.symbol("."));
        if dot && let Some(used) = self.qualified(tokens, at, out)? {
            return Ok(used);
        }
        let after_dot = at > 0 && tokens[at - 1].symbol(".");
        if token.kind == Kind::Name || after_dot || dot {
            out.push(if token.kind == Kind::Name {
                quoted(&token.value())
            } else {
                token.text.into()
            });
            return Ok(1);
        }
        if next.is_some_and(|next| next.symbol("(")) {
            let close = until_close(tokens, at + 1)?;
            let name = token.text.to_ascii_uppercase();
            let args = split(&tokens[at + 2..close]);
            if let ("VALUES", Some(_), [[column]]) = (name.as_str(), self.new_row, &args[..]) {
                out.push(format!("excluded.{}", quoted(&column.value())));
                return Ok(close + 1 - at);
            }
            if let Some(call) = functions::call(self, &name, &args)? {
                out.push(call);
                return Ok(close + 1 - at);
            }
        }
        if let Some(fact) = functions::bare(self, token) {
            out.push(fact);
            return Ok(1);
        }
        self.key_word(tokens, at, out)
    }

    /// `database.table`, `information_schema.table` and `new.column`.
    fn qualified(
        &self,
        tokens: &[Token<'_>],
        at: usize,
        out: &mut Vec<String>,
    ) -> Outcome<Option<usize>> {
        let (first, second) = (tokens[at].value(), tokens.get(at + 2));
        if at > 0 && tokens[at - 1].symbol(".") {
            return Ok(None);
        }
        let third = tokens.get(at + 3).is_some_and(|token| token.symbol("."));
        if self.new_row.is_some_and(|name| name.eq_ignore_ascii_case(&first)) {
            out.push("excluded".into());
            return Ok(Some(1));
        }
        if first.eq_ignore_ascii_case("information_schema") && third {
            return Ok(Some(2));
        }
        if first.eq_ignore_ascii_case("information_schema")
            && let Some(table) = second
        {
            let view = schema::view(&table.value(), self.scope)?;
            let aliased = tokens.get(at + 3).is_some_and(|next| {
                next.kind == Kind::Name
                    || next.is("AS")
                    || (next.kind == Kind::Word && !ends_table(next))
            });
            let name =
                if aliased { String::new() } else { format!(" AS {}", quoted(&table.value())) };
            out.push(format!("({view}){name}"));
            return Ok(Some(3));
        }
        const BEFORE: &[&str] =
            &["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "EXISTS", "REFERENCES", "ON", "VIEW"];
        let names_table =
            third || at == 0 || tokens[at - 1].is_any(BEFORE) || tokens[at - 1].symbol(",");
        Ok((names_table && first == self.scope.database && second.is_some()).then_some(2))
    }

    fn key_word(&self, tokens: &[Token<'_>], at: usize, out: &mut Vec<String>) -> Outcome<usize> {
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
        let end = end.min(tokens.len());
        out.push(self.expression(&tokens[start.min(end)..end])?);
        if !tokens.get(end).is_some_and(|token| token.is("ESCAPE")) {
            out.push("ESCAPE '\\'".into());
        }
        Ok(end - at)
    }
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

/// Whether a word ends the naming of a table, so that it is no alias.
fn ends_table(token: &Token<'_>) -> bool {
    const WORDS: &[&str] = &[
        "WHERE",
        "JOIN",
        "LEFT",
        "RIGHT",
        "INNER",
        "CROSS",
        "NATURAL",
        "ON",
        "USING",
        "ORDER",
        "GROUP",
        "HAVING",
        "LIMIT",
        "UNION",
        "FOR",
        "STRAIGHT_JOIN",
    ];
    token.is_any(WORDS)
}

/// Takes the operand back that was written last.
fn operand(out: &mut Vec<String>) -> String {
    let mut depth = 0_i32;
    let mut start = out.len();
    while start > 0 {
        start -= 1;
        match out[start].as_str() {
            ")" => depth += 1,
            "(" => depth -= 1,
            _ => {}
        }
        let joined = start > 0 && (out[start] == "." || out[start - 1] == ".");
        if depth == 0 && !joined {
            break;
        }
    }
    out.split_off(start).join(" ")
}

/// The units that INTERVAL knows.
trait Unit {
    fn is_unit(&self) -> bool;
}

impl Unit for String {
    fn is_unit(&self) -> bool {
        const UNITS: &[&str] =
            &["MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
        UNITS.contains(&self.as_str())
    }
}
