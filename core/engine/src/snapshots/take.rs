//! Taking a snapshot: from a reading connection, so that nobody waits for it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ha_core::{ChangeTransport, Error, Result, SnapshotMeta};
use ha_sqlite::error;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use zstd::stream::write::Encoder;

use super::{Room, check};
use crate::host;
use crate::readers::{Reader, Readers};
use crate::snapshot;
use crate::store::Record;

/// Pages that are copied at a time: 8 MB.
const PAGES: i32 = 2_000;

/// The page size of all snapshots: that of the databases that nodes make.
const PAGE_SIZE: u32 = 4096;

/// zstd's default: about a third of a core's second for 100 MB.
const LEVEL: i32 = 3;

const CHUNK: usize = 256 << 10;

/// So many bytes are brought to the disk at a time. Who syncs a file of his own may wait for all
/// that others have written and not synced.
const UNSYNCED: u64 = 8 << 20;

/// Ends what works for a task on another thread when the task is dropped.
#[derive(Debug, Default)]
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stores the node's state as a snapshot. The transport has read it back and compared it.
pub(super) async fn take(
    transport: &Arc<dyn ChangeTransport>,
    readers: &Arc<Readers>,
    room: &Room,
) -> Result<SnapshotMeta> {
    let begun = Instant::now();
    let ends = Ends::default();
    let (mut lent, stop, room) = (readers.lend_for_long(), Arc::clone(&ends.0), room.clone());
    let packed = host::blocking(move || pack(lent.reader()?, &room, &stop)).await??;
    drop(ends);
    let Packed { meta, file, bytes } = packed;
    let packing = begun.elapsed();
    transport.put_snapshot(meta.clone(), snapshot::body(file)?).await?;
    tracing::info!(
        position = %meta.seq,
        bytes,
        stored_bytes = meta.bytes,
        packing_seconds = packing.as_secs_f64(),
        seconds = begun.elapsed().as_secs_f64(),
        "a snapshot is stored"
    );
    Ok(meta)
}

struct Packed {
    meta: SnapshotMeta,
    file: NamedTempFile,
    /// Before they were compressed.
    bytes: u64,
}

/// The state of a reading connection in a compressed file. Blocks.
fn pack(reader: &mut Reader, room: &Room, stop: &AtomicBool) -> Result<Packed> {
    let (copied, record) = copy(reader, room, stop)?;
    let copied = of_usual_pages(copied, room)?;
    check::sound(copied.path(), room)?;
    let (file, digest) = compress(copied.as_file(), room, stop)?;
    let length = |file: &File| file.metadata().map(|metadata| metadata.len());
    let failed = |failure: std::io::Error| Error::io("read a temporary file", &failure);
    let bytes = length(copied.as_file()).map_err(failed)?;
    let position = record.position;
    let meta = SnapshotMeta {
        digest,
        bytes: length(file.as_file()).map_err(failed)?,
        lineage: position.lineage,
        seq: position.seq,
        hash: position.hash,
    };
    Ok(Packed { meta, file, bytes })
}

fn copy(reader: &mut Reader, room: &Room, stop: &AtomicBool) -> Result<(NamedTempFile, Record)> {
    let file = room.file()?;
    reader.begin()?;
    let record = reader.record()?;
    let copied = reader.trusted(|conn| copy_all(conn, &file, stop));
    reader.end()?;
    if copied? { Ok((file, record)) } else { Err(Error::Closed) }
}

/// Copies the open snapshot; `false` if it was stopped.
fn copy_all(
    source: &Connection,
    target: &NamedTempFile,
    stop: &AtomicBool,
) -> rusqlite::Result<bool> {
    let mut copy = Connection::open(target.path())?;
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")?;
    {
        let backup = Backup::new(source, &mut copy)?;
        while backup.step(PAGES)? != StepResult::Done {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            // Only others gain by it, and only if it succeeds.
            let _ = target.as_file().sync_data();
        }
    }
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    Ok(true)
}

/// `VACUUM INTO` keeps the rowids, as `VACUUM` does not.
fn of_usual_pages(copied: NamedTempFile, room: &Room) -> Result<NamedTempFile> {
    let conn = Connection::open(copied.path()).map_err(error)?;
    let size: u32 = conn.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(error)?;
    if size == PAGE_SIZE {
        return Ok(copied);
    }
    let usual = room.file()?;
    conn.execute_batch(&format!("PRAGMA page_size = {PAGE_SIZE}"))
        .and_then(|()| conn.execute("VACUUM INTO ?1", [usual.path().to_string_lossy()]))
        .map_err(error)?;
    Ok(usual)
}

/// The file compressed, and the SHA-256 of that.
fn compress(source: &File, room: &Room, stop: &AtomicBool) -> Result<(NamedTempFile, [u8; 32])> {
    let failed = |failure: std::io::Error| Error::io("write a temporary file", &failure);
    let packed = room.file()?;
    let out = packed.reopen().map_err(failed)?;
    let out = Digesting { out, digest: Sha256::new(), unsynced: 0 };
    let mut encoder = Encoder::new(out, LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    // The copy may have been replaced under its name.
    let mut source = BufReader::with_capacity(CHUNK, source.try_clone().map_err(failed)?);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = source.read(&mut chunk).map_err(failed)?;
        if read == 0 {
            let digest = encoder.finish().map_err(failed)?.digest;
            return Ok((packed, digest.finalize().into()));
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        encoder.write_all(&chunk[..read]).map_err(failed)?;
    }
}

/// A file that knows the digest of what was written to it.
struct Digesting {
    out: File,
    digest: Sha256,
    unsynced: u64,
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.unsynced += written as u64;
        if self.unsynced >= UNSYNCED {
            self.out.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
