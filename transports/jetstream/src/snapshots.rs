mod orphans;

use std::time::Duration;

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::object_store::{
    Config, Object, ObjectInfo, ObjectMetadata, ObjectStore, UpdateMetadata,
};
use async_nats::jetstream::{Context, ErrorCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use ha_core::{ByteStream, Error, Result, SnapshotMeta};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

/// Larger chunks are faster; a chunk must fit into a message.
const CHUNK: usize = 512 << 10;

/// The snapshots of a log, in the object store `<stream>_snapshots`.
///
/// An object is named by its SHA-256 and a name for the upload, so that nodes that store the
/// same snapshot at the same time do not touch each other's. It counts once its description is
/// there, which is written after the object was read back.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) context: Context,
    pub(crate) bucket: String,
    pub(crate) replicas: usize,
    /// How long to wait for the next piece of an object.
    pub(crate) timeout: Duration,
    /// See [`crate::Options::orphan_age`].
    pub(crate) orphan_age: Duration,
}

impl Snapshots {
    /// See [`ha_core::ChangeTransport::put_snapshot`].
    pub(crate) async fn put(&self, meta: &SnapshotMeta, body: ByteStream) -> Result<()> {
        let store = self.find_or_create().await?;
        if self.described(&store).await?.iter().any(|(_, stored)| stored == meta) {
            return Ok(());
        }
        let name = self.upload_name(meta);
        let stored = self.upload(&store, &name, body).await;
        match self.check(stored, &store, meta).await {
            Ok(()) => self.describe(&store, name, meta).await?,
            Err(error) => {
                // What is left without a description is not a snapshot and harms nobody.
                let _ = store.delete(&name).await;
                return Err(error);
            }
        }
        // The snapshot is stored, whatever becomes of the remains of others.
        if let Err(error) = self.sweep(&store).await {
            tracing::debug!("remains of broken uploads were not swept: {error}");
        }
        Ok(())
    }

    /// See [`ha_core::ChangeTransport::snapshots`].
    pub(crate) async fn list(&self) -> Result<Vec<SnapshotMeta>> {
        let Some(store) = self.find().await? else { return Ok(Vec::new()) };
        let objects = self.described(&store).await?;
        let mut snapshots: Vec<_> = objects.into_iter().map(|(_, meta)| meta).collect();
        snapshots.sort_by_key(|meta| (std::cmp::Reverse(meta.seq), meta.digest));
        snapshots.dedup();
        Ok(snapshots)
    }

    /// See [`ha_core::ChangeTransport::get_snapshot`]. The store compares the digest at the
    /// end; a body that differs ends with an error.
    pub(crate) async fn get(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        let missing = || self.failed("there is no such snapshot");
        let store = self.find().await?.ok_or_else(missing)?;
        let objects = self.described(&store).await?;
        let found = objects.into_iter().find(|(_, stored)| stored.digest == meta.digest);
        let (name, _) = found.ok_or_else(missing)?;
        let object = store.get(name).await.map_err(|error| self.failed(error))?;
        Ok(self.pieces(object))
    }

    /// Forgets a snapshot; no error if there is none.
    pub(crate) async fn remove(&self, meta: &SnapshotMeta) -> Result<()> {
        let Some(store) = self.find().await? else { return Ok(()) };
        for (name, stored) in self.described(&store).await? {
            if stored.digest == meta.digest {
                store.delete(name).await.map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// The objects that count, by name.
    async fn described(&self, store: &ObjectStore) -> Result<Vec<(String, SnapshotMeta)>> {
        let described = |info: ObjectInfo| described(&info).map(|meta| (info.name, meta));
        Ok(self.objects(store).await?.into_iter().filter_map(described).collect())
    }

    async fn objects(&self, store: &ObjectStore) -> Result<Vec<ObjectInfo>> {
        let objects = store.list().await.map_err(|error| self.failed(error))?;
        objects.try_collect().await.map_err(|error| self.failed(error))
    }

    /// A name that no other upload has.
    fn upload_name(&self, meta: &SnapshotMeta) -> String {
        let unique = self.context.client().new_inbox();
        let upload = unique.rsplit('.').next().unwrap_or_default();
        format!("{}.{upload}", hex::encode(meta.digest))
    }

    async fn upload(
        &self,
        store: &ObjectStore,
        name: &str,
        body: ByteStream,
    ) -> Result<ObjectInfo> {
        let meta = ObjectMetadata {
            name: name.to_owned(),
            chunk_size: Some(CHUNK),
            ..ObjectMetadata::default()
        };
        let mut reader = StreamReader::new(body.map_err(std::io::Error::other));
        store.put(meta, &mut reader).await.map_err(|error| self.failed(error))
    }

    /// Whether the object is what the description says, in the store too.
    async fn check(
        &self,
        stored: Result<ObjectInfo>,
        store: &ObjectStore,
        meta: &SnapshotMeta,
    ) -> Result<()> {
        let info = stored?;
        let digest = format!("SHA-256={}", URL_SAFE.encode(meta.digest));
        if info.digest != Some(digest) || info.size as u64 != meta.bytes {
            return Err(differs());
        }
        let object = store.get(&info.name).await.map_err(|error| self.failed(error))?;
        let read = self.pieces(object).try_fold(0, async |sum, piece| Ok(sum + piece.len() as u64));
        if read.await? == meta.bytes { Ok(()) } else { Err(differs()) }
    }

    async fn describe(&self, store: &ObjectStore, name: String, meta: &SnapshotMeta) -> Result<()> {
        let text = serde_json::to_string(&Description::from(meta)).map_err(|e| self.failed(e))?;
        let update = UpdateMetadata {
            name: name.clone(),
            description: Some(text),
            ..UpdateMetadata::default()
        };
        let updated = store.update_metadata(name, update).await;
        updated.map(drop).map_err(|error| self.failed(error))
    }

    /// The object piece by piece; a piece that does not come in time is an error.
    fn pieces(&self, object: Object) -> ByteStream {
        let (timeout, bucket) = (self.timeout, self.bucket.clone());
        let read = move |mut object: Object| {
            let bucket = bucket.clone();
            async move {
                let mut piece = BytesMut::with_capacity(CHUNK);
                match tokio::time::timeout(timeout, object.read_buf(&mut piece)).await {
                    Ok(Ok(0)) => Ok(None),
                    Ok(Ok(_)) => Ok(Some((piece.freeze(), object))),
                    Ok(Err(error)) => Err(Error::transport(bucket, error)),
                    Err(_) => Err(Error::transport(bucket, "a snapshot is incomplete")),
                }
            }
        };
        stream::try_unfold(object, read)
            .try_filter(|piece: &Bytes| std::future::ready(!piece.is_empty()))
            .boxed()
    }

    async fn find(&self) -> Result<Option<ObjectStore>> {
        match self.context.get_object_store(&self.bucket).await {
            Ok(store) => Ok(Some(store)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn find_or_create(&self) -> Result<ObjectStore> {
        if let Some(store) = self.find().await? {
            return Ok(store);
        }
        let config = Config {
            bucket: self.bucket.clone(),
            num_replicas: self.replicas,
            ..Config::default()
        };
        self.context.create_object_store(config).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, reason: impl ToString) -> Error {
        Error::transport(&self.bucket, reason)
    }
}

/// A snapshot's description, as JSON in the object's.
#[derive(Serialize, Deserialize)]
struct Description {
    lineage: String,
    seq: u64,
    hash: String,
    bytes: u64,
}

impl From<&SnapshotMeta> for Description {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            lineage: meta.lineage.to_string(),
            seq: meta.seq.0,
            hash: meta.hash.to_string(),
            bytes: meta.bytes,
        }
    }
}

/// The snapshot that an object is; `None` for any other object.
fn described(info: &ObjectInfo) -> Option<SnapshotMeta> {
    let described: Description = serde_json::from_str(info.description.as_ref()?).ok()?;
    Some(SnapshotMeta {
        digest: hex::decode(info.name.split('.').next()?).ok()?.try_into().ok()?,
        bytes: described.bytes,
        lineage: described.lineage.parse().ok()?,
        seq: ha_core::Seq(described.seq),
        hash: described.hash.parse().ok()?,
    })
}

fn is_missing(error: &(dyn std::error::Error + 'static)) -> bool {
    let told = error.source().and_then(|source| source.downcast_ref::<GetStreamError>());
    matches!(
        told.map(GetStreamError::kind),
        Some(GetStreamErrorKind::JetStream(told)) if told.error_code() == ErrorCode::STREAM_NOT_FOUND
    )
}

fn differs() -> Error {
    Error::Corrupt("the snapshot is not what its description says".to_owned())
}
