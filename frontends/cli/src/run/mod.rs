//! Putting a node together, and taking it apart again.

mod frontends;
mod lobby;
mod options;
mod roll_call;
mod storage;
mod transport;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ha_core::{ChangeTransport, Engine as _, Error, Readiness, Shutdown};
use ha_engine::{Found, Node};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::plugins::Plugins;
use frontends::{bind_http, bind_pg, start, warn_of_exposure};
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
        warn_of_exposure(&config, &name, &frontend.to_string());
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
    let options = options::of_node(config, place, found)?;
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

fn flatten(result: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<()> {
    result.context("a front-end ended abnormally")?.map_err(Into::into)
}

/// Logs when the node becomes ready, or is not any more; not each time that only a number of the reason
/// is another one.
async fn report(node: Arc<Node>) -> Result<()> {
    let mut known = None;
    loop {
        let status = node.status();
        let kind = kind(&status.readiness);
        if known.as_ref() != Some(&kind) {
            match &status.readiness {
                Readiness::Ready => tracing::info!(position = %status.position, "ready"),
                Readiness::Waiting(reason) => tracing::warn!("not ready: {reason}"),
                Readiness::Stopped(reason) => tracing::error!("stopped: {reason}"),
            }
            known = Some(kind);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What is the same while the numbers move.
fn kind(readiness: &Readiness) -> String {
    let (state, reason) = match readiness {
        Readiness::Ready => ("ready", ""),
        Readiness::Waiting(reason) => ("waiting", reason.as_str()),
        Readiness::Stopped(reason) => ("stopped", reason.as_str()),
    };
    let words =
        reason.split(|letter: char| letter.is_ascii_digit()).filter(|part| !part.is_empty());
    std::iter::once(state).chain(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_while_only_its_numbers_move() {
        let waiting = |reason: &str| kind(&Readiness::Waiting(reason.to_owned()));
        assert_eq!(waiting("at 1 of 17"), waiting("at 16 of 17"));
        assert_ne!(waiting("at 1 of 17"), waiting("at 1 of 17, gaining"));
        assert_ne!(waiting("at 1 of 17"), kind(&Readiness::Stopped("at 1 of 17".to_owned())));
        assert_ne!(waiting(""), kind(&Readiness::Ready));
    }
}
