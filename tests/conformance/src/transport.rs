//! The checks of a transport. Each takes a fixture and panics if a promise is broken.

pub mod append;
pub mod close;
pub mod parts;
pub mod snapshot;
pub mod store;
pub mod subscribe;

use std::time::Duration;

/// Far more than any check takes; only a transport that hangs gets there.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a check; one that hangs fails.
pub async fn run(check: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, check).await.expect("the check does not hang");
}
