//! What a client is told when a request fails.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use ha_core::Error;
use serde::Serialize;

use crate::codes;

/// Names the transaction whose outcome is unknown.
pub(crate) const TRANSACTION: HeaderName = HeaderName::from_static("x-ha-transaction");

/// Why a request fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The body is no JSON of the expected shape, or did not arrive.
    Malformed(String),
    /// The engine's, or what is told like it.
    Engine(Error),
    /// The credentials are missing or wrong; the challenge tells which are accepted.
    Unauthorized(&'static str),
    /// The request comes from where it must not come from.
    Forbidden(String),
    /// Nothing is there.
    NotFound(String),
    /// The path knows these methods only.
    Method(&'static str),
    /// The body took longer to arrive than this.
    SlowBody(Duration),
}

/// How failures are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As v0.0.7 did: the message as plain text, 500 for everything that is wrong with the SQL.
    Plain,
    /// A status for each kind, and [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) bodies.
    Problem,
}

impl Style {
    /// The style of a path.
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("/v1/") { Self::Problem } else { Self::Plain }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl Failure {
    /// The reply that tells it.
    pub(crate) fn into_response(self, style: Style) -> Response<Body> {
        let status = self.status(style);
        let (content_type, body) = match style {
            Style::Plain => {
                ("text/plain; charset=utf-8", format!("{}\n", self.detail()).into_bytes())
            }
            Style::Problem => ("application/problem+json", self.problem(status)),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(self.header());
        response
    }

    fn status(&self, style: Style) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Engine(error) => engine_status(error, style),
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Malformed(text) | Self::Forbidden(text) | Self::NotFound(text) => text.clone(),
            Self::Engine(error) => error.to_string(),
            Self::Unauthorized(_) => "the credentials are missing or wrong".to_owned(),
            Self::Method(_) => "Method Not Allowed".to_owned(),
            Self::SlowBody(limit) => format!("the body did not arrive within {limit:?}"),
        }
    }

    fn problem(&self, status: StatusCode) -> Vec<u8> {
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
            code: match self {
                Self::Engine(Error::Sql { code, .. }) => Some(codes::name(*code)),
                _ => None,
            },
            transaction: self.transaction(),
        };
        // Strings and a number have no way to fail.
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    fn transaction(&self) -> Option<String> {
        match self {
            Self::Engine(Error::OutcomeUnknown(name)) => Some(name.to_string()),
            _ => None,
        }
    }

    /// The header that goes with the kind.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized(challenge) => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)))
            }
            Self::Method(allowed) => Some((ALLOW, HeaderValue::from_static(allowed))),
            Self::Engine(Error::OutcomeUnknown(_)) => {
                let name = HeaderValue::try_from(self.transaction()?).ok()?;
                Some((TRANSACTION, name))
            }
            Self::Engine(Error::NotSent(_) | Error::NotReady(_)) => {
                Some((RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => None,
        }
    }
}

fn engine_status(error: &Error, style: Style) -> StatusCode {
    match error {
        Error::Conflict => StatusCode::CONFLICT,
        Error::OtherLog { .. } => StatusCode::PRECONDITION_FAILED,
        Error::KeyReused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::OutcomeUnknown(_) => StatusCode::GATEWAY_TIMEOUT,
        Error::Timeout(_) => StatusCode::REQUEST_TIMEOUT,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::NotSent(_)
        | Error::NotReady(_)
        | Error::ReadOnly(_)
        | Error::Interrupted
        | Error::Closed => StatusCode::SERVICE_UNAVAILABLE,
        _ if style == Style::Plain => StatusCode::INTERNAL_SERVER_ERROR,
        Error::Sql { .. } | Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::NotAllowed(_) => StatusCode::FORBIDDEN,
        Error::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A body of RFC 9457; `code` and `transaction` are extensions.
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
}

#[cfg(test)]
mod tests {
    use ha_core::Lineage;

    use super::*;

    #[test]
    fn each_kind_of_error_has_its_status() {
        let sql = Error::Sql { code: 1, message: "m".to_owned(), offset: None };
        let too_large = Error::TooLarge { what: "w".into(), limit: 1, hint: "h".into() };
        let (token, lineage) = ("00000000000000aa-7.1".parse().unwrap(), Lineage([1; 8]));
        let other_log = Error::OtherLog { token, lineage, kept: None };
        let cases = [
            (sql, 500, 400),
            (Error::invalid("x"), 500, 400),
            (Error::NotAllowed("x".to_owned()), 500, 403),
            (Error::Unsupported("x".to_owned()), 500, 501),
            (Error::Conflict, 409, 409),
            (Error::KeyReused("k".to_owned()), 422, 422),
            (other_log, 412, 412),
            (Error::NotSent("x".to_owned()), 503, 503),
            (Error::NotReady("x".to_owned()), 503, 503),
            (Error::ReadOnly("x".to_owned()), 503, 503),
            (Error::Closed, 503, 503),
            (Error::Timeout(Duration::from_secs(1)), 408, 408),
            (too_large, 413, 413),
            (Error::Corrupt("x".to_owned()), 500, 500),
        ];
        for (error, plain, problem) in cases {
            assert_eq!(engine_status(&error, Style::Plain), plain, "{error}");
            assert_eq!(engine_status(&error, Style::Problem), problem, "{error}");
        }
    }
}
