use std::sync::Arc;

use ha_core::{Error, Result};

use crate::Server;

/// A server that nobody uses yet: it is stopped if what it was started for fails, or is given
/// up.
pub(crate) struct Starting(Option<Server>);

impl Starting {
    pub(crate) fn new(server: Server) -> Self {
        Self(Some(server))
    }

    pub(crate) fn server(&self) -> Result<&Server> {
        self.0.as_ref().ok_or(Error::Closed)
    }

    /// Opens the server's port.
    pub(crate) async fn listen(mut self) -> Result<Self> {
        let server = self.0.take().ok_or(Error::Closed)?;
        blocking(move || server.listen().map(Self::new)).await?
    }

    /// Goes on if all went well, else stops the server.
    pub(crate) async fn if_well<T>(mut self, outcome: Result<T>) -> Result<(Self, T)> {
        match outcome {
            Ok(value) => Ok((self, value)),
            Err(error) => {
                let server = self.0.take().ok_or(Error::Closed)?;
                blocking(move || server.shutdown()).await?;
                Err(error)
            }
        }
    }

    /// Hands the server over if all went well, else stops it.
    pub(crate) async fn finish<T>(self, outcome: Result<T>) -> Result<(Arc<Server>, T)> {
        let (mut starting, value) = self.if_well(outcome).await?;
        Ok((Arc::new(starting.0.take().ok_or(Error::Closed)?), value))
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
