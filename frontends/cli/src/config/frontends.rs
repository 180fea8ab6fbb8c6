use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ha_core::{Error, Result};

use super::number;
use crate::args::{HttpArgs, NodeArgs, PgArgs};
use crate::secret::Secret;

/// The HTTP front-end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens; port 0 means a free one.
    pub address: SocketAddr,
    /// The bearer token clients have to send.
    pub token: Option<Secret>,
    /// Host names that clients may use besides addresses and `localhost`.
    pub allow_hosts: Vec<String>,
    /// How many connections are served at the same time.
    pub max_connections: NonZeroUsize,
    /// The largest request body in bytes.
    pub max_body: usize,
}

/// The PostgreSQL front-end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pg {
    /// Where it listens; port 0 means a free one.
    pub address: SocketAddr,
    /// The user clients log in as.
    pub user: String,
    /// The password clients log in with.
    pub password: Secret,
    /// TLS, if it is offered.
    pub tls: Option<Tls>,
    /// How many connections are served at the same time.
    pub max_connections: NonZeroUsize,
    /// The largest message in bytes.
    pub max_message: usize,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Pg {
    /// Whether the password is one that only the user's clients know: the default and none
    /// are not.
    #[must_use]
    pub fn has_own_password(&self) -> bool {
        !["", "ha"].contains(&self.password.expose())
    }
}

/// The built-in front-ends that are wanted and have a port.
pub(super) fn choose(
    node: &NodeArgs,
    http: HttpArgs,
    pg: PgArgs,
    max_body: usize,
) -> Result<(Option<Http>, Option<Pg>)> {
    let names = &node.frontend.0;
    let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
    let http = wanted("http").then(|| Http {
        address: SocketAddr::new(node.host, http.port),
        token: http.http_token.0,
        allow_hosts: http.http_allow_host.0,
        max_connections: http.http_max_connections,
        max_body,
    });
    let pg = pg_frontend(node, pg, max_body)?.filter(|_| wanted("pg"));
    Ok((http, pg))
}

fn pg_frontend(node: &NodeArgs, args: PgArgs, max_message: usize) -> Result<Option<Pg>> {
    let tls = match (args.pg_cert.0, args.pg_key.0) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        (None, None) => None,
        (Some(_), None) => return Err(Error::config("--pg-cert", "needs --pg-key beside it")),
        (None, Some(_)) => return Err(Error::config("--pg-key", "needs --pg-cert beside it")),
    };
    Ok(number(args.pg_port).map(|port| Pg {
        address: SocketAddr::new(node.host, port),
        user: args.pg_user,
        password: args.pg_pass,
        tls,
        max_connections: args.pg_max_connections,
        max_message,
    }))
}
