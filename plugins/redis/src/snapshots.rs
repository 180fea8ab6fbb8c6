use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use ha_core::{ByteStream, Error, Result, Seq, SnapshotMeta};
use redis::{Script, cmd};
use sha2::{Digest, Sha256};

use crate::link::Link;
use crate::log::Keys;

static LIST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/list.lua")));

/// A snapshot is stored in pieces of this size.
const PIECE: usize = 1 << 20;
/// The server forgets the pieces of an upload that is neither finished nor went on for so long,
/// and those of a snapshot that was replaced.
const FORGOTTEN_AFTER_SECONDS: u64 = 3_600;

/// The snapshots of a log: a hash that lists them, and a hash of pieces for each.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
}

/// A snapshot as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    /// The end of its pieces' key.
    upload: String,
    meta: SnapshotMeta,
}

impl Snapshots {
    /// See [`ha_core::ChangeTransport::put_snapshot`]. Pieces are forgotten by the server unless
    /// they are listed.
    pub(crate) async fn put(&self, meta: &SnapshotMeta, body: ByteStream) -> Result<()> {
        let digest = hex::encode(meta.digest);
        let upload = format!("{digest}.{:016x}", rand::random::<u64>());
        let listed = Listed { upload, meta: meta.clone() };
        let stored = self.store_all(&digest, &listed, body).await;
        if stored.is_err() {
            // If this fails too, they are forgotten later.
            let _ = self.unlink(&listed.upload).await;
        }
        stored
    }

    /// See [`ha_core::ChangeTransport::snapshots`].
    pub(crate) async fn list(&self) -> Result<Vec<SnapshotMeta>> {
        let mut command = cmd("HGETALL");
        command.arg(&self.keys.snapshots);
        let command = &command;
        let all: HashMap<String, String> = self
            .link
            .ask(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        let parsed = all.iter().filter_map(|(digest, text)| Listed::parse(digest, text));
        let mut metas: Vec<_> = parsed.map(|listed| listed.meta).collect();
        metas.sort_by_key(|meta| std::cmp::Reverse((meta.seq, meta.digest)));
        Ok(metas)
    }

    /// See [`ha_core::ChangeTransport::get_snapshot`]. A body that is not what `meta` says ends
    /// with an error.
    pub(crate) async fn get(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        let listed = self.find(meta).await?;
        let listed =
            listed.ok_or_else(|| Error::transport("Redis", "there is no such snapshot"))?;
        Ok(self.read(listed))
    }

    /// See [`ha_core::ChangeTransport::remove_snapshot`].
    pub(crate) async fn remove(&self, meta: &SnapshotMeta) -> Result<()> {
        let Some(listed) = self.find(meta).await? else { return Ok(()) };
        let mut both = redis::pipe();
        both.atomic().hdel(&self.keys.snapshots, hex::encode(meta.digest));
        both.cmd("UNLINK").arg(self.pieces(&listed.upload));
        let both = &both;
        self.link.ask(async |mut connection| both.exec_async(&mut connection).await).await
    }

    async fn find(&self, meta: &SnapshotMeta) -> Result<Option<Listed>> {
        let digest = hex::encode(meta.digest);
        let mut command = cmd("HGET");
        command.arg(&self.keys.snapshots).arg(&digest);
        let command = &command;
        let text: Option<String> = self
            .link
            .ask(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        Ok(text.and_then(|text| Listed::parse(&digest, &text)))
    }

    /// Lists it once what the server has is what came.
    async fn store_all(&self, digest: &str, listed: &Listed, body: ByteStream) -> Result<()> {
        let pieces = self.upload(listed, body).await?;
        self.read(listed.clone()).try_for_each(|_| std::future::ready(Ok(()))).await?;
        self.list_one(digest, listed, pieces).await
    }

    /// The pieces; an error ends them if they are not what the description says.
    fn read(&self, listed: Listed) -> ByteStream {
        let store = self.clone();
        let reading = Reading { store, listed, piece: 0, read: 0, hash: Sha256::new() };
        stream::try_unfold(reading, Reading::next).boxed()
    }

    /// Stores the pieces and gives their number.
    async fn upload(&self, listed: &Listed, mut body: ByteStream) -> Result<u64> {
        let (mut hash, mut size, mut pieces) = (Sha256::new(), 0, 0);
        let mut rest = BytesMut::new();
        while let Some(bytes) = body.try_next().await? {
            hash.update(&bytes);
            size += bytes.len() as u64;
            rest.extend_from_slice(&bytes);
            while rest.len() >= PIECE {
                self.store(&listed.upload, pieces, &rest.split_to(PIECE)).await?;
                pieces += 1;
            }
        }
        if !rest.is_empty() {
            self.store(&listed.upload, pieces, &rest).await?;
            pieces += 1;
        }
        let is_whole = size == listed.meta.bytes && hash.finalize()[..] == listed.meta.digest;
        if is_whole { Ok(pieces) } else { Err(differs()) }
    }

    async fn store(&self, upload: &str, number: u64, piece: &[u8]) -> Result<()> {
        let key = self.pieces(upload);
        let mut both = redis::pipe();
        both.atomic().cmd("HSET").arg(&key).arg(number).arg(piece).ignore();
        both.cmd("EXPIRE").arg(&key).arg(FORGOTTEN_AFTER_SECONDS).ignore();
        let both = &both;
        self.link.ask(async |mut connection| both.exec_async(&mut connection).await).await
    }

    async fn list_one(&self, digest: &str, listed: &Listed, pieces: u64) -> Result<()> {
        let mut invocation = LIST.key(&self.keys.snapshots);
        invocation.key(self.pieces(&listed.upload)).key(&self.keys.pieces);
        invocation.arg(digest).arg(listed.to_string()).arg(pieces).arg(FORGOTTEN_AFTER_SECONDS);
        let invocation = &invocation;
        let is_listed: bool = self
            .link
            .ask(async |mut connection| invocation.invoke_async(&mut connection).await)
            .await?;
        if is_listed {
            Ok(())
        } else {
            Err(Error::Corrupt("pieces of the snapshot are gone".into()))
        }
    }

    async fn unlink(&self, upload: &str) -> Result<()> {
        let mut command = cmd("UNLINK");
        command.arg(self.pieces(upload));
        let command = &command;
        self.link.ask(async |mut connection| command.exec_async(&mut connection).await).await
    }

    async fn piece(&self, upload: &str, number: u64) -> Result<Option<Vec<u8>>> {
        let mut command = cmd("HGET");
        command.arg(self.pieces(upload)).arg(number);
        let command = &command;
        self.link.ask(async |mut connection| command.query_async(&mut connection).await).await
    }

    fn pieces(&self, upload: &str) -> String {
        format!("{}{upload}", self.keys.pieces)
    }
}

/// As it stands in the list, beside the digest: `upload bytes lineage seq hash`.
impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SnapshotMeta { bytes, lineage, seq, hash, .. } = &self.meta;
        write!(f, "{} {bytes} {lineage} {seq} {hash}", self.upload)
    }
}

impl Listed {
    /// `None` for what ha has not written.
    fn parse(digest: &str, text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [upload, bytes, lineage, seq, hash] = fields[..] else { return None };
        let meta = SnapshotMeta {
            digest: hex::decode(digest).ok()?.try_into().ok()?,
            bytes: bytes.parse().ok()?,
            lineage: lineage.parse().ok()?,
            seq: Seq(seq.parse().ok()?),
            hash: hash.parse().ok()?,
        };
        Some(Self { upload: upload.to_owned(), meta })
    }
}

struct Reading {
    store: Snapshots,
    listed: Listed,
    piece: u64,
    read: u64,
    hash: Sha256,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        if self.read >= self.listed.meta.bytes {
            return self.finish();
        }
        let piece = self.store.piece(&self.listed.upload, self.piece).await?;
        let piece = Bytes::from(piece.ok_or_else(differs)?);
        self.piece += 1;
        self.read += piece.len() as u64;
        self.hash.update(&piece);
        Ok(Some((piece, self)))
    }

    fn finish(self) -> Result<Option<(Bytes, Self)>> {
        let meta = &self.listed.meta;
        let is_whole = self.read == meta.bytes && self.hash.finalize()[..] == meta.digest;
        if is_whole { Ok(None) } else { Err(differs()) }
    }
}

fn differs() -> Error {
    Error::Corrupt("the snapshot is not what its description says".to_owned())
}
