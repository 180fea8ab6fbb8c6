//! Putting a node together, and taking it apart again.

mod lobby;
mod roll_call;
mod storage;
mod transport;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ha_core::{ChangeTransport, Engine, Error, Frontend, Readiness, Shutdown};
use ha_engine::{BeginAt, Found, Node, NodeOptions, Retention, SnapshotOptions};
use ha_http::Http;
use ha_pg::Pg;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::{Config, Policy, Replication, StartPolicy};
use crate::plugins::Plugins;
use lobby::Lobby;
use storage::Place;

/// How long a call that blocks, above all a plugin's opener, may keep a node that has stopped.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Runs a node until SIGTERM or SIGINT, then finishes what is in flight.
///
/// # Errors
/// What keeps the node from starting, what ends a front-end, and a panic of a plugin's transport.
pub fn run(config: Config, plugins: Plugins) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(config, plugins));
    runtime.shutdown_timeout(LEFT_BEHIND);
    ended
}

async fn serve(config: Config, plugins: Plugins) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Bound first: a port in use is an error before anything is changed.
    let http = config.http.as_ref().map(|http| bind_http(http, &config)).transpose()?;
    let pg = match &config.pg {
        Some(pg) => Some(bind_pg(pg, &config).await?),
        None => None,
    };
    let others = tokio::select! {
        opened = plugins.open_frontends(&config.plugins.frontends) => opened?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let place = Place::open(&config.database).context("open the database")?;
    let found = ha_engine::inspect(place.path())?;
    let lobby = Lobby::new(&config.node, found, config.replication.timeout);
    let (stop, stopping) = Shutdown::new();
    let mut serving = JoinSet::new();
    if let Some(http) = http {
        tracing::info!("HTTP on {}", http.local_addr());
        start(&mut serving, http, &lobby, &stopping);
    }
    if let Some(pg) = pg {
        tracing::info!("PostgreSQL on {}", pg.local_addr());
        start(&mut serving, pg, &lobby, &stopping);
    }
    for (name, frontend) in others {
        tracing::info!("{name}: {frontend}");
        start(&mut serving, frontend, &lobby, &stopping);
    }
    let mut begun = None;
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(result) = serving.join_next() => flatten(result),
        panic = plugins.transport_panic(&config.transport) => Err(anyhow!(panic)),
        ended = work(&config, &plugins, &place, found, &lobby, &mut begun) => ended,
    };
    tracing::info!("stopping");
    stop.trigger();
    let stopped = stopped(serving, begun).await;
    // What ended the node explains what goes wrong afterwards.
    ended.and(stopped)
}

/// Waits for the front-ends to finish, then ends the node and its transport.
async fn stopped(
    mut serving: JoinSet<Result<(), Error>>,
    begun: Option<(Arc<Node>, Arc<dyn ChangeTransport>)>,
) -> Result<()> {
    while let Some(result) = serving.join_next().await {
        flatten(result)?;
    }
    if let Some((node, transport)) = begun {
        node.stop().await;
        transport.close().await?;
    }
    Ok(())
}

/// Opens the log and starts the node, then says how it is for as long as it is there. Ends only
/// with an error.
async fn work(
    config: &Config,
    plugins: &Plugins,
    place: &Place,
    found: Found,
    lobby: &Lobby,
    begun: &mut Option<(Arc<Node>, Arc<dyn ChangeTransport>)>,
) -> Result<()> {
    let options = node_options(config, place, found)?;
    let opening = transport::open(config, plugins, found, &options);
    let transport::Opened { transport, log } = tokio::select! {
        opened = opening => opened?,
        never = tell_what_is_waited_for(config, lobby) => match never {},
    };
    lobby.wait_for("the node is starting: it compares its database with the log".to_owned());
    let start = async || Node::start(options.clone(), Arc::clone(&transport)).await;
    let node = match once_reachable(start).await {
        Ok(node) => node,
        Err(error) => {
            let _ = transport.close().await;
            return Err(error.into());
        }
    };
    if let Some(log) = log {
        roll_call::answer(&log, &node).await;
    }
    tracing::info!("replication by {transport}");
    lobby.open(&node);
    *begun = Some((Arc::clone(&node), transport));
    report(node).await
}

/// What `begin` gives, tried again for as long as the log is out of reach, as a cluster's is for
/// the moment of an election: it was there when it was opened.
async fn once_reachable<T>(begin: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match begin().await {
            Err(error @ (Error::Transport { .. } | Error::NotSent(_))) => {
                tracing::warn!(%error, "waiting for the log");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            begun => return begun,
        }
    }
}

/// Keeps the lobby informed of which members of the cluster are missing.
async fn tell_what_is_waited_for(config: &Config, lobby: &Lobby) -> Infallible {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lobby.wait_for(transport::waited_for(config).await);
    }
}

fn start(
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

fn flatten(result: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<()> {
    result.context("a front-end ended abnormally")?.map_err(Into::into)
}

/// Logs when the node becomes ready, or is not any more.
async fn report(node: Arc<Node>) -> Result<()> {
    let mut known = None;
    loop {
        let status = node.status();
        if known.as_ref() != Some(&status.readiness) {
            match &status.readiness {
                Readiness::Ready => tracing::info!(position = %status.position, "ready"),
                Readiness::Waiting(reason) => tracing::warn!("not ready: {reason}"),
                Readiness::Stopped(reason) => tracing::error!("stopped: {reason}"),
            }
            known = Some(status.readiness);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn bind_http(http: &crate::config::Http, config: &Config) -> Result<Arc<Http>> {
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

async fn bind_pg(pg: &crate::config::Pg, config: &Config) -> Result<Arc<Pg>> {
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

fn node_options(config: &Config, place: &Place, found: Found) -> Result<NodeOptions> {
    let begin_at = begin_at(&config.replication, found)?;
    let open = &config.database.open;
    Ok(NodeOptions {
        scratch: place.is_scratch(),
        lost: place.lost(&config.node),
        foreign_keys: open.foreign_keys,
        cache_size: open.cache_size,
        extensions: config.database.extensions.clone(),
        readers: config.database.concurrent_queries.get(),
        replication_timeout: config.replication.timeout,
        max_transaction_bytes: config.max_transaction_bytes,
        idle_timeout: config.transaction_idle_timeout,
        new_lineage: config.replication.new_lineage,
        compat_v007: config.replication.compat.is_some(),
        audit_interval: config.replication.audit_interval,
        begin_at,
        snapshots: snapshots(&config.replication),
        retention: Retention {
            max_age: config.replication.max_age,
            max_bytes: config.replication.max_bytes,
        },
        read_only: open.read_only.then(|| "the database was opened with mode=ro".to_owned()),
        ..NodeOptions::new(config.node.clone(), place.path())
    })
}

/// Beside nodes of v0.0.7 the server drops what is old by itself, so that it has to be covered
/// in time.
fn snapshots(replication: &Replication) -> Option<SnapshotOptions> {
    let Replication { snapshot_interval, snapshot_bytes, .. } = *replication;
    let dropped_at = replication.max_age.filter(|_| replication.compat.is_some());
    let some = snapshot_interval.is_some() || snapshot_bytes.is_some() || dropped_at.is_some();
    let every = SnapshotOptions::every(snapshot_interval, snapshot_bytes);
    some.then_some(SnapshotOptions { dropped_at, ..every })
}

/// Where a node begins whose file has no position. One in the file says where it goes on, and wins
/// over its name; a policy beside it is a mistake.
fn begin_at(replication: &Replication, found: Found) -> Result<BeginAt, Error> {
    match (replication.policy, found) {
        (StartPolicy::Default | StartPolicy::Given(Policy::All), _)
        | (StartPolicy::FileName(_), Found::Position(_)) => Ok(BeginAt::Beginning),
        (StartPolicy::Given(_), Found::Position(token)) => Err(Error::config(
            "--replication-policy",
            format!(
                "the database file has a position ({token}) and goes on there; leave the flag out"
            ),
        )),
        (StartPolicy::Given(policy), Found::Foreign(_) | Found::Nothing) => Ok(place(policy)),
        // A backup of v0.0.7, which told the time by its name.
        (StartPolicy::FileName(policy), Found::Foreign(_)) if replication.compat.is_some() => {
            Ok(place(policy))
        }
        (StartPolicy::FileName(_), Found::Foreign(_) | Found::Nothing) => Ok(BeginAt::Beginning),
    }
}

fn place(policy: Policy) -> BeginAt {
    match policy {
        Policy::All => BeginAt::Beginning,
        Policy::Last => BeginAt::Last,
        Policy::New => BeginAt::New,
        Policy::BySequence(seq) => BeginAt::Sequence(seq),
        Policy::ByTime(moment) => BeginAt::Time(moment.into()),
    }
}
