use super::Command;
use super::lex::{Kind, Token, inner};
use crate::error::{Failure, Outcome};

/// Reads what follows SET.
pub(super) fn set(words: &[Token<'_>]) -> Outcome<Command> {
    let is = |index: usize, word: &str| words.get(index).is_some_and(|token| token.is(word));
    if is(0, "TRANSACTION") || (is(0, "SESSION") && is(1, "CHARACTERISTICS")) {
        let only = words.windows(2).any(|pair| pair[0].is("READ") && pair[1].is("ONLY"));
        return if only {
            Err(Failure::unsupported("say READ ONLY in BEGIN"))
        } else {
            Ok(Command::Isolation)
        };
    }
    if is(0, "CONSTRAINTS") || is(0, "ROLE") || is(1, "AUTHORIZATION") {
        return Err(Failure::unsupported("this form of SET is not supported"));
    }
    let local = is(0, "LOCAL");
    let words = if local || is(0, "SESSION") { &words[1..] } else { words };
    let (name, rest) = setting(words);
    let rest = match rest {
        [token, rest @ ..] if token.symbol("=") || token.is("TO") => rest,
        rest if name == "client_encoding" || name == "TimeZone" => rest,
        _ => return Err(Failure::error("42601", "syntax error in SET: TO or = is expected")),
    };
    if rest.is_empty() {
        return Err(Failure::error("42601", "syntax error in SET: a value is expected"));
    }
    let is_default = matches!(rest, [only] if only.is("DEFAULT"));
    Ok(Command::Set { name, value: (!is_default).then(|| value(rest)), local })
}

/// The name of a setting, and what follows.
pub(super) fn setting<'t, 'a>(words: &'t [Token<'a>]) -> (String, &'t [Token<'a>]) {
    match words {
        [time, zone, rest @ ..] if time.is("TIME") && zone.is("ZONE") => ("TimeZone".into(), rest),
        [names, rest @ ..] if names.is("NAMES") => ("client_encoding".into(), rest),
        [transaction, isolation, level, rest @ ..]
            if transaction.is("TRANSACTION") && isolation.is("ISOLATION") && level.is("LEVEL") =>
        {
            ("transaction_isolation".into(), rest)
        }
        [class, dot, name, rest @ ..] if dot.symbol(".") => {
            (format!("{}.{}", class.name(), name.name()), rest)
        }
        [name, rest @ ..] => (name.name(), rest),
        [] => (String::new(), words),
    }
}

/// The value of a setting: a list is joined, strings lose their quotes.
fn value(words: &[Token<'_>]) -> String {
    let mut value = String::new();
    for token in words {
        match token.kind {
            Kind::Text => value.push_str(&inner(token.text).replace("''", "'")),
            Kind::Quoted => value.push_str(inner(token.text)),
            _ if token.symbol(",") => value.push_str(", "),
            _ => value.push_str(token.text),
        }
    }
    value
}

/// Reads what follows SHOW.
pub(super) fn shown(words: &[Token<'_>]) -> Option<String> {
    let all = matches!(words, [only] if only.is("ALL"));
    (!all).then(|| setting(words).0)
}

#[cfg(test)]
mod tests {
    use super::super::lex::{tokens, words};
    use super::*;

    fn read(sql: &str) -> Command {
        Command::read(&words(&tokens(sql))).unwrap()
    }

    #[test]
    fn settings_come_in_many_forms() {
        let set = |name: &str, value: Option<&str>, local| Command::Set {
            name: name.into(),
            value: value.map(Into::into),
            local,
        };
        assert_eq!(
            read("SET application_name = 'it''s'"),
            set("application_name", Some("it's"), false)
        );
        assert_eq!(read("set local a.b to 5"), set("a.b", Some("5"), true));
        assert_eq!(read("SET TIME ZONE 'UTC'"), set("TimeZone", Some("UTC"), false));
        assert_eq!(read("SET NAMES 'utf8'"), set("client_encoding", Some("utf8"), false));
        assert_eq!(read("SET datestyle TO iso, mdy"), set("datestyle", Some("iso, mdy"), false));
        assert_eq!(read("SET jit TO DEFAULT"), set("jit", None, false));
        assert_eq!(
            read("SHOW TRANSACTION ISOLATION LEVEL"),
            Command::Show(Some("transaction_isolation".into()))
        );
        assert_eq!(read("show all"), Command::Show(None));
    }
}
