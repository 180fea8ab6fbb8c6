//! Changes of a table that SQLite's ALTER TABLE cannot make: the table is made anew.
//! <https://sqlite.org/lang_altertable.html#otheralter>

use crate::backend::Backend;
use crate::dialect::lex::{self, Token};
use crate::dialect::{ColumnDefinition, literal, quoted};
use crate::error::{Failure, Outcome};
use crate::schema::definition::text;

/// What is different in the new table.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    /// Another definition of the column with that name.
    Column(&'a ColumnDefinition),
    /// One more constraint.
    Add(&'a str),
    /// One constraint less.
    Remove(&'a str),
}

/// Makes the table anew. Refused while rows of other tables may point to its rows: they would be
/// deleted with the old table.
pub(crate) async fn rebuild(
    backend: &mut Backend,
    table: &str,
    change: &Change<'_>,
) -> Outcome<()> {
    let create = definition(backend, table).await?;
    let interim = format!("{table}.new");
    let Some(sql) = changed(&create, &interim, table, change)? else { return Ok(()) };
    refuse_referenced(backend, table).await?;
    let dependents = dependents(backend, table).await?;
    let columns = columns(backend, table).await?.join(", ");
    let (old, new) = (quoted(table), quoted(&interim));
    let mut statements = vec![
        sql,
        format!("INSERT INTO {new} ({columns}) SELECT {columns} FROM {old}"),
        format!("DROP TABLE {old}"),
        format!("ALTER TABLE {new} RENAME TO {old}"),
    ];
    statements.extend(dependents);
    backend.run_all(statements).await
}

async fn definition(backend: &mut Backend, table: &str) -> Outcome<String> {
    let sql =
        format!("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = {}", literal(table));
    let rows = backend.query(sql).await?.rows;
    let missing = || Failure::new(1146, "42S02", format!("Table '{table}' doesn't exist"));
    rows.first().map(|row| text(&row[0])).ok_or_else(missing)
}

async fn refuse_referenced(backend: &mut Backend, table: &str) -> Outcome<()> {
    let (name, quoted) = (literal(table), quoted(table));
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f \
         WHERE m.type = 'table' AND f.[table] = {name} COLLATE NOCASE) AND EXISTS (SELECT 1 FROM {quoted})"
    );
    let rows = backend.query(sql).await?.rows;
    match rows.first().map(|row| text(&row[0])).as_deref() {
        Some("0") => Ok(()),
        _ => Err(Failure::unsupported(
            "this change of a table that has rows and that foreign keys reference",
        )),
    }
}

/// The statements that made its indexes and triggers.
async fn dependents(backend: &mut Backend, table: &str) -> Outcome<Vec<String>> {
    let sql = format!(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = {} AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        literal(table)
    );
    Ok(backend.query(sql).await?.rows.iter().map(|row| text(&row[0])).collect())
}

/// The columns that are stored.
async fn columns(backend: &mut Backend, table: &str) -> Outcome<Vec<String>> {
    let sql = format!("SELECT name FROM pragma_table_xinfo({}) WHERE hidden = 0", literal(table));
    Ok(backend.query(sql).await?.rows.iter().map(|row| quoted(&text(&row[0]))).collect())
}

/// The statement that makes the new table; `None` if it would be the same.
fn changed(
    create: &str,
    interim: &str,
    table: &str,
    change: &Change<'_>,
) -> Outcome<Option<String>> {
    let tokens = lex::tokens(create);
    let open = tokens.iter().position(|token| token.symbol("("));
    let close = tokens.iter().rposition(|token| token.symbol(")"));
    let (Some(open), Some(close)) = (open, close) else { return Err(Failure::syntax(create)) };
    let source = |part: &[Token<'_>]| match part {
        [] => String::new(),
        [first, ..] => create[first.at..part[part.len() - 1].end()].to_owned(),
    };
    let parts = crate::dialect::split(&tokens[open + 1..close]);
    let mut items: Vec<String> = parts.iter().map(|part| source(part)).collect();
    match change {
        Change::Column(column) => {
            let is = |part: &&[Token<'_>]| {
                part.first().is_some_and(|t| t.value().eq_ignore_ascii_case(&column.name))
            };
            let Some(at) = parts.iter().position(is) else {
                return Err(unknown_column(&column.name, table));
            };
            let primary = items[at].to_ascii_uppercase().contains("PRIMARY KEY");
            if primary && column.auto_increment {
                return Ok(None);
            }
            let mut column = (*column).clone();
            column.primary |= primary;
            items[at] = column.sql();
        }
        Change::Add(constraint) => items.push((*constraint).to_owned()),
        Change::Remove(name) => {
            let named = |part: &&[Token<'_>]| matches!(part, [first, second, ..] if first.is("CONSTRAINT") && second.value().eq_ignore_ascii_case(name));
            let at = parts.iter().position(named).or_else(|| generated(&parts, name, table));
            let Some(at) = at else {
                let text = format!("Can't DROP '{name}'; check that column/key exists");
                return Err(Failure::new(1091, "42000", text));
            };
            items.remove(at);
        }
    }
    let tail = &create[tokens[close].end()..];
    Ok(Some(format!("CREATE TABLE {} ({}){tail}", quoted(interim), items.join(", "))))
}

/// Which item is the foreign key that is shown as `table_ibfk_n`: SQLite counts from the last.
fn generated(parts: &[&[Token<'_>]], name: &str, table: &str) -> Option<usize> {
    let number: usize = name.strip_prefix(table)?.strip_prefix("_ibfk_")?.parse().ok()?;
    let is_key = |part: &&[Token<'_>]| part.iter().any(|token| token.is("FOREIGN"));
    let keys: Vec<_> = (0..parts.len()).filter(|index| is_key(&parts[*index])).collect();
    keys.iter().rev().nth(number.checked_sub(1)?).copied()
}

fn unknown_column(name: &str, table: &str) -> Failure {
    Failure::new(1054, "42S22", format!("Unknown column '{name}' in '{table}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_anew_with_one_thing_different() {
        let create = "CREATE TABLE \"t\" (\"id\" INTEGER PRIMARY KEY AUTOINCREMENT, \"a\" int, CONSTRAINT \"c\" FOREIGN KEY (\"a\") REFERENCES u (i))";
        let changed = |change| changed(create, "t.new", "t", &change).unwrap().unwrap();
        assert!(changed(Change::Add("CHECK (a > 1)")).ends_with("u (i), CHECK (a > 1))"));
        for name in ["c", "t_ibfk_1"] {
            assert!(changed(Change::Remove(name)).ends_with("\"a\" int)"));
        }
        assert!(changed(Change::Remove("c")).starts_with("CREATE TABLE \"t.new\" (\"id\""));
    }
}
