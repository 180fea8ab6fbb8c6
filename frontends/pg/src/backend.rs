use std::sync::Arc;

use ha_core::{Batch, Column, Error, ResultSet, Session, Statement, Token, Value};
use pgwire::api::Type;
use pgwire::error::ErrorInfo;

use crate::Options;
use crate::answer::{Answer, Field, Tag};
use crate::dialect::{Command, Identity, Translation, Verb};
use crate::error::{Failure, Outcome};
use crate::settings::Settings;
use crate::transaction::{Transaction, only_in_transactions};

/// What a client's commands act on: its session, settings and transaction. Knows nothing of
/// sockets and messages.
pub(crate) struct Backend {
    pub(crate) session: Box<dyn Session>,
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
    pub(crate) transaction: Transaction,
    /// Warnings that the client has not been told.
    pub(crate) notices: Vec<ErrorInfo>,
    /// The settings as they were at BEGIN, for ROLLBACK.
    pub(crate) saved: Option<Settings>,
    /// The newest position that the session has read or made.
    pub(crate) position: Option<Token>,
    pub(crate) options: Arc<Options>,
}

/// What a statement did, before its result has types.
pub(crate) enum Performed {
    /// A command of the front-end's own.
    Answer(Answer),
    /// The engine's result, and its tag.
    Result(ResultSet, Tag),
}

impl Backend {
    pub(crate) fn new(
        session: Box<dyn Session>,
        settings: Settings,
        identity: Identity,
        options: Arc<Options>,
    ) -> Self {
        let (transaction, notices) = (Transaction::None, Vec::new());
        Self {
            session,
            settings,
            identity,
            transaction,
            notices,
            saved: None,
            position: None,
            options,
        }
    }

    /// Does what a statement asks for. Unless `alone` is set, an implicit transaction is opened
    /// for a statement that is in none, which [`Self::finish`] commits. After an error the
    /// caller owes a [`Self::fail`].
    pub(crate) async fn perform(
        &mut self,
        statement: &Translation,
        params: Vec<Value>,
        alone: bool,
    ) -> Outcome<Performed> {
        let command = &statement.command;
        let ends = matches!(command, Command::Commit | Command::Rollback | Command::RollbackTo);
        if self.transaction == Transaction::Failed && !ends {
            return Err(Failure::aborted());
        }
        let tag = match command {
            Command::Sql(verb) => {
                let result = self.sql(statement, params, alone).await?;
                let tag = tag(verb, &result);
                return Ok(Performed::Result(result, tag));
            }
            Command::Begin { read_only, tag } => self.begin(*read_only, tag).await?,
            Command::Commit => self.end_by_commit().await?,
            Command::Rollback => self.end_by_rollback().await,
            Command::Savepoint => self.savepoint(statement, "SAVEPOINT").await?,
            Command::Release => self.savepoint(statement, "RELEASE").await?,
            Command::RollbackTo => self.savepoint(statement, "ROLLBACK").await?,
            Command::Set { local: true, .. } if self.transaction == Transaction::None => {
                self.notices.push(only_in_transactions("SET LOCAL"));
                "SET"
            }
            Command::Set { name, value, local } => {
                self.settings.set(name, value.as_deref(), *local)?;
                if value.is_some() { "SET" } else { "RESET" }
            }
            Command::Isolation => "SET",
            Command::Show(name) => return self.show(name.as_deref()).map(Performed::Answer),
            Command::ResetAll => {
                self.settings.reset_all();
                "RESET"
            }
            Command::Discard(tag) => self.discard(tag)?,
            Command::Deallocate(name) => match name {
                Some(_) => "DEALLOCATE",
                None => "DEALLOCATE ALL",
            },
            Command::Nothing(tag) => tag,
        };
        Ok(Performed::Answer(Answer::done(tag)))
    }

    /// What a statement that returns rows without the engine returns.
    pub(crate) fn fields_of(&self, command: &Command) -> Outcome<Vec<Field>> {
        let text = |name: &str| Field::new(name, Type::TEXT);
        match command {
            Command::Show(Some(name)) => Ok(vec![text(self.settings.get(name)?.0)]),
            Command::Show(None) => Ok(vec![text("name"), text("setting"), text("description")]),
            _ => Ok(Vec::new()),
        }
    }

    /// The columns of a table, or none if there is no such table.
    pub(crate) async fn columns(&mut self, table: &str) -> Vec<Column> {
        let sql = format!("SELECT * FROM {}", crate::dialect::quoted(table));
        self.session.describe(&sql).await.map(|description| description.columns).unwrap_or_default()
    }

    async fn sql(
        &mut self,
        statement: &Translation,
        params: Vec<Value>,
        alone: bool,
    ) -> Outcome<ResultSet> {
        if self.transaction == Transaction::None && !alone {
            self.open(false).await?;
            self.transaction = Transaction::Implicit;
        }
        let run = self.run(&statement.sql, params).await;
        run.map_err(|error| {
            let offset = match &error {
                Error::Sql { offset, .. } => *offset,
                _ => None,
            };
            Failure::from(error).at(statement.position(offset))
        })
    }

    /// Runs SQL in whatever transaction is open.
    pub(crate) async fn run(
        &mut self,
        sql: &str,
        params: Vec<Value>,
    ) -> ha_core::Result<ResultSet> {
        let limits = self.options.limits(self.settings.statement_timeout());
        let statements = vec![Statement::with(sql, params)];
        let reads = self.settings.reads();
        let batch = Batch { statements, limits, reads, ..Batch::default() };
        let mut reply = self.session.run(batch).await?;
        self.position = Some(reply.position);
        Ok(reply.results.pop().unwrap_or_default())
    }

    fn show(&mut self, name: Option<&str>) -> Outcome<Answer> {
        if let Some(position) = self.position {
            self.settings.note_position(position);
        }
        let rows = match name {
            Some(name) => vec![vec![self.settings.get(name)?.1.into()]],
            None => self
                .settings
                .all()
                .map(|(name, value)| vec![name.into(), value.into(), "".into()])
                .collect(),
        };
        let fields = self.fields_of(&Command::Show(name.map(str::to_owned)))?;
        Ok(Answer { fields, rows, tag: Tag::Fixed("SHOW".into()) })
    }

    fn discard(&mut self, tag: &'static str) -> Outcome<&'static str> {
        if self.transaction != Transaction::None {
            let text = "DISCARD ALL cannot run inside a transaction block";
            return Err(Failure::error("25001", text));
        }
        self.settings.reset_all();
        Ok(tag)
    }
}

/// The tag of the engine's result. Rows that are returned are counted when they are sent.
fn tag(verb: &Verb, result: &ResultSet) -> Tag {
    if result.columns.is_empty() {
        let tag = match verb {
            Verb::Select => "PRAGMA".to_owned(),
            verb => verb.tag(result.changes),
        };
        Tag::Fixed(tag)
    } else {
        Tag::Rows(verb.clone())
    }
}
