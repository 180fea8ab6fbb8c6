use futures::StreamExt;
use ha_core::Result;

use tokio::sync::watch;

use super::{Stream, failed};
use crate::subscription::until;

impl Stream {
    /// Looks at the configuration again whenever the server says that it was changed, until
    /// `closed` turns true or is gone.
    pub(crate) async fn watch(&self, closed: watch::Receiver<bool>) -> Result<()> {
        // The server tells it there (ADR-1 of nats-architecture-and-design).
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.UPDATED.{}", self.name);
        let subscribed = self.link.client.subscribe(subject).await;
        let mut updates = subscribed.map_err(|error| failed(&self.name, error))?;
        let stream = self.clone();
        tokio::spawn(async move {
            while let Some(Some(_)) = until(closed.clone(), updates.next()).await {
                if let Err(error) = stream.info().await {
                    tracing::debug!("the stream's configuration is not known: {error}");
                }
            }
        });
        Ok(())
    }
}
