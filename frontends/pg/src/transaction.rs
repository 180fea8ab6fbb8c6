use ha_core::{TransactionOptions, TransactionState};
use pgwire::error::ErrorInfo;
use pgwire::messages::response::TransactionStatus;

use crate::backend::Backend;
use crate::dialect::{Command, Translation};
use crate::error::{Failure, Outcome, info};

/// Where a connection stands between BEGIN and COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Transaction {
    /// In none.
    #[default]
    None,
    /// In one that was opened for several statements of a query string, or of a pipeline, and
    /// ends with them.
    Implicit,
    /// In one that the client opened.
    Open,
    /// In one of the client's in which a statement failed.
    Failed,
}

impl Transaction {
    /// What ReadyForQuery tells.
    pub(crate) fn status(self) -> TransactionStatus {
        match self {
            Self::None | Self::Implicit => TransactionStatus::Idle,
            Self::Open => TransactionStatus::Transaction,
            Self::Failed => TransactionStatus::Error,
        }
    }

    /// Whether BEGIN was said.
    pub(crate) fn is_block(self) -> bool {
        matches!(self, Self::Open | Self::Failed)
    }
}

impl Backend {
    /// Notes that something failed: an implicit transaction is gone, an open one waits for
    /// ROLLBACK.
    pub(crate) async fn fail(&mut self) {
        match self.transaction {
            Transaction::Implicit => self.abandon().await,
            Transaction::Open => self.transaction = Transaction::Failed,
            Transaction::None | Transaction::Failed => {}
        }
    }

    /// Commits an implicit transaction, if there is one.
    pub(crate) async fn finish(&mut self) -> Outcome<()> {
        match self.transaction {
            Transaction::Implicit => self.commit().await,
            _ => Ok(()),
        }
    }

    /// Opens one.
    pub(crate) async fn open(&mut self, read_only: bool) -> Outcome<()> {
        let limits = self.options.limits(self.settings.statement_timeout());
        let reads = self.settings.reads();
        let options = TransactionOptions { read_only, limits, reads, hides_rowids: true };
        self.session.begin(options).await?;
        self.saved = Some(self.settings.clone());
        Ok(())
    }

    /// BEGIN. Gives back the tag, as the others do.
    pub(crate) async fn begin(
        &mut self,
        read_only: bool,
        tag: &'static str,
    ) -> Outcome<&'static str> {
        match self.transaction {
            Transaction::None => self.open(read_only).await?,
            Transaction::Implicit if read_only => {
                let text = "READ ONLY must be said before any query of the transaction";
                return Err(Failure::error("25001", text));
            }
            // The statements before it are part of the transaction, as in PostgreSQL.
            Transaction::Implicit => {}
            Transaction::Open | Transaction::Failed => self.notices.push(already_open()),
        }
        self.transaction = Transaction::Open;
        Ok(tag)
    }

    /// COMMIT, which rolls back what has failed.
    pub(crate) async fn end_by_commit(&mut self) -> Outcome<&'static str> {
        if !self.transaction.is_block() {
            self.notices.push(none_open());
        }
        match self.transaction {
            Transaction::None => {}
            Transaction::Implicit | Transaction::Open => self.commit().await?,
            Transaction::Failed => return Ok(self.end_by_rollback().await),
        }
        Ok("COMMIT")
    }

    async fn commit(&mut self) -> Outcome<()> {
        self.transaction = Transaction::None;
        let result = self.session.commit().await;
        match (&result, self.saved.take()) {
            (Err(_), Some(saved)) => self.settings = saved,
            _ => self.settings.end_transaction(),
        }
        self.position = Some(result.map_err(Failure::from)?);
        Ok(())
    }

    /// ROLLBACK.
    pub(crate) async fn end_by_rollback(&mut self) -> &'static str {
        if !self.transaction.is_block() {
            self.notices.push(none_open());
        }
        self.abandon().await;
        "ROLLBACK"
    }

    /// Rolls back whatever is open.
    async fn abandon(&mut self) {
        if self.transaction != Transaction::None
            && let Err(error) = self.session.rollback().await
        {
            // Nothing of the transaction is left; the next call tells what is wrong.
            tracing::warn!(%error, "rollback failed");
        }
        self.transaction = Transaction::None;
        if let Some(saved) = self.saved.take() {
            self.settings = saved;
        }
    }

    /// SAVEPOINT, RELEASE and ROLLBACK TO.
    pub(crate) async fn savepoint(
        &mut self,
        statement: &Translation,
        tag: &'static str,
    ) -> Outcome<&'static str> {
        if !self.transaction.is_block() {
            let info = only_in_transactions(name(&statement.command));
            return Err(Failure::error("25P01", info.message));
        }
        if self.session.transaction() == TransactionState::Lost {
            return Err(Failure::aborted());
        }
        self.run(&statement.sql, Vec::new()).await?;
        self.transaction = Transaction::Open;
        Ok(tag)
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Release => "RELEASE SAVEPOINT",
        Command::RollbackTo => "ROLLBACK TO SAVEPOINT",
        _ => "SAVEPOINT",
    }
}

/// The warning for BEGIN in a transaction.
fn already_open() -> ErrorInfo {
    info("WARNING", "25001", "there is already a transaction in progress")
}

/// The warning for COMMIT or ROLLBACK without one.
fn none_open() -> ErrorInfo {
    info("WARNING", "25P01", "there is no transaction in progress")
}

/// The warning for what only matters inside a transaction.
pub(crate) fn only_in_transactions(command: &str) -> ErrorInfo {
    let text = format!("{command} can only be used in transaction blocks");
    info("WARNING", "25P01", text)
}
