use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ha_core::Limits;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How the front-end is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen, at least one address; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// What a client has to send as `Authorization: Bearer <token>`. `None` lets everybody in.
    pub token: Option<Secret>,
    /// A user and password that are accepted as HTTP Basic in place of the token. Without a
    /// token it has no effect.
    pub basic: Option<(String, Secret)>,
    /// Names, without a port, that a client may use for this node besides IP addresses and
    /// `localhost`; `*` allows every name. See `--http-allow-host`.
    pub extra_hosts: Vec<String>,
    /// Bytes of a request's body.
    pub body_limit: usize,
    /// What one request may use. `rows` bounds the number of statements as well.
    pub limits: Limits,
    /// Connections at a time on each address; more wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take for the head of a request, and again for its body. A
    /// connection that is idle for so long is closed.
    pub read_timeout: Duration,
    /// How long a client may leave a reply unread; the connection is closed then.
    pub write_timeout: Duration,
    /// How long requests in flight may take once a stop is requested.
    pub stop_timeout: Duration,
    /// The name of a backup is the time and this, as in `2026-11-23 01:36:21_ha.db`.
    pub name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            token: None,
            basic: None,
            extra_hosts: Vec::new(),
            body_limit: 8 << 20,
            limits: Limits {
                time: Some(Duration::from_secs(30)),
                rows: Some(100_000),
                bytes: Some(64 << 20),
            },
            max_connections: 1024,
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(15),
            name: "ha".to_owned(),
        }
    }
}

/// A token or password. Only its SHA-256 is kept, and it is never shown.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Keeps the digest of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether `text` is the secret. How long that takes tells nothing about the secret.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.ct_eq(&Self::new(text).0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_knows_itself_and_is_not_shown() {
        let options = Options { token: Some(Secret::new("canary")), ..Options::default() };
        assert!(!format!("{options:?}").contains("canary"));
        let token = options.token.unwrap();
        assert!(token.is("canary"));
        assert!(!token.is("canarz") && !token.is("") && !token.is("canary "));
    }
}
