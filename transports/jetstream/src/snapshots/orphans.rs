//! What broken uploads and removed snapshots leave in the bucket.

use std::collections::HashSet;

use async_nats::jetstream::object_store::{ObjectInfo, ObjectStore};
use async_nats::jetstream::stream::Stream;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use futures::TryStreamExt;
use ha_core::Result;

use super::{Snapshots, described};

impl Snapshots {
    /// Purges what belongs to no snapshot and was not added to for [`Self::orphan_age`]: pieces
    /// without an object, objects without a description, the marks of removed ones.
    ///
    /// Ages are measured from the newest message of the bucket, so by the server's clock alone.
    pub(super) async fn sweep(&self, store: &ObjectStore) -> Result<()> {
        let name = format!("OBJ_{}", self.bucket);
        let stream = self.context.get_stream(name).await.map_err(|e| self.failed(e))?;
        let newest = stream.cached_info().state.last_timestamp;
        for subject in self.unused(&stream, store).await? {
            let last = stream.get_last_raw_message_by_subject(&subject).await;
            let last = last.map_err(|error| self.failed(error))?;
            if newest - last.time > self.orphan_age {
                stream.purge().filter(&subject).await.map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// The subjects of the bucket that belong to no snapshot.
    async fn unused(&self, stream: &Stream, store: &ObjectStore) -> Result<Vec<String>> {
        let all = format!("$O.{}.>", self.bucket);
        let subjects = stream.info_with_subjects(all).await.map_err(|e| self.failed(e))?;
        let subjects: Vec<_> = subjects.try_collect().await.map_err(|e| self.failed(e))?;
        // After the subjects: what is described in between counts.
        let objects = self.objects(store).await?;
        let counting = objects.iter().filter(|info| described(info).is_some());
        let used: HashSet<_> = counting.flat_map(|info| self.subjects(info)).collect();
        let subjects = subjects.into_iter().map(|(subject, _)| subject);
        Ok(subjects.filter(|subject| !used.contains(subject)).collect())
    }

    /// Where an object's pieces and its description are (ADR-20 of nats-architecture-and-design).
    fn subjects(&self, info: &ObjectInfo) -> [String; 2] {
        let name = URL_SAFE.encode(&info.name);
        [format!("$O.{}.C.{}", self.bucket, info.nuid), format!("$O.{}.M.{name}", self.bucket)]
    }
}
