use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ha_core::{Error, Result};

use crate::credentials::Address;

/// How to reach a stream and how to make it if it is missing.
#[derive(Clone)]
pub struct Options {
    /// One or more servers of a cluster, separated by commas: `nats://host:port` or
    /// `tls://host:port`. A user and password, or a token, may stand before the host, as in
    /// `nats://token@host`; all servers share them.
    pub url: String,
    /// A token, used if the URL carries no credentials.
    pub token: Option<String>,
    /// A user and password, used if the URL carries no credentials.
    pub user_password: Option<(String, String)>,
    /// A credentials file (JWT and key), as `nsc` makes it.
    pub credentials: Option<PathBuf>,
    /// The stream's name, which is its only subject too.
    pub stream: String,
    /// Only when the stream is made: entries older than this are dropped by the server. `None`
    /// leaves it to [`ha_core::ChangeTransport::trim`].
    pub max_age: Option<Duration>,
    /// Only when the stream or the bucket is made: how many servers store it.
    pub replicas: usize,
    /// How long to wait for a connection at the start and for each answer.
    pub timeout: Duration,
    /// Whether the servers sync before they acknowledge, which cannot be asked of them.
    pub synced: bool,
    /// How long the remains of a broken upload of a snapshot are kept. Far longer than an upload
    /// ever stands still: what is older is taken for broken.
    pub orphan_age: Duration,
    /// The name the server shows for the connections.
    pub name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            token: None,
            user_password: None,
            credentials: None,
            stream: "ha_replication".to_owned(),
            max_age: None,
            replicas: 1,
            timeout: Duration::from_secs(5),
            synced: false,
            orphan_age: Duration::from_secs(6 * 3600),
            name: "ha".to_owned(),
        }
    }
}

impl Options {
    /// Says what is wrong before anything is connected.
    pub(crate) fn check(&self) -> Result<()> {
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
        if self.stream.is_empty() || self.stream.contains(is_bad) {
            let reason = format!("{:?} is not a name for a stream and subject", self.stream);
            return Err(Error::config("stream", reason));
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(Error::config("replicas", "a stream has 1 to 5 replicas"));
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &Address::redact(&self.url))
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("user_password", &self.user_password.as_ref().map(|_| "***"))
            .field("credentials", &self.credentials)
            .field("stream", &self.stream)
            .field("max_age", &self.max_age)
            .field("replicas", &self.replicas)
            .field("timeout", &self.timeout)
            .field("synced", &self.synced)
            .field("orphan_age", &self.orphan_age)
            .field("name", &self.name)
            .finish()
    }
}
