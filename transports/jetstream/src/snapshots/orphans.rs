//! What broken uploads leave in the bucket.

use std::collections::HashSet;

use futures::TryStreamExt;
use ha_core::Result;

use super::objects::Objects;
use super::{Snapshots, described};

impl Snapshots {
    /// Purges what belongs to no snapshot and was not added to for [`Self::orphan_age`]: pieces
    /// without an object, objects without a description.
    ///
    /// Ages are measured from the newest message of the bucket, so by the server's clock alone.
    pub(super) async fn sweep(&self, objects: &Objects) -> Result<()> {
        let stream = &objects.stream;
        let newest = stream.cached_info().state.last_timestamp;
        for subject in self.unused(objects).await? {
            let last = stream.get_last_raw_message_by_subject(&subject).await;
            let last = last.map_err(|error| self.failed(error))?;
            if newest - last.time > self.orphan_age {
                stream.purge().filter(&subject).await.map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    /// The subjects of the bucket that belong to no snapshot.
    async fn unused(&self, objects: &Objects) -> Result<Vec<String>> {
        let all = format!("$O.{}.>", self.bucket);
        let subjects = objects.stream.info_with_subjects(all).await.map_err(|e| self.failed(e))?;
        let subjects: Vec<_> = subjects.try_collect().await.map_err(|e| self.failed(e))?;
        // After the subjects: what is described in between counts.
        let listed = objects.list().await?;
        let counting = listed.iter().filter(|info| described(info).is_some());
        let used: HashSet<_> = counting.flat_map(|info| objects.subjects(info)).collect();
        let subjects = subjects.into_iter().map(|(subject, _)| subject);
        Ok(subjects.filter(|subject| !used.contains(subject)).collect())
    }
}
