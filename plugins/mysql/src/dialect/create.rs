//! CREATE and DROP of tables and indexes.

use super::column::ColumnDefinition;
use super::dml::list;
use super::lex::Token;
use super::parts::{find, literal, quoted, until_close};
use super::rewrite::Rewriter;
use crate::error::{Failure, Outcome};

/// What can stand in the parentheses of CREATE TABLE, and after ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Column(ColumnDefinition),
    /// The columns of the primary key, as SQL.
    Primary(String),
    Index(Index),
    /// A foreign key or a check, as SQL.
    Constraint(String),
}

/// An index as it was defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) unique: bool,
    pub(crate) name: Option<String>,
    /// As SQL.
    pub(crate) columns: Vec<String>,
    first: String,
}

/// What SQLite calls an index: MySQL's names are unique per table only.
pub(crate) fn index_name(table: &str, name: &str) -> String {
    format!("{table}.{name}")
}

impl Index {
    /// The statement that makes it.
    pub(crate) fn sql(&self, table: &str) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let name = index_name(table, self.name.as_ref().unwrap_or(&self.first));
        let columns = self.columns.join(", ");
        format!("CREATE {unique}INDEX {} ON {} ({columns})", quoted(&name), quoted(table))
    }

    /// A column that is unique.
    pub(crate) fn unique_column(name: &str) -> Self {
        Self { unique: true, name: None, columns: vec![quoted(name)], first: name.to_owned() }
    }

    /// Reads `[name] [USING BTREE] (columns) …`.
    pub(super) fn read(
        rewriter: &Rewriter<'_>,
        tokens: &[Token<'_>],
        unique: bool,
    ) -> Outcome<Self> {
        let named = tokens.first().is_some_and(|token| token.is_name() && !token.is("USING"));
        let name = named.then(|| tokens[0].value());
        let open = tokens.iter().position(|token| token.symbol("("));
        let (parts, _) = list(tokens, open.ok_or_else(|| Failure::syntax("INDEX"))?)?;
        let first = parts.first().and_then(|part| part.first()).map(Token::value);
        let columns = parts.iter().map(|part| part_of(rewriter, part)).collect::<Outcome<_>>()?;
        Ok(Self { unique, name, columns, first: first.unwrap_or_default() })
    }
}

/// A column of an index: how much of it is indexed means nothing here.
fn part_of(rewriter: &Rewriter<'_>, part: &[Token<'_>]) -> Outcome<String> {
    let Some(name) = part.first() else { return Err(Failure::syntax("INDEX")) };
    if !name.is_name() {
        return rewriter.expression(part);
    }
    let descends = part.last().is_some_and(|token| token.is("DESC"));
    Ok(format!("{}{}", quoted(&name.value()), if descends { " DESC" } else { "" }))
}

/// Reads a column, an index or a constraint.
pub(super) fn item(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<Item> {
    let (mut rest, mut name) = (tokens, None);
    if rest.first().is_some_and(|token| token.is("CONSTRAINT")) {
        rest = &rest[1..];
        const KINDS: &[&str] = &["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"];
        if let [first, after @ ..] = rest
            && !first.is_any(KINDS)
        {
            (name, rest) = (Some(first.value()), after);
        }
    }
    let Some(first) = rest.first() else { return Err(Failure::syntax("CONSTRAINT")) };
    let key = usize::from(rest.get(1).is_some_and(|token| token.is_any(&["KEY", "INDEX"])));
    let constraint = |text: String| match &name {
        Some(name) => format!("CONSTRAINT {} {text}", quoted(name)),
        None => text,
    };
    if !first
        .is_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "KEY", "INDEX", "FULLTEXT", "SPATIAL"])
    {
        return ColumnDefinition::read(rewriter, tokens).map(Item::Column);
    }
    Ok(match first.text.to_ascii_uppercase().as_str() {
        "PRIMARY" => {
            Item::Primary(Index::read(rewriter, &rest[1 + key..], true)?.columns.join(", "))
        }
        "UNIQUE" => {
            let mut index = Index::read(rewriter, &rest[1 + key..], true)?;
            index.name = index.name.or(name);
            Item::Index(index)
        }
        "KEY" | "INDEX" => Item::Index(Index::read(rewriter, &rest[1..], false)?),
        "FOREIGN" => {
            let open = rest.iter().position(|token| token.symbol("("));
            let open = open.ok_or_else(|| Failure::syntax("FOREIGN KEY"))?;
            Item::Constraint(constraint(format!(
                "FOREIGN KEY {}",
                rewriter.expression(&rest[open..])?
            )))
        }
        "CHECK" => {
            let end = until_close(rest, 1)? + 1;
            Item::Constraint(constraint(rewriter.expression(&rest[..end])?))
        }
        other => return Err(Failure::unsupported(&format!("{other} indexes"))),
    })
}

/// CREATE TABLE as statements; what has no effect is added to `ignored`.
pub(crate) fn table(
    rewriter: &Rewriter<'_>,
    tokens: &[Token<'_>],
    ignored: &mut Vec<&'static str>,
) -> Outcome<Vec<String>> {
    let Some(open) = tokens.iter().position(|token| token.symbol("(")) else {
        return copy(rewriter, tokens);
    };
    if find(tokens, 0, &["SELECT", "LIKE"]).is_some() {
        return copy(rewriter, tokens);
    }
    let at =
        tokens[..open].iter().rposition(|token| token.is_any(&["TABLE", "EXISTS"])).unwrap_or(1);
    let name = tokens[open - 1].value();
    let head = rewriter.expression(&tokens[..=at])?;
    let (parts, _) = list(tokens, open)?;
    let items: Vec<_> = parts.iter().map(|part| item(rewriter, part)).collect::<Outcome<_>>()?;
    let body = body(&items, ignored)?;
    let mut statements = vec![format!("{head} {} ({body})", quoted(&name))];
    let lenient = head.ends_with("EXISTS");
    statements.extend(indexes(&items).map(|index| match index.sql(&name) {
        sql if lenient => sql.replacen("INDEX ", "INDEX IF NOT EXISTS ", 1),
        sql => sql,
    }));
    Ok(statements)
}

fn body(items: &[Item], ignored: &mut Vec<&'static str>) -> Outcome<String> {
    let counts = items.iter().any(|item| matches!(item, Item::Column(c) if c.auto_increment));
    let mut parts = Vec::new();
    for item in items {
        match item {
            Item::Column(column) => {
                ignored.extend(column.ignored);
                parts.push(column.sql());
            }
            // The column that counts on is the key already.
            Item::Primary(columns) if counts && !columns.contains(", ") => {}
            Item::Primary(_) if counts => {
                return Err(Failure::unsupported("AUTO_INCREMENT in a key of several columns"));
            }
            Item::Primary(columns) => parts.push(format!("PRIMARY KEY ({columns})")),
            Item::Constraint(text) => parts.push(text.clone()),
            Item::Index(_) => {}
        }
    }
    // SQLite wants the constraints behind the columns.
    parts.sort_by_key(|part| !part.starts_with('"'));
    Ok(parts.join(", "))
}

fn indexes(items: &[Item]) -> impl Iterator<Item = Index> + '_ {
    items.iter().filter_map(|item| match item {
        Item::Index(index) => Some(index.clone()),
        Item::Column(column) if column.unique => Some(Index::unique_column(&column.name)),
        Item::Column(_) | Item::Primary(_) | Item::Constraint(_) => None,
    })
}

/// `CREATE TABLE t AS SELECT …`.
fn copy(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<Vec<String>> {
    match find(tokens, 0, &["SELECT"]) {
        Some(at) => {
            let end = if tokens[at - 1].is("AS") { at - 1 } else { at };
            let (head, rest) = (&tokens[..end], &tokens[at..]);
            Ok(vec![format!("{} AS {}", rewriter.expression(head)?, rewriter.expression(rest)?)])
        }
        None => Err(Failure::unsupported("CREATE TABLE … LIKE")),
    }
}

/// `CREATE [UNIQUE] INDEX i ON t (columns)`.
pub(crate) fn index(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<Vec<String>> {
    let find = |word: &str| tokens.iter().position(|token| token.is(word));
    let (Some(at), Some(on)) = (find("INDEX"), find("ON")) else {
        return Err(Failure::syntax("CREATE INDEX"));
    };
    let Some(open) = tokens.iter().position(|token| token.symbol("(")) else {
        return Err(Failure::syntax("CREATE INDEX"));
    };
    if find("FULLTEXT").or(find("SPATIAL")).is_some() || at + 1 >= on {
        return Err(Failure::unsupported("this kind of index"));
    }
    let mut index = Index::read(rewriter, &tokens[open..], find("UNIQUE").is_some())?;
    index.name = Some(tokens[at + 1].value());
    Ok(vec![index.sql(&tokens[open - 1].value())])
}

/// `DROP TABLE|VIEW [IF EXISTS] a, b`.
pub(crate) fn drop(rewriter: &Rewriter<'_>, tokens: &[Token<'_>]) -> Outcome<Vec<String>> {
    let end = tokens.len()
        - usize::from(tokens.last().is_some_and(|token| token.is_any(&["CASCADE", "RESTRICT"])));
    let tokens: Vec<_> = tokens[..end].iter().filter(|t| !t.is("TEMPORARY")).copied().collect();
    let names = if tokens.get(2).is_some_and(|token| token.is("IF")) { 4 } else { 2 };
    let Some(names_of) = tokens.get(names..) else { return Err(Failure::syntax("DROP")) };
    let head = rewriter.expression(&tokens[..names])?;
    super::parts::split(names_of)
        .iter()
        .map(|name| {
            Ok(format!("{head} {}", quoted(&name.last().map(Token::value).unwrap_or_default())))
        })
        .collect()
}

/// The query that tells what SQLite calls an index of a table.
pub(crate) fn find_index(table: &str, name: &str) -> String {
    let (own, plain, table) = (literal(&index_name(table, name)), literal(name), literal(table));
    format!(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = {table} \
         AND name IN ({own}, {plain})"
    )
}
