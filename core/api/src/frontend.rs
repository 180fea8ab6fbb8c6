use std::fmt::{Debug, Display};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::{Engine, Result};

/// A protocol that clients speak. It is bound in its constructor, so that port 0 works and a
/// port in use is an error before anything is served.
#[async_trait]
pub trait Frontend: Debug + Display + Send + Sync + 'static {
    /// Serves clients until `stop` is requested, then finishes what is in flight and returns.
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()>;
}

/// How long to wait after the system refused to accept, for lack of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What goes wrong while clients are let in, none of which ends [`serve_clients`].
#[derive(Debug)]
pub enum Mishap {
    /// The system does not let a client in; the next one may do better.
    NotAccepted(io::Error),
    /// What serves a client panicked.
    Panicked(JoinError),
}

/// Lets clients in and serves each by a future of its own until the stop, which closes the port.
/// What is still served after `grace` is cut off.
pub async fn serve_clients<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    stop: &Shutdown,
    grace: Duration,
    serve: impl Fn(TcpStream) -> F,
    report: impl Fn(Mishap),
) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.requested() => break,
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    clients.spawn(serve(tcp));
                }
                Err(error) => {
                    report(Mishap::NotAccepted(error));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(end) = clients.join_next() => {
                if let Err(error) = end {
                    report(Mishap::Panicked(error));
                }
            }
        }
    }
    drop(listener);
    let all = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_err() {
        clients.shutdown().await;
    }
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_reported_and_what_outlasts_the_stop_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = Shutdown::new();
        let (reports, mut reported) = mpsc::unbounded_channel();
        let serve = |mut tcp: TcpStream| async move {
            assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0, "this client says something");
            std::future::pending::<()>().await;
        };
        let serving = tokio::spawn(async move {
            let report = |mishap| reports.send(matches!(mishap, Mishap::Panicked(_))).unwrap();
            serve_clients(listener, &stopped, Duration::ZERO, serve, report).await;
        });
        let loud = TcpStream::connect(address).await.unwrap();
        loud.writable().await.unwrap();
        loud.try_write(b"!").unwrap();
        assert_eq!(reported.recv().await, Some(true));
        let _silent = TcpStream::connect(address).await.unwrap();
        stop.trigger();
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
