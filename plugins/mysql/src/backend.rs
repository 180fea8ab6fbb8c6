use std::sync::Arc;

use ha_core::{Batch, ResultSet, Session, Statement, TransactionOptions, TransactionState, Value};

use crate::Options;
use crate::connections::Connections;
use crate::dialect::{self, Command, Rewriter, Scope, Setting, Show, What, lex};
use crate::error::{Failure, Outcome, Report};
use crate::rows;
use crate::schema::definition;
use crate::wire::reply::{self, Done};
use crate::wire::types::{Field, Kind};

/// What a client's statements act on: its session, variables and transaction. Knows nothing of
/// sockets and packets.
pub(crate) struct Backend {
    pub(crate) session: Box<dyn Session>,
    pub(crate) scope: Scope,
    /// Whether statements commit by themselves outside of transactions.
    autocommit: bool,
    /// What SHOW WARNINGS shows: level, code, text.
    pub(crate) warnings: Vec<(&'static str, u16, String)>,
    options: Arc<Options>,
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
        Self { session, scope, autocommit: true, warnings: Vec::new(), options, connections }
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
        let tokens = statement(source)?;
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
                return Ok(rows_of(result));
            }
            Command::Write { inserts } => {
                self.open().await?;
                let sql = dialect::translate(&self.scope, &tokens, source)?;
                let deletes = tokens[0].is_any(&["DELETE", "TRUNCATE"]);
                let result = self.execute(vec![Statement::with(sql, params)]).await;
                let result = result.map_err(|e| if deletes { e.of_delete() } else { e })?;
                return Ok(self.written(result, inserts));
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
        let tokens = statement(source)?;
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

    fn written(&mut self, result: ResultSet, inserts: bool) -> Answer {
        if !result.columns.is_empty() {
            return rows_of(result);
        }
        let mut done = Done { affected: result.changes, ..Done::default() };
        if inserts && result.changes > 0 {
            // MySQL tells the first id of several, SQLite the last.
            let last = u64::try_from(result.last_insert_rowid).unwrap_or_default();
            done.insert_id = (last + 1).saturating_sub(result.changes);
            self.scope.last_insert_id = done.insert_id;
        }
        Answer::Done(done)
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

    async fn set(&mut self, settings: &[Setting], tokens: &[lex::Token<'_>]) -> Outcome<()> {
        for setting in settings {
            let value = &tokens[setting.value.clone()];
            let sql = self.value(value).await?;
            if setting.name.starts_with('@') && !setting.name.starts_with("@@") {
                self.scope.variables.set_user(&setting.name, sql);
                continue;
            }
            let on = match sql.trim_matches('\'').to_ascii_uppercase().as_str() {
                "1" | "ON" | "TRUE" => Some(true),
                "0" | "OFF" | "FALSE" => Some(false),
                _ => None,
            };
            if setting.name.trim_start_matches('@').to_ascii_lowercase().ends_with("autocommit") {
                let wrong = || Failure::new(1231, "42000", "autocommit is 0 or 1");
                let on = on.ok_or_else(wrong)?;
                if on && !self.autocommit {
                    self.commit().await?;
                }
                self.autocommit = on;
            }
            let sql = on.map_or(sql, |on| u8::from(on).to_string());
            self.scope.variables.set_system(&setting.name, sql)?;
        }
        Ok(())
    }

    /// The value that is set, as a literal. A bare word stands for itself.
    async fn value(&mut self, tokens: &[lex::Token<'_>]) -> Outcome<String> {
        if let [word] = tokens
            && word.kind == lex::Kind::Word
            && !word.is("NULL")
        {
            return Ok(dialect::literal(word.text));
        }
        let sql = Rewriter::new(&self.scope).expression(tokens)?;
        let result = self.query(format!("SELECT quote({sql})")).await?;
        let value = result.rows.first().and_then(|row| row.first());
        Ok(value.map(definition::text).unwrap_or_else(|| "NULL".into()))
    }

    async fn show(&mut self, show: &Show) -> Outcome<Answer> {
        if let Some(sql) = show.sql(&Rewriter::new(&self.scope))? {
            if let What::Columns { table, .. } | What::Index(table) = &show.what {
                definition::of(self, table).await?;
            }
            return self.query(sql).await.map(rows_of);
        }
        if let What::CreateTable(table) = &show.what {
            let (view, sql) = definition::of(self, table).await?;
            let names = if view { ["View", "Create View"] } else { ["Table", "Create Table"] };
            return Ok(Answer::Rows(texts(&names), vec![vec![table.as_str().into(), sql.into()]]));
        }
        let row = |(level, code, text): &(&'static str, u16, String)| {
            vec![Value::from(*level), i64::from(*code).into(), text.clone().into()]
        };
        let mut fields = texts(&["Level", "Code", "Message"]);
        fields[1].kind = Kind::BIG;
        Ok(Answer::Rows(fields, self.warnings.iter().map(row).collect()))
    }

    fn warn(&mut self, level: &'static str, report: &Report) {
        self.warnings = vec![(level, report.code, report.message.clone())];
    }
}

/// The tokens of the only statement of a text.
fn statement(source: &str) -> Outcome<Vec<lex::Token<'_>>> {
    let mut tokens = lex::tokens(source);
    while tokens.last().is_some_and(|token| token.symbol(";")) {
        tokens.pop();
    }
    let trigger =
        tokens.len() > 2 && tokens[0].is("CREATE") && tokens.iter().any(|t| t.is("TRIGGER"));
    match tokens.iter().position(|token| token.symbol(";")) {
        Some(at) if !trigger => Err(Failure::syntax(&source[tokens[at].at..])),
        _ => Ok(tokens),
    }
}

fn rows_of(result: ResultSet) -> Answer {
    if result.columns.is_empty() {
        return Answer::Done(Done { affected: result.changes, ..Done::default() });
    }
    Answer::Rows(rows::fields(&result), result.rows)
}

fn texts(names: &[&str]) -> Vec<Field> {
    let field =
        |name: &&str| Field { name: (*name).into(), table: String::new(), kind: Kind::TEXT };
    names.iter().map(field).collect()
}
