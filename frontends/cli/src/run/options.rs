//! What the configuration and the database file mean for a node.

use anyhow::Result;
use ha_core::Error;
use ha_engine::{BeginAt, Found, NodeOptions, Retention, SnapshotOptions};

use super::storage::Place;
use crate::config::{Config, Policy, Replication, StartPolicy};

/// How the node is to be.
///
/// # Errors
/// A place to begin at is given, and the file has one.
pub(super) fn of_node(config: &Config, place: &Place, found: Found) -> Result<NodeOptions> {
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
