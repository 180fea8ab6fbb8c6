//! ALTER TABLE, taken apart.

use super::column::ColumnDefinition;
use super::create::{Index, Item, item};
use super::lex::Token;
use super::parts::split;
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alteration {
    AddColumn(ColumnDefinition),
    AddIndex(Index),
    /// A foreign key, a check or a primary key, as SQL.
    AddConstraint(String),
    DropColumn(String),
    DropIndex(String),
    /// A foreign key or a check.
    DropConstraint(String),
    RenameTo(String),
    RenameColumn(String, String),
    /// A column of this name gets another definition, maybe with another name.
    Modify(String, ColumnDefinition),
    /// What has no meaning here.
    Nothing,
}

/// The table that an ALTER TABLE is about, and what is to be done.
pub(crate) fn alterations(
    rewriter: &Rewriter<'_>,
    tokens: &[Token<'_>],
) -> Outcome<(String, Vec<Alteration>)> {
    let dotted = tokens.get(3).is_some_and(|token| token.symbol("."));
    let at = if dotted { 4 } else { 2 };
    let Some(name) = tokens.get(at) else { return Err(Failure::syntax("ALTER TABLE")) };
    let parts = split(&tokens[at + 1..]);
    let mut all = Vec::new();
    for part in parts {
        all.extend(alteration(rewriter, part)?);
    }
    Ok((name.value(), all))
}

fn alteration(rewriter: &Rewriter<'_>, part: &[Token<'_>]) -> Outcome<Vec<Alteration>> {
    let is =
        |index: usize, words: &[&str]| part.get(index).is_some_and(|token| token.is_any(words));
    let name = |index: usize| {
        part.get(index).map(Token::value).ok_or_else(|| Failure::syntax("ALTER TABLE"))
    };
    let column = usize::from(is(1, &["COLUMN"]));
    let Some(first) = part.first() else { return Err(Failure::syntax("ALTER TABLE")) };
    let one = match first.text.to_ascii_uppercase().as_str() {
        "ADD" => return added(rewriter, &part[1 + column..]),
        "DROP" if is(1, &["INDEX", "KEY"]) => Alteration::DropIndex(name(2)?),
        "DROP" if is(1, &["FOREIGN"]) => Alteration::DropConstraint(name(3)?),
        "DROP" if is(1, &["CONSTRAINT", "CHECK"]) => Alteration::DropConstraint(name(2)?),
        "DROP" if is(1, &["PRIMARY"]) => return Err(Failure::unsupported("DROP PRIMARY KEY")),
        "DROP" => Alteration::DropColumn(name(1 + column)?),
        "RENAME" if is(1, &["COLUMN"]) => Alteration::RenameColumn(name(2)?, name(4)?),
        "RENAME" if is(1, &["INDEX", "KEY"]) => return Err(Failure::unsupported("RENAME INDEX")),
        "RENAME" if is(1, &["TO", "AS"]) => Alteration::RenameTo(name(part.len() - 1)?),
        "RENAME" => Alteration::RenameTo(name(1)?),
        "MODIFY" => {
            let rest = part.get(1 + column..).unwrap_or_default();
            Alteration::Modify(name(1 + column)?, ColumnDefinition::read(rewriter, rest)?)
        }
        "CHANGE" => {
            let rest = part.get(2 + column..).unwrap_or_default();
            Alteration::Modify(name(1 + column)?, ColumnDefinition::read(rewriter, rest)?)
        }
        "ALTER" => return Err(Failure::unsupported("ALTER COLUMN; MODIFY does the same")),
        "ENGINE" | "COMMENT" | "AUTO_INCREMENT" | "DEFAULT" | "CHARACTER" | "CHARSET"
        | "COLLATE" | "CONVERT" | "DISABLE" | "ENABLE" | "ROW_FORMAT" | "ALGORITHM" | "LOCK" => {
            Alteration::Nothing
        }
        other => return Err(Failure::unsupported(&format!("ALTER TABLE … {other}"))),
    };
    Ok(vec![one])
}

/// What stands behind ADD: a column, columns in parentheses, an index or a constraint.
fn added(rewriter: &Rewriter<'_>, rest: &[Token<'_>]) -> Outcome<Vec<Alteration>> {
    if let [open, inner @ .., close] = rest
        && open.symbol("(")
        && close.symbol(")")
    {
        let all = split(inner).into_iter().map(|part| added(rewriter, part));
        return Ok(all.collect::<Outcome<Vec<_>>>()?.concat());
    }
    Ok(match item(rewriter, rest)? {
        Item::Column(column) => {
            let index = column.unique.then(|| Index::unique_column(&column.name));
            let index = index.map(Alteration::AddIndex);
            [Alteration::AddColumn(column)].into_iter().chain(index).collect()
        }
        Item::Index(index) => vec![Alteration::AddIndex(index)],
        Item::Primary(columns) => {
            vec![Alteration::AddConstraint(format!("PRIMARY KEY ({columns})"))]
        }
        Item::Constraint(text) => vec![Alteration::AddConstraint(text)],
    })
}
