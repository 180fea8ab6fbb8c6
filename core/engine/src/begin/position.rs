use std::sync::Arc;

use ha_core::{Bounds, ChangeTransport, Error, Result, Seq};

use super::base::{self, Source};
use super::{Start, policy, resume};
use crate::heal::{Attempts, Healer, Healing, KeptFile};
use crate::machine::Identity;
use crate::options::NodeOptions;
use crate::store::Record;
use crate::writer::Problem;

/// A file with a position: it goes on there if the log does, or the log can be made to.
pub(super) async fn with_position(
    record: Record,
    options: &NodeOptions,
    identity: &Identity,
    transport: &Arc<dyn ChangeTransport>,
    bounds: &Bounds,
    file: &KeptFile,
) -> Result<Start> {
    if record.position.seq == Seq::ZERO {
        return Ok(resume(record, bounds));
    }
    let attempts = Attempts { boot: identity.boot, round: 0 };
    let healer = |position| {
        let (log, lost) = (Arc::clone(transport), options.lost.clone());
        Healer::new(log, file.clone(), lost, position, attempts)
    };
    let record = under_its_lineage(record, &healer(record.position), bounds).await?;
    let position = record.position;
    let other_log = bounds.lineage != position.lineage;
    let partial = file.partial_since().await?;
    if let Some(first) = partial.filter(|_| other_log) {
        return Err(Error::config(
            options.path.display().to_string(),
            policy::why_read_only(first),
        ));
    }
    if other_log && bounds.last == Seq::ZERO && (options.own_stream || options.new_lineage) {
        tracing::warn!(
            database = %options.path.display(),
            position = %position.seq,
            lineage = %position.lineage,
            "the stream is new and empty: this database becomes the base of a new log"
        );
        return base::make(options, identity, transport, bounds, Source::Log(position)).await;
    }
    match healer(position).heal().await? {
        Healing::Adopt { position, payload, end } => {
            let record = Record { position, transactions: 0 };
            Ok(Start { entry: Some(payload), end, ..resume(record, bounds) })
        }
        _ if options.new_lineage => Err(begun_already(bounds)),
        // What the next part means is found out when it comes.
        Healing::Sound | Healing::Inside(_) => {
            Ok(Start { end: transport.bounds().await?.last, partial, ..resume(record, bounds) })
        }
        Healing::Renamed(_) => Err(Error::transport("the stream", "it was made again just now")),
        Healing::Reseed(reseed) => {
            Ok(Start { problem: Some(Problem::Reseed(reseed)), ..resume(record, bounds) })
        }
        Healing::Stop(reason) => {
            Ok(Start { problem: Some(Problem::Misfit(reason)), ..resume(record, bounds) })
        }
    }
}

/// The record under the log's lineage, if it is the log that was followed under another one.
async fn under_its_lineage(record: Record, healer: &Healer, bounds: &Bounds) -> Result<Record> {
    let mut position = record.position;
    if bounds.lineage != position.lineage && healer.is_same_log(bounds).await? {
        tracing::warn!(lineage = %bounds.lineage, "the stream is the same, its server takes it for a younger one");
        position.lineage = bounds.lineage;
    }
    Ok(Record { position, ..record })
}

fn begun_already(bounds: &Bounds) -> Error {
    Error::config(
        "--new-lineage",
        format!(
            "the stream already holds a log (lineage {}, entries {} to {}); a new one begins only on an empty stream",
            bounds.lineage, bounds.first, bounds.last
        ),
    )
}
