//! Statements that change the schema. As in MySQL they commit what is open, and cannot be rolled
//! back with more.

use crate::backend::Backend;
use crate::dialect::{self, Alteration, Ddl, Rewriter, lex::Token, quoted};
use crate::error::{Failure, Outcome};
use crate::schema::rebuild::{Change, rebuild};

impl Backend {
    /// Changes the schema: all of it or nothing.
    pub(crate) async fn define(
        &mut self,
        ddl: Ddl,
        tokens: &[Token<'_>],
        source: &str,
    ) -> Outcome<()> {
        self.commit().await?;
        let rewriter = Rewriter::new(&self.scope);
        let mut ignored = Vec::new();
        let statements = match ddl {
            Ddl::CreateTable => dialect::table(&rewriter, tokens, &mut ignored)?,
            Ddl::CreateIndex => dialect::index(&rewriter, tokens)?,
            Ddl::Drop => dialect::drop(&rewriter, tokens)?,
            Ddl::Rename => rename(tokens)?,
            Ddl::Other => vec![dialect::translate(&self.scope, tokens, source)?],
            Ddl::DropIndex => {
                let at = tokens.iter().position(|token| token.is("ON"));
                let Some(at) = at.filter(|at| *at > 0 && at + 1 < tokens.len()) else {
                    return Err(Failure::syntax("DROP INDEX"));
                };
                let table = tokens[at + 1..].iter().filter(|t| t.is_name()).map(Token::value);
                let table = table.take(if tokens.len() > at + 3 { 2 } else { 1 }).last();
                vec![self.drop_index(&table.unwrap_or_default(), &tokens[at - 1].value()).await?]
            }
            Ddl::Alter => {
                let (table, alterations) = dialect::alterations(&rewriter, tokens)?;
                return self.alter(table, alterations).await;
            }
        };
        self.run_all(statements).await?;
        let note = |what| ("Note", 1235, format!("{what} has no effect"));
        self.warnings.extend(ignored.into_iter().map(note));
        Ok(())
    }

    async fn alter(&mut self, mut table: String, alterations: Vec<Alteration>) -> Outcome<()> {
        self.begin(false).await?;
        for alteration in alterations {
            if let Err(failure) = self.alter_one(&mut table, alteration).await {
                self.session.rollback().await?;
                return Err(failure);
            }
        }
        self.commit().await
    }

    async fn alter_one(&mut self, table: &mut String, alteration: Alteration) -> Outcome<()> {
        let name = quoted(table);
        let statement = match alteration {
            Alteration::AddColumn(column) => {
                if let Some(what) = column.ignored {
                    self.warnings.push(("Note", 1235, format!("{what} has no effect")));
                }
                format!("ALTER TABLE {name} ADD COLUMN {}", column.sql())
            }
            Alteration::AddIndex(index) => index.sql(table),
            Alteration::AddConstraint(text) => {
                return rebuild(self, table, &Change::Add(&text)).await;
            }
            Alteration::DropColumn(column) => {
                format!("ALTER TABLE {name} DROP COLUMN {}", quoted(&column))
            }
            Alteration::DropIndex(index) => self.drop_index(table, &index).await?,
            Alteration::DropConstraint(constraint) => {
                return rebuild(self, table, &Change::Remove(&constraint)).await;
            }
            Alteration::RenameTo(new) => {
                let statement = format!("ALTER TABLE {name} RENAME TO {}", quoted(&new));
                *table = new;
                statement
            }
            Alteration::RenameColumn(old, new) => rename_column(&name, &old, &new),
            Alteration::Modify(old, column) => {
                if !old.eq_ignore_ascii_case(&column.name) {
                    self.run_all(vec![rename_column(&name, &old, &column.name)]).await?;
                }
                return rebuild(self, table, &Change::Column(&column)).await;
            }
            Alteration::Nothing => return Ok(()),
        };
        self.run_all(vec![statement]).await
    }

    /// The statement that drops an index, which may have been made by another front-end.
    async fn drop_index(&mut self, table: &str, name: &str) -> Outcome<String> {
        let found = self.query(dialect::find_index(table, name)).await?;
        match found.rows.first().and_then(|row| row.first()) {
            Some(index) => {
                let index = crate::schema::definition::text(index);
                Ok(format!("DROP INDEX {}", quoted(&index)))
            }
            None => {
                let text = format!("Can't DROP '{name}'; check that column/key exists");
                Err(Failure::new(1091, "42000", text))
            }
        }
    }
}

fn rename_column(table: &str, old: &str, new: &str) -> String {
    format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quoted(old), quoted(new))
}

/// `RENAME TABLE a TO b, c TO d`.
fn rename(tokens: &[Token<'_>]) -> Outcome<Vec<String>> {
    let one = |part: &&[Token<'_>]| match part {
        [old, to, new] if to.is("TO") => {
            let (old, new) = (quoted(&old.value()), quoted(&new.value()));
            Ok(format!("ALTER TABLE {old} RENAME TO {new}"))
        }
        _ => Err(Failure::syntax("RENAME TABLE")),
    };
    dialect::split(&tokens[2..]).iter().map(one).collect()
}
