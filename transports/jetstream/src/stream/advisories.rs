use async_nats::Message;
use futures::StreamExt;
use ha_core::Result;
use tokio::sync::watch;

use super::{Stream, failed};
use crate::subscription::until;

/// Where the server tells what happens to streams (ADR-1 of nats-architecture-and-design).
const ADVISORIES: &str = "$JS.EVENT.ADVISORY.STREAM";

impl Stream {
    /// Takes note of what the server says of the stream, until `closed` turns true or is gone.
    pub(crate) async fn watch(&self, closed: watch::Receiver<bool>) -> Result<()> {
        let subject = format!("{ADVISORIES}.*.{}", self.name);
        let subscribed = self.link.client.subscribe(subject).await;
        let mut advisories = subscribed.map_err(|error| failed(&self.name, error))?;
        let stream = self.clone();
        tokio::spawn(async move {
            while let Some(Some(told)) = until(closed.clone(), advisories.next()).await {
                stream.take_note(&told);
            }
        });
        Ok(())
    }

    fn take_note(&self, advisory: &Message) {
        match advisory.subject.split('.').nth(4) {
            Some("LEADER_ELECTED") => self.elections.send_modify(|count| *count += 1),
            // Its configuration is noted when it is known. Who asks may wait for the next leader,
            // which is noted here.
            Some("UPDATED") => {
                let stream = self.clone();
                tokio::spawn(async move {
                    if let Err(error) = stream.info().await {
                        tracing::debug!("the stream's configuration is not known: {error}");
                    }
                });
            }
            _ => {}
        }
    }
}
