use super::cast;
use super::lex::{Kind, Token};

/// What the text of a statement tells about the type of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Nothing.
    None,
    /// It is cast to, or used where there can only be, this type.
    Type(&'static str),
    /// It is stored in or compared with the column of this name.
    Column(String),
    /// It is stored in the column at this place of the first table.
    Place(usize),
}

/// A hint for each parameter, from its first telling use.
pub(super) fn of_params(words: &[Token<'_>]) -> Vec<Hint> {
    let mut hints = Vec::new();
    let inserted = inserted(words);
    for (index, token) in words.iter().enumerate() {
        let Kind::Param(number @ 1..) = token.kind else { continue };
        let number = usize::from(number);
        if hints.len() < number {
            hints.resize(number, Hint::None);
        }
        if hints[number - 1] == Hint::None {
            let place = inserted.iter().find(|(at, _)| *at == index);
            hints[number - 1] =
                place.map_or_else(|| of_use(words, index), |(_, hint)| hint.clone());
        }
    }
    hints
}

/// The names that follow FROM, JOIN, INTO and UPDATE.
pub(super) fn tables(words: &[Token<'_>]) -> Vec<String> {
    let mut tables = Vec::new();
    for (index, token) in words.iter().enumerate() {
        if token.is_any(&["FROM", "JOIN", "INTO", "UPDATE"]) {
            list(&words[index + 1..], &mut tables);
        }
    }
    tables
}

/// Names with an alias or without, separated by commas.
fn list(mut words: &[Token<'_>], tables: &mut Vec<String>) {
    loop {
        if let [schema, dot, ..] = words
            && schema.is("public")
            && dot.symbol(".")
        {
            words = &words[2..];
        }
        let Some(name) = words.first().filter(|token| token.is_name()) else { return };
        tables.push(name.name());
        words = match &words[1..] {
            [comma, rest @ ..] if comma.symbol(",") => rest,
            [alias, comma, rest @ ..] if alias.is_name() && comma.symbol(",") => rest,
            [_, alias, comma, rest @ ..] if alias.is_name() && comma.symbol(",") => rest,
            _ => return,
        };
    }
}

fn of_use(words: &[Token<'_>], at: usize) -> Hint {
    let after = &words[at + 1..];
    if after.first().is_some_and(|token| token.kind == Kind::Cast) {
        return cast::target(&after[1..]).map_or(Hint::None, |(name, _)| Hint::Type(name));
    }
    match at.checked_sub(1).map(|before| &words[before]) {
        Some(token) if token.is_any(&["LIMIT", "OFFSET"]) => return Hint::Type("INT8"),
        Some(token) if token.is_any(&["LIKE", "GLOB"]) => return Hint::Type("TEXT"),
        _ => {}
    }
    compared_before(words, at).or_else(|| compared_after(after)).map_or(Hint::None, Hint::Column)
}

/// `column = $1`, `column BETWEEN $1`, `column IN ($1`.
fn compared_before(words: &[Token<'_>], at: usize) -> Option<String> {
    let mut operator = at.checked_sub(1)?;
    if words[operator].symbol("(") || words[operator].symbol(",") {
        let is_list = |token: &Token<'_>| {
            token.symbol("(") || token.symbol(",") || matches!(token.kind, Kind::Param(_))
        };
        operator = words[..at].iter().rposition(|token| !is_list(token))?;
        if !words[operator].is("IN") {
            return None;
        }
    } else if !is_comparison(&words[operator]) && !words[operator].is("BETWEEN") {
        return None;
    }
    let before = operator.checked_sub(1)?;
    let before = if words[before].is("NOT") { before.checked_sub(1)? } else { before };
    Some(words[before].name()).filter(|_| words[before].is_name())
}

/// `$1 = column`.
fn compared_after(after: &[Token<'_>]) -> Option<String> {
    let (operator, mut rest) = after.split_first()?;
    if !is_comparison(operator) {
        return None;
    }
    if let [_, dot, ..] = rest
        && dot.symbol(".")
    {
        rest = &rest[2..];
    }
    rest.first().filter(|token| token.is_name()).map(Token::name)
}

fn is_comparison(token: &Token<'_>) -> bool {
    const OPERATORS: &[&str] = &["=", "==", "<>", "!=", "<", ">", "<=", ">="];
    token.kind == Kind::Symbol && OPERATORS.contains(&token.text)
}

/// The parameters that are values of an INSERT by themselves: where they stand, and what for.
fn inserted(words: &[Token<'_>]) -> Vec<(usize, Hint)> {
    let Some(values) = words.iter().position(|token| token.is("VALUES")) else { return Vec::new() };
    let Some(into) = words[..values].iter().position(|token| token.is("INTO")) else {
        return Vec::new();
    };
    let open = words[into..values].iter().position(|token| token.symbol("("));
    let columns: Option<Vec<_>> = open.map(|open| {
        words[into + open..values].iter().filter(|t| t.is_name()).map(Token::name).collect()
    });
    let (mut depth, mut place, mut found) = (0_usize, 0, Vec::new());
    for (index, token) in words.iter().enumerate().skip(values + 1) {
        match token.text {
            "(" => (depth, place) = (depth + 1, if depth == 0 { 0 } else { place }),
            ")" => depth = depth.saturating_sub(1),
            "," => place += depth.min(1),
            _ if depth == 0 => break,
            _ if depth == 1 && is_alone(words, index) => {
                let hint = match &columns {
                    Some(columns) => columns.get(place).cloned().map(Hint::Column),
                    None => Some(Hint::Place(place)),
                };
                found.extend(hint.map(|hint| (index, hint)));
            }
            _ => {}
        }
    }
    found
}

fn is_alone(words: &[Token<'_>], at: usize) -> bool {
    let before = &words[at - 1];
    let ends = words.get(at + 1).is_some_and(|token| token.symbol(",") || token.symbol(")"));
    (before.symbol("(") || before.symbol(",")) && ends
}

#[cfg(test)]
mod tests {
    use super::super::lex;
    use super::*;

    fn hints(sql: &str) -> Vec<Hint> {
        of_params(&lex::words(&lex::tokens(sql)))
    }

    fn column(name: &str) -> Hint {
        Hint::Column(name.into())
    }

    #[test]
    fn inserts_tell_the_column_of_each_value() {
        let sql = "INSERT INTO t (a, \"B\", c) VALUES ($1, $2, 1 + $3), ($4, lower($5), $6)";
        let expected = [column("a"), column("B"), Hint::None, column("a"), Hint::None, column("c")];
        assert_eq!(hints(sql), expected);
        assert_eq!(hints("INSERT INTO t VALUES (1, $1)"), [Hint::Place(1)]);
        let upsert = "INSERT INTO t(a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = $2";
        assert_eq!(hints(upsert), [column("a"), column("b")]);
    }

    #[test]
    fn comparisons_lists_and_casts_tell() {
        assert_eq!(hints("UPDATE t SET a = $2 WHERE t.id = $1"), [column("id"), column("a")]);
        assert_eq!(
            hints("… WHERE $1 < t.b AND c IN ($2, $3)"),
            [column("b"), column("c"), column("c")]
        );
        assert_eq!(
            hints("… WHERE c NOT IN ($1) AND d BETWEEN $2 AND $3")[..2],
            [column("c"), column("d")]
        );
        assert_eq!(hints("SELECT $1::int LIMIT $2"), [Hint::Type("INT4"), Hint::Type("INT8")]);
        assert_eq!(hints("SELECT $1, f($2)"), [Hint::None, Hint::None]);
    }

    #[test]
    fn tables_are_found_in_lists_and_joins() {
        let words =
            "SELECT * FROM a, b AS x, public.c JOIN \"D\" ON 1 WHERE a IN (SELECT 1 FROM e)";
        assert_eq!(tables(&lex::words(&lex::tokens(words))), ["a", "b", "c", "D", "e"]);
    }
}
