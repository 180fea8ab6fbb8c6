use std::sync::Arc;

use ha_core::{Error, Result};

use crate::Server;

/// A server that nobody uses yet: it is stopped if what it was started for fails, or is given
/// up.
pub(crate) struct Starting(Option<Arc<Server>>);

impl Starting {
    pub(crate) fn new(server: Server) -> Self {
        Self(Some(Arc::new(server)))
    }

    /// Hands the server over if all went well, else stops it.
    pub(crate) async fn finish<T>(mut self, outcome: Result<T>) -> Result<(Arc<Server>, T)> {
        let server = self.0.take().ok_or(Error::Closed)?;
        match outcome {
            Ok(value) => Ok((server, value)),
            Err(error) => {
                blocking(move || server.shutdown()).await?;
                Err(error)
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let Some(server) = self.0.take() else { return };
        // Without a runtime nobody is kept waiting by the server's own drop.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || server.shutdown());
        }
    }
}

/// Does what blocks on a thread where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::transport("the embedded NATS server", error))
}
