//! Snapshots that a test stores.

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use ha_core::{ChangeTransport, Engine, RunningHash, Seq, SnapshotMeta};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::Running;

/// The node's state as a file, and where it stands.
pub(crate) async fn state(node: &Running) -> (Vec<u8>, Seq, RunningHash) {
    let chunks: Vec<_> = node.node.snapshot().await.unwrap().body.try_collect().await.unwrap();
    let (body, dir) = (chunks.concat(), TempDir::new().unwrap());
    let path = dir.path().join("db");
    std::fs::write(&path, &body).unwrap();
    let (seq, hash) = position(&Connection::open(path).unwrap());
    (body, seq, hash)
}

pub(crate) fn position(conn: &Connection) -> (Seq, RunningHash) {
    conn.query_row("SELECT seq, hash FROM _ha_position", [], |row| {
        let seq: i64 = row.get(0)?;
        Ok((Seq(seq.unsigned_abs()), RunningHash(row.get(1)?)))
    })
    .unwrap()
}

pub(crate) async fn put(
    node: &Running,
    body: Vec<u8>,
    seq: Seq,
    hash: RunningHash,
) -> SnapshotMeta {
    let lineage = node.transport.bounds().await.unwrap().lineage;
    let digest = Sha256::digest(&body).into();
    let meta = SnapshotMeta { digest, bytes: body.len() as u64, lineage, seq, hash };
    let chunks = stream::iter([Ok(Bytes::from(body))]).boxed();
    node.transport.put_snapshot(meta.clone(), chunks).await.unwrap();
    meta
}

/// Stores the node's state as a snapshot.
pub(crate) async fn store(node: &Running) -> SnapshotMeta {
    let (body, seq, hash) = state(node).await;
    put(node, body, seq, hash).await
}
