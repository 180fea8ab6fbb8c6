use pgwire::error::ErrorInfo;
use pgwire::messages::response::TransactionStatus;

use crate::error::info;

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

/// The warning for BEGIN in a transaction.
pub(crate) fn already_open() -> ErrorInfo {
    info("WARNING", "25001", "there is already a transaction in progress")
}

/// The warning for COMMIT or ROLLBACK without one.
pub(crate) fn none_open() -> ErrorInfo {
    info("WARNING", "25P01", "there is no transaction in progress")
}
