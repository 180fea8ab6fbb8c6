mod objects;
mod orphans;
mod upload;

use std::time::Duration;

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use futures::TryStreamExt;
use ha_core::{ByteStream, Error, Result, SnapshotMeta};
use serde::{Deserialize, Serialize};

use objects::{Objects, SILENT, ask};

/// The snapshots of a log, in the object store `<stream>_snapshots`.
///
/// An object is named by its SHA-256 and a name for the upload, so that nodes that store the
/// same snapshot at the same time do not touch each other's. It is listed, with a description of
/// the snapshot, after it was read back.
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
        let objects = self.find_or_create().await?;
        if objects.list().await?.iter().any(|object| described(object).as_ref() == Some(meta)) {
            return Ok(());
        }
        let object = objects.named(self.upload_name(meta));
        if let Err(error) = self.store(&objects, object.clone(), meta, body).await {
            // What is left is not listed, and swept later.
            let _ = objects.remove(&object).await;
            return Err(error);
        }
        // The snapshot is stored, whatever becomes of the remains of others.
        if let Err(error) = self.sweep(&objects).await {
            tracing::debug!("remains of broken uploads were not swept: {error}");
        }
        Ok(())
    }

    /// See [`ha_core::ChangeTransport::snapshots`].
    pub(crate) async fn list(&self) -> Result<Vec<SnapshotMeta>> {
        let Some(objects) = self.find().await? else { return Ok(Vec::new()) };
        let mut snapshots: Vec<_> = objects.list().await?.iter().filter_map(described).collect();
        snapshots.sort_by_key(|meta| (std::cmp::Reverse(meta.seq), meta.digest));
        snapshots.dedup();
        Ok(snapshots)
    }

    /// See [`ha_core::ChangeTransport::get_snapshot`] and [`SnapshotMeta::checked`].
    pub(crate) async fn get(&self, meta: &SnapshotMeta) -> Result<ByteStream> {
        let missing = || self.failed("there is no such snapshot");
        let objects = self.find().await?.ok_or_else(missing)?;
        let mut same = self.same(&objects, meta).await?;
        Ok(meta.checked(objects.body(&same.pop().ok_or_else(missing)?)))
    }

    /// Forgets a snapshot; no error if there is none.
    pub(crate) async fn remove(&self, meta: &SnapshotMeta) -> Result<()> {
        let Some(objects) = self.find().await? else { return Ok(()) };
        for object in self.same(&objects, meta).await? {
            objects.remove(&object).await?;
        }
        Ok(())
    }

    /// The objects that are the snapshot.
    async fn same(&self, objects: &Objects, meta: &SnapshotMeta) -> Result<Vec<ObjectInfo>> {
        let mut found = objects.list().await?;
        found.retain(|object| described(object).is_some_and(|it| it.digest == meta.digest));
        Ok(found)
    }

    /// A name that no other upload has.
    fn upload_name(&self, meta: &SnapshotMeta) -> String {
        let unique = self.context.client().new_inbox();
        let upload = unique.rsplit('.').next().unwrap_or_default();
        format!("{}.{upload}", hex::encode(meta.digest))
    }

    async fn store(
        &self,
        objects: &Objects,
        object: ObjectInfo,
        meta: &SnapshotMeta,
        body: ByteStream,
    ) -> Result<()> {
        let object = objects.upload(&self.context, object, meta.checked(body)).await?;
        let stored = meta.checked(objects.clone().body(&object));
        stored.try_for_each(|_| std::future::ready(Ok(()))).await?;
        objects.describe(&self.context, &self.with_description(object, meta)?).await
    }

    /// The object with its description.
    fn with_description(&self, mut object: ObjectInfo, meta: &SnapshotMeta) -> Result<ObjectInfo> {
        let text = serde_json::to_string(&Description::from(meta)).map_err(|e| self.failed(e))?;
        object.description = Some(text);
        Ok(object)
    }

    async fn find(&self) -> Result<Option<Objects>> {
        let find = || self.context.get_stream(format!("OBJ_{}", self.bucket));
        match self.ask(find).await? {
            Ok(stream) => Ok(Some(self.objects(stream))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn find_or_create(&self) -> Result<Objects> {
        if let Some(objects) = self.find().await? {
            return Ok(objects);
        }
        // Whoever made it meanwhile made the same.
        let create = || self.context.create_stream(self.config());
        self.ask(create).await?.map_err(|error| self.failed(error))?;
        self.find().await?.ok_or_else(|| self.failed(SILENT))
    }

    async fn ask<T, F: Future<Output = T>>(&self, question: impl Fn() -> F) -> Result<T> {
        ask(self.timeout, question).await.ok_or_else(|| self.failed(SILENT))
    }

    fn objects(&self, stream: Stream) -> Objects {
        Objects { stream, bucket: self.bucket.clone(), timeout: self.timeout }
    }

    /// A bucket (ADR-20), without direct gets: a replica that lags would answer them, and what
    /// was stored a moment ago would not be there.
    fn config(&self) -> Config {
        Config {
            name: format!("OBJ_{}", self.bucket),
            subjects: ["C", "M"].map(|kind| format!("$O.{}.{kind}.>", self.bucket)).into(),
            discard: DiscardPolicy::New,
            allow_rollup: true,
            allow_direct: false,
            num_replicas: self.replicas,
            ..Config::default()
        }
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

fn is_missing(error: &GetStreamError) -> bool {
    matches!(
        error.kind(),
        GetStreamErrorKind::JetStream(told) if told.error_code() == ErrorCode::STREAM_NOT_FOUND
    )
}
