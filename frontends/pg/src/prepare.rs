use std::collections::HashMap;

use ha_core::{Column, Error};
use pgwire::api::Type;

use crate::answer::{Field, fields};
use crate::backend::Backend;
use crate::dialect::{Command, Hint, Translation, split, translate};
use crate::error::{Failure, Outcome};
use crate::transaction::Transaction;
use crate::types::{self, Scope};

/// A statement of the extended protocol.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `None` for a text without a statement.
    pub(crate) statement: Option<Translation>,
    /// The types of the parameters.
    pub(crate) params: Vec<Type>,
    /// The result's columns; empty if it returns none.
    pub(crate) fields: Vec<Field>,
}

impl Prepared {
    /// Prepares a text of one statement at most. The client's types win over what the text
    /// tells; 0 and the type `unknown` ask to look.
    pub(crate) async fn new(backend: &mut Backend, sql: &str, types: &[u32]) -> Outcome<Self> {
        let (piece, more) = match split(sql)[..] {
            [] => return Ok(Self { statement: None, params: Vec::new(), fields: Vec::new() }),
            [piece] => (piece, false),
            [piece, ..] => (piece, true),
        };
        if more {
            let text = "cannot insert multiple commands into a prepared statement";
            return Err(Failure::error("42601", text));
        }
        let statement = translate(piece.sql, &backend.identity)?;
        if backend.transaction == Transaction::Failed
            && !matches!(
                statement.command,
                Command::Commit | Command::Rollback | Command::RollbackTo
            )
        {
            return Err(Failure::aborted());
        }
        if !matches!(statement.command, Command::Sql(_)) {
            let fields = backend.fields_of(&statement.command)?;
            return Ok(Self { statement: Some(statement), params: Vec::new(), fields });
        }
        let shift = sql[..piece.at].chars().count();
        Self::of_engine(backend, statement, types, shift).await
    }

    async fn of_engine(
        backend: &mut Backend,
        statement: Translation,
        types: &[u32],
        shift: usize,
    ) -> Outcome<Self> {
        let description = backend.session.describe(&statement.sql).await.map_err(|error| {
            let offset = match &error {
                Error::Sql { offset, .. } => *offset,
                _ => None,
            };
            let position = statement.position(offset).map(|position| position + shift);
            Failure::from(error).at(position)
        })?;
        let count = description.params.len().max(types.len()).max(statement.hints.len());
        let mut tables = Tables::default();
        let mut params = Vec::with_capacity(count);
        for index in 0..count {
            let given = types.get(index).copied().filter(|oid| !matches!(oid, 0 | 705));
            params.push(match given {
                Some(oid) => known(oid)?,
                None => tables.param(backend, &statement, index).await,
            });
        }
        let mut scope = Scope { params: params.clone(), ..Scope::default() };
        let (mut columns, _) = fields(&description.columns, &statement.sql, &scope);
        if scope.missed.get() {
            scope.columns = tables.by_name(backend, &statement).await;
            (columns, _) = fields(&description.columns, &statement.sql, &scope);
        }
        Ok(Self { statement: Some(statement), params, fields: columns })
    }
}

fn known(oid: u32) -> Outcome<Type> {
    Type::from_oid(oid)
        .ok_or_else(|| Failure::error("42704", format!("type with OID {oid} does not exist")))
}

/// The tables of a statement, looked up once.
#[derive(Default)]
struct Tables(Option<Vec<Vec<Column>>>);

impl Tables {
    async fn columns(&mut self, backend: &mut Backend, statement: &Translation) -> &[Vec<Column>] {
        if self.0.is_none() {
            let mut tables = Vec::with_capacity(statement.tables.len());
            for table in &statement.tables {
                tables.push(backend.columns(table).await);
            }
            self.0 = Some(tables);
        }
        self.0.as_deref().unwrap_or_default()
    }

    /// The type of a parameter that the client did not tell: text, if nothing tells it.
    async fn param(&mut self, backend: &mut Backend, statement: &Translation, at: usize) -> Type {
        match statement.hints.get(at) {
            None | Some(Hint::None) => Type::TEXT,
            Some(Hint::Type(name)) => types::cast(name),
            Some(Hint::Column(name)) => {
                self.by_name(backend, statement).await.remove(name).flatten().unwrap_or(Type::TEXT)
            }
            Some(Hint::Place(place)) => {
                let table = self.columns(backend, statement).await.first();
                table.and_then(|columns| columns.get(*place)).map_or(Type::TEXT, of_column)
            }
        }
    }

    async fn by_name(
        &mut self,
        backend: &mut Backend,
        statement: &Translation,
    ) -> HashMap<String, Option<Type>> {
        let mut types: HashMap<String, Option<Type>> =
            ["rowid", "oid", "_rowid_"].map(|name| (name.to_owned(), Some(Type::INT8))).into();
        for column in self.columns(backend, statement).await.iter().flatten() {
            let ty = of_column(column);
            types
                .entry(column.name.to_ascii_lowercase())
                .and_modify(|known| *known = known.take().filter(|known| *known == ty))
                .or_insert(Some(ty));
        }
        types
    }
}

fn of_column(column: &Column) -> Type {
    column.decl_type.as_deref().map_or(Type::TEXT, types::declared)
}
