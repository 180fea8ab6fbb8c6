use std::fmt::{Debug, Display};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Engine, Result};

/// A protocol that clients speak. It is bound in its constructor, so that port 0 works and a
/// port in use is an error before anything is served.
#[async_trait]
pub trait Frontend: Debug + Display + Send + Sync + 'static {
    /// Serves clients until `stop` is requested, then finishes what is in flight and returns.
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()>;
}

/// Tells when to stop. Cloned freely.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// Requests the stop that a [`Shutdown`] waits for. Dropping it requests the stop too.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl Shutdown {
    /// A trigger and what it triggers.
    #[must_use]
    pub fn new() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns once the stop is requested.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger is gone, which is a request as well.
        let _ = receiver.wait_for(|stop| *stop).await;
    }
}

impl ShutdownTrigger {
    /// Requests the stop.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }
}
