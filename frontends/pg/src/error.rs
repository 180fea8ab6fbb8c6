//! What a client is told that did not get what it asked for.

use ha_core::Error;
use pgwire::error::{ErrorInfo, PgWireError};

use crate::sqlstate::{name_the_culprit, sqlstate};

/// The result of what a connection does.
pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

/// Why a connection could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is told; unless it is fatal, the connection goes on.
    Report(Box<ErrorInfo>),
    /// There is nobody left to tell.
    Gone,
}

impl Failure {
    /// An error.
    pub(crate) fn error(code: &str, message: impl Into<String>) -> Self {
        Self::Report(Box::new(info("ERROR", code, message)))
    }

    /// An error after which the connection is closed.
    pub(crate) fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self::Report(Box::new(info("FATAL", code, message)))
    }

    /// What is not there yet.
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::error("0A000", what)
    }

    /// A message that breaks the protocol.
    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::error("08P01", what)
    }

    /// Any statement but ROLLBACK in a transaction that failed.
    pub(crate) fn aborted() -> Self {
        let message =
            "current transaction is aborted, commands ignored until end of transaction block";
        Self::error("25P02", message)
    }

    /// Adds where in the client's text the error is, counted in characters from 1.
    pub(crate) fn at(mut self, position: Option<usize>) -> Self {
        if let (Self::Report(info), Some(position)) = (&mut self, position) {
            info.position = Some(position.to_string());
        }
        self
    }

    /// The same error, but it ends the connection.
    pub(crate) fn into_fatal(mut self) -> Self {
        if let Self::Report(info) = &mut self {
            info.severity = "FATAL".into();
            info.severity_nonlocalized = Some("FATAL".into());
        }
        self
    }
}

/// A notice or an error with both forms of the severity.
pub(crate) fn info(severity: &str, code: &str, message: impl Into<String>) -> ErrorInfo {
    let mut info = ErrorInfo::new(severity.to_owned(), code.to_owned(), message.into());
    info.severity_nonlocalized = Some(severity.to_owned());
    info
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl From<PgWireError> for Failure {
    fn from(error: PgWireError) -> Self {
        match error {
            PgWireError::IoError(_) => Self::Gone,
            PgWireError::InvalidPassword(user) => {
                Self::fatal("28P01", format!("password authentication failed for user \"{user}\""))
            }
            error if error.is_fatal() => Self::fatal(error.code(), error.to_string()),
            error => Self::error(error.code(), error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = sqlstate(&error);
        let mut info = info("ERROR", &code, error.to_string());
        match &error {
            Error::Sql { code, message, .. } => name_the_culprit(&mut info, *code, message),
            Error::TooLarge { hint, .. } => info.hint = Some(hint.clone()),
            Error::OutcomeUnknown(name) => info.detail = Some(format!("transaction: {name}")),
            _ => {}
        }
        Self::Report(Box::new(info))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(error: Error) -> Box<ErrorInfo> {
        match Failure::from(error) {
            Failure::Report(info) => info,
            Failure::Gone => panic!("a report is expected"),
        }
    }

    fn sql(code: i32, message: &str) -> Box<ErrorInfo> {
        report(Error::Sql { code, message: message.into(), offset: None })
    }

    #[test]
    fn constraints_are_named() {
        let unique = sql(2067, "UNIQUE constraint failed: users.email");
        assert_eq!(unique.code, "23505");
        assert_eq!(unique.table.as_deref(), Some("users"));
        assert_eq!(unique.column.as_deref(), Some("email"));
        assert_eq!(unique.constraint.as_deref(), Some("users_email_key"));
        let both = sql(1555, "UNIQUE constraint failed: t.a, t.b");
        assert_eq!((both.constraint.as_deref(), both.column.as_deref()), (Some("t_pkey"), None));
        let check = sql(275, "CHECK constraint failed: positive");
        assert_eq!((&*check.code, check.constraint.as_deref()), ("23514", Some("positive")));
        let index = sql(2067, "UNIQUE constraint failed: index 'lower_name'");
        assert_eq!(index.constraint.as_deref(), Some("lower_name"));
    }

    #[test]
    fn words_of_sqlite_have_a_meaning() {
        assert_eq!(sql(1, "no such table: t").code, "42P01");
        assert_eq!(sql(1, "table t has no column named x").code, "42703");
        assert_eq!(sql(1, "near \"x\": syntax error").code, "42601");
        assert_eq!(sql(1, "table t already exists").code, "42P07");
        assert_eq!(sql(9, "interrupted").code, "57014");
    }

    #[test]
    fn what_became_of_a_write_can_be_told_from_the_code() {
        let name = "00000000000000aa-7.00000000000000bb.1";
        let unknown = report(Error::OutcomeUnknown(name.parse().unwrap()));
        assert_eq!(unknown.code, "08007");
        assert!(unknown.message.contains(name), "{}", unknown.message);
        assert_eq!(report(Error::Conflict).code, "40001");
        assert_eq!(report(Error::NotSent("cut off".into())).code, "08006");
        assert_eq!(report(Error::NotReady("behind".into())).code, "57P03");
        assert_eq!(report(Error::ReadOnly("a copy".into())).code, "25006");
        assert_eq!(report(Error::IdleTransaction(Duration::from_secs(5))).code, "25P03");
        assert_eq!(report(Error::NotAllowed("ATTACH".into())).code, "42501");
        let conflict = report(Error::Conflict);
        assert_eq!(conflict.severity_nonlocalized.as_deref(), Some("ERROR"));
    }
}
