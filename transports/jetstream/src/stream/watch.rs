use futures::StreamExt;
use ha_core::Result;

use super::{Stream, failed};

impl Stream {
    /// Looks at the configuration again whenever the server says that it was changed. Ends
    /// with the connection.
    pub(crate) async fn watch(&self) -> Result<()> {
        // The server tells it there (ADR-1 of nats-architecture-and-design).
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.UPDATED.{}", self.name);
        let subscribed = self.link.client.subscribe(subject).await;
        let mut updates = subscribed.map_err(|error| failed(&self.name, error))?;
        let stream = self.clone();
        tokio::spawn(async move {
            while updates.next().await.is_some() {
                if let Err(error) = stream.info().await {
                    tracing::debug!("the stream's configuration is not known: {error}");
                }
            }
        });
        Ok(())
    }
}
