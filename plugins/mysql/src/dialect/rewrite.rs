//! Expressions and the parts of statements that mean the same in both dialects.

use super::keywords::operand_end;
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
    pub(super) depth: u16,
}

/// How deep expressions may be in each other: the stack is finite.
const DEEPEST: u16 = 100;

impl<'s> Rewriter<'s> {
    pub(crate) fn new(scope: &'s Scope) -> Self {
        Self { scope, new_row: None, depth: 0 }
    }

    /// The tokens in SQLite's dialect.
    pub(crate) fn expression(&self, tokens: &[Token<'_>]) -> Outcome<String> {
        if self.depth == DEEPEST {
            return Err(Failure::new(1436, "HY000", "Thread stack overrun: a deep expression"));
        }
        let inner = Self { depth: self.depth + 1, ..*self };
        let (mut out, mut at) = (Vec::with_capacity(tokens.len()), 0);
        while at < tokens.len() {
            at += inner.step(tokens, at, &mut out)?;
        }
        Ok(out.join(" "))
    }

    /// Rewrites what begins at `at`, and tells how many tokens it was.
    fn step(&self, tokens: &[Token<'_>], at: usize, out: &mut Vec<String>) -> Outcome<usize> {
        let token = &tokens[at];
        match token.kind {
            Kind::Word | Kind::Name => return self.word(tokens, at, out),
            Kind::Text => {
                // Strings side by side are one.
                let parts = tokens[at..].iter().take_while(|token| token.kind == Kind::Text);
                let parts: Vec<String> = parts.map(Token::value).collect();
                out.push(literal(&parts.concat()));
                return Ok(parts.len());
            }
            Kind::Hex if token.text.starts_with("0x") => {
                let digits = &token.text[2..];
                let zero = if digits.len() % 2 == 1 { "0" } else { "" };
                out.push(format!("x'{zero}{digits}'"));
            }
            Kind::Bits => {
                let digits = token.text[1..].trim_matches(['b', '\'']);
                let bits = i64::from_str_radix(digits, 2);
                out.push(bits.map_err(|_| Failure::syntax(token.text))?.to_string());
            }
            Kind::Param(number) => out.push(format!("?{number}")),
            Kind::System => out.push(self.scope.variables.system(token.text)?),
            Kind::User => out.push(self.scope.variables.user(token.text)),
            Kind::Number => out.push(number(tokens, at)?),
            Kind::Symbol => return self.operator(tokens, at, out),
            Kind::Hex => out.push(token.text.to_owned()),
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
        if token.symbol("!") {
            // Binds closer than NOT does.
            let end = operand_end(tokens, at + 1)?;
            out.push(format!("(NOT {})", self.expression(&tokens[at + 1..end])?));
            return Ok(end - at);
        }
        out.push(
            match token.text {
                "||" => "OR",
                "&&" => "AND",
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
        let called = next.is_some_and(|next| next.symbol("("));
        let values = token.is("VALUES") && self.new_row.is_some();
        // Only what is a function is looked into: the rest would be rewritten twice.
        if called && (values || functions::is_known(token.text)) {
            let close = until_close(tokens, at + 1)?;
            let args = split(&tokens[at + 2..close]);
            if let (true, [[column]]) = (values, &args[..]) {
                out.push(format!("excluded.{}", quoted(&column.value())));
                return Ok(close + 1 - at);
            }
            out.push(functions::call(self, token.text, &args)?);
            return Ok(close + 1 - at);
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

/// A number. SQLite would read a whole one that is wider than 64 bits as another one.
fn number(tokens: &[Token<'_>], at: usize) -> Outcome<String> {
    let text = tokens[at].text;
    let whole = text.bytes().all(|byte| byte.is_ascii_digit());
    let negative = at > 0 && tokens[at - 1].symbol("-");
    let least = negative && text.trim_start_matches('0') == "9223372036854775808";
    if whole && !least && text.parse::<i64>().is_err() {
        return Err(Failure::new(1264, "22003", format!("Out of range value {text}")));
    }
    Ok(text.to_owned())
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
