use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event};
use ha_core::{Error, Result};
use tokio::sync::watch;

use crate::Options;
use crate::credentials::Address;

/// How often the connection is probed. Two unanswered probes end it, which bounds how long a
/// silent partition lasts after the network is well again.
const PROBE: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to reconnect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection to the servers, which comes back by itself for ever. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// What sends.
    pub(crate) client: Client,
    /// How often the connection was lost.
    losses: watch::Receiver<u64>,
}

impl Link {
    /// Connects; an error if no server can be reached now.
    pub(crate) async fn open(address: &Address, options: &Options, use_: &str) -> Result<Self> {
        let (sender, losses) = watch::channel(0);
        let connect = settings(options, use_, Arc::new(sender));
        let connect = match &options.credentials {
            Some(file) => connect.credentials_file(file).await.map_err(|error| {
                Error::config("credentials", format!("{}: {error}", file.display()))
            })?,
            None => address.log_in(connect),
        };
        let connected = connect.connect(&address.servers[..]).await;
        let client = connected.map_err(|error| {
            Error::transport(format!("NATS at {}", Address::redact(&options.url)), error)
        })?;
        Ok(Self { client, losses })
    }

    /// Whether the connection stands, as far as is known.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Tells of losses of the connection from now on.
    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        let mut losses = self.losses.clone();
        losses.mark_unchanged();
        losses
    }

    /// Asks, and asks again whenever the connection is lost before the answer. For questions
    /// that may be asked twice.
    pub(crate) async fn ask<T, F: Future<Output = T>>(&self, question: impl Fn() -> F) -> T {
        loop {
            let mut losses = self.losses();
            tokio::select! {
                biased;
                answer = question() => return answer,
                _ = losses.changed() => {}
            }
        }
    }

    /// Sends what is waiting and ends the connection.
    pub(crate) async fn close(&self) {
        // An error means that it has ended already.
        let _ = self.client.drain().await;
    }
}

fn settings(options: &Options, use_: &str, losses: Arc<watch::Sender<u64>>) -> ConnectOptions {
    ConnectOptions::new()
        .name(format!("{} ({use_})", options.name))
        .connection_timeout(options.timeout)
        .request_timeout(Some(options.timeout))
        .ping_interval(PROBE)
        .max_reconnects(None)
        .reconnect_delay_callback(pause)
        .event_callback(move |event| {
            let losses = Arc::clone(&losses);
            async move { note(&event, &losses) }
        })
}

fn note(event: &Event, losses: &watch::Sender<u64>) {
    match event {
        Event::Disconnected => {
            losses.send_modify(|count| *count += 1);
            tracing::warn!("connection to NATS lost");
        }
        Event::Connected => tracing::info!("connected to NATS"),
        other => tracing::debug!("NATS connection: {other}"),
    }
}

/// None before the first attempt, then 10 ms, doubled each time up to the longest.
fn pause(attempt: usize) -> Duration {
    match u32::try_from(attempt).unwrap_or(u32::MAX) {
        0 | 1 => Duration::ZERO,
        more => {
            Duration::from_millis(10).saturating_mul(1 << (more - 2).min(10)).min(LONGEST_PAUSE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second() {
        let pauses: Vec<_> = [1, 2, 3, 4, 100, usize::MAX].map(|n| pause(n).as_millis()).into();
        assert_eq!(pauses, [0, 10, 20, 40, 1000, 1000]);
    }
}
