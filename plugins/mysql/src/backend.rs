use std::sync::Arc;

use ha_core::{Batch, ResultSet, Session, Statement, TransactionOptions, TransactionState, Value};

use crate::Options;
use crate::connections::Connections;
use crate::dialect::{self, Command, Scope, What, lex};
use crate::error::{Failure, Outcome, Report};
use crate::rows;
use crate::wire::reply::{self, Done};
use crate::wire::types::Field;

/// What a client's statements act on: its session, variables and transaction. Knows nothing of
/// sockets and packets.
pub(crate) struct Backend {
    pub(crate) session: Box<dyn Session>,
    pub(crate) scope: Scope,
    /// Whether statements commit by themselves outside of transactions.
    pub(crate) autocommit: bool,
    /// What SHOW WARNINGS shows: level, code, text.
    pub(crate) warnings: Vec<(&'static str, u16, String)>,
    pub(crate) options: Arc<Options>,
    connections: Arc<Connections>,
}

/// What a statement gives.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Done),
    Rows(Vec<Field>, Vec<Vec<Value>>),
}

impl Backend {
    pub(crate) fn new(
        session: Box<dyn Session>,
        scope: Scope,
        options: Arc<Options>,
        connections: Arc<Connections>,
    ) -> Self {
        let warnings = Vec::new();
        let mut new = Self { session, scope, autocommit: true, warnings, options, connections };
        new.begin_timeouts();
        new
    }

    /// The server status that every answer tells.
    pub(crate) fn status(&self) -> u16 {
        let open = self.session.transaction() != TransactionState::None;
        u16::from(self.autocommit) * reply::AUTOCOMMIT + u16::from(open) * reply::IN_TRANSACTION
    }

    /// COM_RESET_CONNECTION: as after login.
    pub(crate) async fn reset(&mut self) -> Outcome<()> {
        self.session.rollback().await?;
        let Scope { database, user, host, id, .. } = std::mem::take(&mut self.scope);
        self.scope = Scope { database, user, host, id, ..Scope::default() };
        self.begin_timeouts();
        self.autocommit = true;
        self.warnings.clear();
        Ok(())
    }

    /// Runs a statement of a client.
    pub(crate) async fn run(&mut self, source: &str, params: Vec<Value>) -> Outcome<Answer> {
        let result = self.perform(source, params).await;
        if self.session.transaction() == TransactionState::Lost {
            self.session.rollback().await?;
        }
        match &result {
            Ok(Answer::Done(done)) => {
                self.scope.row_count = i64::try_from(done.affected).unwrap_or(i64::MAX);
            }
            Ok(Answer::Rows(_, rows)) => {
                self.scope.row_count = -1;
                self.scope.found_rows = rows.len() as u64;
            }
            Err(Failure::Report(report)) => self.warn("Error", report),
            Err(Failure::Gone) => {}
        }
        result
    }

    async fn perform(&mut self, source: &str, params: Vec<Value>) -> Outcome<Answer> {
        let tokens = dialect::statement(source)?;
        if tokens.is_empty() {
            return Err(Failure::new(1065, "42000", "Query was empty"));
        }
        let command = Command::read(&tokens)?;
        if !matches!(&command, Command::Show(show) if show.what == What::Warnings) {
            self.warnings.clear();
        }
        match command {
            Command::Read => {
                self.open().await?;
                let sql = dialect::translate(&self.scope, &tokens, source)?;
                let result = self.execute(vec![Statement::with(sql, params)]).await?;
                return Ok(result.into());
            }
            Command::Write { inserts } => {
                self.open().await?;
                let sql = dialect::translate(&self.scope, &tokens, source)?;
                let deletes = tokens[0].is_any(&["DELETE", "TRUNCATE"]);
                if inserts && dialect::ids_are_in_rows(&tokens) {
                    return self.insert(sql, params).await;
                }
                let result = self.execute(vec![Statement::with(sql, params)]).await;
                let result = result.map_err(|e| if deletes { e.of_delete() } else { e })?;
                // Counted back: MySQL tells the first id of several, SQLite the last.
                let id = result.last_insert_rowid.saturating_sub(result.changes as i64 - 1);
                return Ok(self.written(result, inserts.then_some(id)));
            }
            Command::Ddl(ddl) => self.define(ddl, &tokens, source).await?,
            Command::Begin { read_only } => {
                self.commit().await?;
                self.begin(read_only).await?;
            }
            Command::Commit => self.commit().await?,
            Command::Rollback => self.session.rollback().await?,
            Command::Savepoint(name) => self.savepoint("SAVEPOINT", &name).await?,
            Command::Release(name) => self.savepoint("RELEASE", &name).await?,
            Command::RollbackTo(name) => self.savepoint("ROLLBACK TO", &name).await?,
            Command::Use(name) => self.scope.database = name,
            Command::Set(settings) => self.set(&settings, &tokens).await?,
            Command::Show(show) => return self.show(&show).await,
            Command::Kill { query, id } => self.connections.kill(id, query)?,
            Command::Nothing => {}
        }
        let warnings = self.warnings.len() as u16;
        Ok(Answer::Done(Done { warnings, ..Done::default() }))
    }

    /// What a statement would return, as far as it can be told.
    pub(crate) async fn describe(&mut self, source: &str) -> Outcome<(usize, Vec<Field>)> {
        let tokens = dialect::statement(source)?;
        let params = tokens.iter().filter(|t| matches!(t.kind, lex::Kind::Param(_))).count();
        let columns = match Command::read(&tokens)? {
            Command::Read | Command::Write { .. } => {
                let sql = dialect::translate(&self.scope, &tokens, source)?;
                rows::described(&self.session.describe(&sql).await?.columns)
            }
            _ => Vec::new(),
        };
        Ok((params, columns))
    }

    /// A query of the front-end's own, in the transaction if one is open.
    pub(crate) async fn query(&mut self, sql: String) -> Outcome<ResultSet> {
        self.execute(vec![Statement::new(sql)]).await
    }

    /// Statements without results that succeed or fail together.
    pub(crate) async fn run_all(&mut self, statements: Vec<String>) -> Outcome<()> {
        self.execute(statements.into_iter().map(Statement::new).collect()).await.map(drop)
    }

    async fn execute(&mut self, statements: Vec<Statement>) -> Outcome<ResultSet> {
        let limits = self.options.limits();
        let batch = Batch { statements, limits, ..Batch::default() };
        Ok(self.session.run(batch).await?.results.pop().unwrap_or_default())
    }

    /// Inserts rows, of which the first one tells its id: SQLite itself knows the last one only,
    /// and none of a row that was changed instead.
    async fn insert(&mut self, sql: String, params: Vec<Value>) -> Outcome<Answer> {
        let telling = Statement::with(format!("{sql} RETURNING rowid"), params.clone());
        let mut result = match self.execute(vec![telling]).await {
            // A table that another front-end made WITHOUT ROWID.
            Err(Failure::Report(report)) if report.message.ends_with("no such column: rowid") => {
                self.execute(vec![Statement::with(sql, params)]).await?
            }
            result => result?,
        };
        let id = match result.rows.first().and_then(|row| row.first()) {
            Some(Value::Integer(id)) => *id,
            _ => 0,
        };
        (result.columns, result.rows) = Default::default();
        Ok(self.written(result, Some(id)))
    }

    /// `id` is the first one of an INSERT.
    fn written(&mut self, result: ResultSet, id: Option<i64>) -> Answer {
        let changes = result.changes;
        let mut answer = Answer::from(result);
        if let (Answer::Done(done), Some(id), 1..) = (&mut answer, id, changes) {
            done.insert_id = u64::try_from(id).unwrap_or_default();
            self.scope.last_insert_id = done.insert_id;
        }
        answer
    }

    /// Without autocommit, a transaction begins with the first statement.
    async fn open(&mut self) -> Outcome<()> {
        if !self.autocommit && self.session.transaction() == TransactionState::None {
            self.begin(false).await?;
        }
        Ok(())
    }

    pub(crate) async fn begin(&mut self, read_only: bool) -> Outcome<()> {
        let limits = self.options.limits();
        let options = TransactionOptions { read_only, limits, ..TransactionOptions::default() };
        Ok(self.session.begin(options).await?)
    }

    /// Commits what is open.
    pub(crate) async fn commit(&mut self) -> Outcome<()> {
        if self.session.transaction() != TransactionState::None {
            self.session.commit().await?;
        }
        Ok(())
    }

    async fn savepoint(&mut self, verb: &str, name: &str) -> Outcome<()> {
        self.open().await?;
        let open = self.session.transaction() != TransactionState::None;
        if !open && verb == "SAVEPOINT" {
            return Ok(());
        }
        let missing = || Failure::new(1305, "42000", format!("SAVEPOINT {name} does not exist"));
        if !open {
            return Err(missing());
        }
        let run = self.run_all(vec![format!("{verb} {}", dialect::quoted(name))]).await;
        run.map_err(|failure| match failure {
            Failure::Report(report) if report.code == 1305 => missing(),
            failure => failure,
        })
    }

    fn warn(&mut self, level: &'static str, report: &Report) {
        self.warnings = vec![(level, report.code, report.message.clone())];
    }
}

impl From<ResultSet> for Answer {
    fn from(result: ResultSet) -> Self {
        if result.columns.is_empty() {
            return Self::Done(Done { affected: result.changes, ..Done::default() });
        }
        Self::Rows(rows::fields(&result), result.rows)
    }
}
