//! Clients that each send the next request when the last one was answered.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

/// How many errors a client survives; whatever is wrong then will not get better.
const PATIENCE: u64 = 10;

/// A connection that sends one kind of request.
pub(crate) trait Client: Send + 'static {
    /// Sends a request about the row `key` and waits for its reply; an error if the reply is
    /// not the right one.
    fn request(&mut self, key: i64) -> impl Future<Output = Result<()>> + Send;
}

/// What came of a workload.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the first request to the last reply.
    pub(crate) elapsed: Duration,
    /// Of successful requests, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// The keys of successful requests.
    pub(crate) acknowledged: Vec<i64>,
    /// How many requests failed.
    pub(crate) errors: u64,
    /// What the first failed request said.
    pub(crate) first_error: Option<String>,
}

impl Outcome {
    fn new() -> Result<Self> {
        Ok(Self {
            elapsed: Duration::ZERO,
            // Three digits of any duration.
            latency: Histogram::new(3)?,
            acknowledged: Vec::new(),
            errors: 0,
            first_error: None,
        })
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.latency.add(other.latency)?;
        self.acknowledged.extend(other.acknowledged);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        Ok(())
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// Lets all clients send requests for `time`. Each has an endless supply of keys.
pub(crate) async fn drive<C: Client, K>(clients: Vec<(C, K)>, time: Duration) -> Result<Outcome>
where
    K: Iterator<Item = i64> + Send + 'static,
{
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (client, keys) in clients {
        running.spawn(send(client, keys, start + time));
    }
    let mut all = Outcome::new()?;
    while let Some(outcome) = running.join_next().await {
        all.add(outcome.context("a client ended abnormally")??)?;
    }
    all.elapsed = start.elapsed();
    Ok(all)
}

async fn send<C: Client>(
    mut client: C,
    keys: impl Iterator<Item = i64>,
    end: Instant,
) -> Result<Outcome> {
    let mut outcome = Outcome::new()?;
    for key in keys {
        let start = Instant::now();
        if start >= end || outcome.errors >= PATIENCE {
            break;
        }
        match client.request(key).await {
            Ok(()) => {
                let micros = u64::try_from(start.elapsed().as_micros())?;
                outcome.latency.record(micros)?;
                outcome.acknowledged.push(key);
            }
            Err(error) => outcome.fail(&error),
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::ensure;

    struct OnlyEven;

    impl Client for OnlyEven {
        async fn request(&mut self, key: i64) -> Result<()> {
            tokio::task::yield_now().await;
            ensure!(key % 2 == 0, "{key} is odd");
            Ok(())
        }
    }

    #[tokio::test]
    async fn replies_and_errors_of_all_clients_are_counted() {
        let clients = vec![(OnlyEven, 0..4), (OnlyEven, 10..13)];
        let mut outcome = drive(clients, Duration::from_secs(60)).await.unwrap();
        outcome.acknowledged.sort_unstable();
        assert_eq!(outcome.acknowledged, [0, 2, 10, 12]);
        assert_eq!(outcome.latency.len(), 4);
        assert_eq!(outcome.errors, 3);
        assert!(outcome.first_error.unwrap().ends_with("is odd"));
    }

    #[tokio::test]
    async fn a_client_gives_up_after_many_errors_and_all_end_with_the_time() {
        let outcome = drive(vec![(OnlyEven, std::iter::repeat(1))], Duration::MAX / 4).await;
        assert_eq!(outcome.unwrap().errors, PATIENCE);
        let endless = vec![(OnlyEven, (0..).step_by(2))];
        assert_eq!(drive(endless, Duration::from_millis(5)).await.unwrap().errors, 0);
    }
}
