//! From the stored form of a snapshot to a file: SQLite's bytes, or these compressed by zstd.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use ha_core::{Error, Result, SnapshotMeta};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Receiver;
use zstd::stream::write::Decoder;

/// What a zstd frame begins with (RFC 8878, 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Writes the database that the chunks are, and compares them with their description.
/// Blocks; the chunks end when their sender is dropped.
pub(super) fn unpack(mut chunks: Receiver<Bytes>, meta: &SnapshotMeta, file: File) -> Result<()> {
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut out = Out::Undecided(file, Vec::new());
    while let Some(chunk) = chunks.blocking_recv() {
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        if bytes > meta.bytes {
            return Err(differs());
        }
        out = out.write(&chunk)?;
    }
    if bytes != meta.bytes || digest.finalize()[..] != meta.digest {
        return Err(differs());
    }
    out.finish()
}

enum Out {
    /// Too few bytes to tell.
    Undecided(File, Vec<u8>),
    Plain(File),
    Packed(Decoder<'static, File>),
}

impl Out {
    fn write(self, chunk: &[u8]) -> Result<Self> {
        match self {
            Self::Undecided(file, mut start) => {
                start.extend_from_slice(chunk);
                if start.len() < ZSTD.len() {
                    return Ok(Self::Undecided(file, start));
                }
                Self::decide(file, &start)?.write(&start)
            }
            Self::Plain(mut file) => {
                file.write_all(chunk).map_err(|failure| failed(&failure))?;
                Ok(Self::Plain(file))
            }
            Self::Packed(mut decoder) => {
                decoder.write_all(chunk).map_err(|failure| failed(&failure))?;
                Ok(Self::Packed(decoder))
            }
        }
    }

    fn decide(file: File, start: &[u8]) -> Result<Self> {
        if start.starts_with(&ZSTD) {
            return Decoder::new(file).map(Self::Packed).map_err(|failure| failed(&failure));
        }
        Ok(Self::Plain(file))
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Undecided(mut file, start) => file.write_all(&start),
            Self::Plain(_) => Ok(()),
            Self::Packed(mut decoder) => decoder.flush(),
        }
        .map_err(|failure| failed(&failure))
    }
}

/// zstd's own errors have no number of the system's.
fn failed(failure: &std::io::Error) -> Error {
    match failure.raw_os_error() {
        Some(_) => Error::io("write a temporary file", failure),
        None => Error::Corrupt(format!("a snapshot cannot be decompressed: {failure}")),
    }
}

fn differs() -> Error {
    Error::Corrupt("the snapshot is not what its description says".to_owned())
}
