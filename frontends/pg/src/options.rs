use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::time::Duration;

use ha_core::Limits;

/// How the front-end listens, whom it lets in and what a client may use.
#[derive(Clone)]
pub struct Options {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// The only user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// Offers TLS with this certificate. Clients may still connect without.
    pub tls: Option<TlsFiles>,
    /// More connections than these are refused with SQLSTATE 53300.
    pub max_connections: usize,
    /// The time from the first byte to a successful login.
    pub startup_timeout: Duration,
    /// The default of the setting `statement_timeout`; `None` is no limit.
    pub statement_timeout: Option<Duration>,
    /// Messages of clients above this size end the connection.
    pub max_message_bytes: usize,
    /// Rows of one result.
    pub max_rows: Option<usize>,
    /// Bytes of the results of one statement.
    pub max_result_bytes: Option<usize>,
    /// How long running statements may take when the node stops.
    pub stop_timeout: Duration,
}

/// The PEM files that TLS needs.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

impl Options {
    /// The limits of a statement.
    pub(crate) fn limits(&self, time: Option<Duration>) -> Limits {
        Limits { time, rows: self.max_rows, bytes: self.max_result_bytes }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:5432".into(),
            user: "ha".into(),
            password: "ha".into(),
            tls: None,
            max_connections: 200,
            startup_timeout: Duration::from_secs(60),
            statement_timeout: Some(Duration::from_secs(30)),
            max_message_bytes: 16 << 20,
            max_rows: None,
            max_result_bytes: Some(256 << 20),
            stop_timeout: Duration::from_secs(15),
        }
    }
}

impl Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("user", &self.user)
            .field("password", &"…")
            .field("tls", &self.tls)
            .field("max_connections", &self.max_connections)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_printed() {
        let options = Options { password: "secret-word".into(), ..Options::default() };
        assert!(!format!("{options:?}").contains("secret-word"));
    }
}
