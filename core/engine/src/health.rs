use std::future::Future;
use std::time::Duration;

use ha_core::{
    AuditOutcome, ChangeTransport, Difference, Engine, Health, Result, Seq, Skipped, SnapshotMeta,
    TransportHealth,
};
use rusqlite::Connection;

use crate::Node;
use crate::audit::{Judged, Verdict};
use crate::shared::LastAudit;

/// How long the log is asked for.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many of the skipped entries are told.
const NEWEST: i64 = 10;

impl Node {
    /// What [`Engine::health`] tells.
    pub(crate) async fn detail(&self) -> Health {
        let (log, snapshot, skipped, transport) = tokio::join!(
            within(self.transport.bounds()),
            within(newest(&*self.transport)),
            self.skipped(),
            tokio::time::timeout(PATIENCE, self.transport.health()),
        );
        let unknown = || TransportHealth { name: self.transport.to_string(), ..Default::default() };
        let audit = self.shared.last_audit().map(outcome);
        Health {
            log,
            skipped: skipped.unwrap_or_default(),
            audit,
            snapshot: snapshot.flatten(),
            transport: transport.unwrap_or_else(|_| unknown()),
            status: self.status(),
        }
    }

    /// What the database says; nothing is asked of a disk that does not answer.
    async fn skipped(&self) -> Option<(u64, Vec<Skipped>)> {
        match self.shared.stall.reason() {
            Some(_) => None,
            None => within(self.read(skipped)).await,
        }
    }
}

async fn within<T>(asked: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

async fn newest(transport: &dyn ChangeTransport) -> Result<Option<SnapshotMeta>> {
    if !transport.capabilities().snapshots {
        return Ok(None);
    }
    Ok(transport.snapshots().await?.into_iter().next())
}

/// How many entries were skipped, and the newest of them.
pub(crate) fn skipped(conn: &Connection) -> rusqlite::Result<(u64, Vec<Skipped>)> {
    let count: i64 = conn.query_row("SELECT count(*) FROM _ha_skipped", [], |row| row.get(0))?;
    let newest = conn
        .prepare("SELECT seq, reason FROM _ha_skipped ORDER BY seq DESC LIMIT ?1")?
        .query_map([NEWEST], |row| {
            let seq: i64 = row.get(0)?;
            Ok(Skipped { seq: Seq(seq.unsigned_abs()), reason: row.get(1)? })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((count.unsigned_abs(), newest))
}

fn outcome(last: LastAudit) -> AuditOutcome {
    let LastAudit { at, judged: Judged { mark, reports, verdict } } = last;
    let difference = match verdict {
        Verdict::Agree => None,
        Verdict::OthersDiffer { nodes, tables } => Some(Difference { nodes, tables, here: false }),
        Verdict::Differs { nodes, tables, .. } => Some(Difference { nodes, tables, here: true }),
    };
    AuditOutcome { mark, at, nodes: reports, difference }
}
