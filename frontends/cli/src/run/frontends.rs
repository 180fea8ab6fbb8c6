//! The front-ends of a node: those built in are bound here, all are started here.

use std::sync::Arc;

use anyhow::Result;
use ha_core::{Engine, Error, Frontend, Shutdown};
use ha_http::Http;
use ha_pg::Pg;
use tokio::task::JoinSet;

use super::lobby::Lobby;
use crate::config::{self, Config, reachable};

/// Opens the port of HTTP.
///
/// # Errors
/// It is in use.
pub(super) fn bind_http(http: &config::Http, config: &Config) -> Result<Arc<Http>> {
    let secret = |secret: &crate::secret::Secret| ha_http::Secret::new(secret.expose());
    // The default password would let everybody in beside the token.
    let pg = config.pg.as_ref().filter(|pg| pg.has_own_password());
    let basic = pg.map(|pg| (pg.user.clone(), secret(&pg.password)));
    Ok(Http::bind(ha_http::Options {
        listen: vec![http.address],
        token: http.token.as_ref().map(secret),
        basic,
        extra_hosts: http.allow_hosts.clone(),
        body_limit: http.max_body,
        limits: config.limits,
        max_connections: http.max_connections.get(),
        ..ha_http::Options::default()
    })?)
}

/// Opens the port of PostgreSQL.
///
/// # Errors
/// It is in use, or the files of TLS are not right.
pub(super) async fn bind_pg(pg: &config::Pg, config: &Config) -> Result<Arc<Pg>> {
    let tls = pg
        .tls
        .as_ref()
        .map(|tls| ha_pg::TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() });
    let options = ha_pg::Options {
        listen: pg.address.to_string(),
        user: pg.user.clone(),
        password: pg.password.expose().to_owned(),
        tls,
        max_connections: pg.max_connections.get(),
        statement_timeout: config.limits.time,
        max_message_bytes: pg.max_message,
        ..ha_pg::Options::default()
    };
    Ok(Pg::bind(options).await?)
}

/// Has a front-end serve what the lobby leads to, as a task.
pub(super) fn start(
    serving: &mut JoinSet<Result<(), Error>>,
    frontend: Arc<dyn Frontend>,
    lobby: &Arc<Lobby>,
    stopping: &Shutdown,
) {
    let engine = Arc::clone(lobby) as Arc<dyn Engine>;
    let stopping = stopping.clone();
    serving.spawn(async move {
        let name = frontend.to_string();
        let served = frontend.serve(engine, stopping).await;
        served.map_err(|error| Error::transport(name, error))
    });
}

/// What is refused of a built-in front-end is only told of another: whom it lets in is up to it.
pub(super) fn warn_of_exposure(config: &Config, name: &str, told: &str) {
    let Some(address) = reachable(told).filter(|_| !config.insecure) else { return };
    tracing::warn!(
        "{name} listens on {address}, which others can reach: whom it lets in is up to the plugin, \
         no --http-token or --pg-pass counts there (--insecure silences this)"
    );
}
