//! Storing and removing objects.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_MESSAGE_ID, NATS_ROLLUP};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::object_store::ObjectInfo;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use ha_core::{ByteStream, Result};
use sha2::{Digest, Sha256};

use super::objects::Objects;

/// Larger pieces are faster; one must fit into a message, as Base64 too when it is read.
const PIECE: usize = 512 << 10;
/// How soon a message is sent again that reached no stream.
const RETRY: Duration = Duration::from_millis(50);

impl Objects {
    /// A new object, of which nothing is stored.
    pub(super) fn named(&self, name: String) -> ObjectInfo {
        let nuid = name.rsplit('.').next().unwrap_or_default().to_owned();
        ObjectInfo {
            name,
            description: None,
            metadata: HashMap::default(),
            headers: None,
            options: None,
            bucket: self.bucket.clone(),
            nuid,
            size: 0,
            chunks: 0,
            modified: None,
            digest: None,
            deleted: false,
        }
    }

    /// Stores a body as the pieces of a new object, which is listed once it is
    /// [described](Self::describe).
    pub(super) async fn upload(
        &self,
        context: &Context,
        mut object: ObjectInfo,
        mut body: ByteStream,
    ) -> Result<ObjectInfo> {
        let (mut hash, mut rest) = (Sha256::new(), BytesMut::new());
        while let Some(bytes) = body.try_next().await? {
            hash.update(&bytes);
            rest.extend_from_slice(&bytes);
            while rest.len() >= PIECE {
                self.store(context, &mut object, rest.split_to(PIECE).freeze()).await?;
            }
        }
        if !rest.is_empty() {
            self.store(context, &mut object, rest.freeze()).await?;
        }
        object.digest = Some(format!("SHA-256={}", URL_SAFE.encode(hash.finalize())));
        Ok(object)
    }

    /// Stores what the object is; from now on it is listed.
    pub(super) async fn describe(&self, context: &Context, object: &ObjectInfo) -> Result<()> {
        let [_, subject] = self.subjects(object);
        let json = serde_json::to_vec(object).map_err(|error| self.failed(error))?;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_ROLLUP, "sub");
        headers.insert(NATS_MESSAGE_ID, object.nuid.as_str());
        self.publish(context, &subject, headers, json.into()).await
    }

    /// Removes an object: first what lists it, then its pieces.
    pub(super) async fn remove(&self, object: &ObjectInfo) -> Result<()> {
        let [pieces, description] = self.subjects(object);
        for subject in [description, pieces] {
            let purge = || self.stream.purge().filter(&subject).into_future();
            self.ask(purge).await?.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    async fn store(&self, context: &Context, object: &mut ObjectInfo, piece: Bytes) -> Result<()> {
        let [subject, _] = self.subjects(object);
        object.size += piece.len();
        object.chunks += 1;
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{}.{}", object.nuid, object.chunks));
        self.publish(context, &subject, headers, piece).await
    }

    /// Publishes until it is stored; the server stores the message of an id once. "No stream"
    /// is told of a bucket that was made a moment ago, until all servers of a cluster know it.
    async fn publish(
        &self,
        context: &Context,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<()> {
        let publish = || publish(context, subject, &headers, &payload);
        self.ask(publish).await?.map_err(|error| self.failed(error))
    }
}

async fn publish(
    context: &Context,
    subject: &str,
    headers: &HeaderMap,
    payload: &Bytes,
) -> Result<(), PublishError> {
    loop {
        let (subject, headers) = (subject.to_owned(), headers.clone());
        let sent = context.publish_with_headers(subject, headers, payload.clone()).await;
        let stored = match sent {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        match stored.map_err(|error| (error.kind(), error)) {
            Ok(_) => return Ok(()),
            Err((PublishErrorKind::StreamNotFound | PublishErrorKind::TimedOut, _)) => {
                tokio::time::sleep(RETRY).await;
            }
            Err((_, error)) => return Err(error),
        }
    }
}
