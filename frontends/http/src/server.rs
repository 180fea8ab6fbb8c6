//! The front-end and its sockets.

use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::{fmt, mem};

use async_trait::async_trait;
use futures::future::join_all;
use ha_core::{Engine, Error, Frontend, Result, Shutdown};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::door::Door;
use crate::options::Options;
use crate::routes::{App, router};

/// The HTTP front-end, with its sockets bound.
#[derive(Debug)]
pub struct Http {
    options: Arc<Options>,
    addresses: Vec<SocketAddr>,
    /// Empty once they are served.
    listeners: Mutex<Vec<net::TcpListener>>,
}

impl Http {
    /// Binds every address of the options. Clients can connect from now on; they are answered
    /// once the front-end is served.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no address, [`Error::Io`] if one cannot be bound.
    pub fn bind(options: Options) -> Result<Arc<Self>> {
        let listeners = options.listen.iter().map(listen).collect::<Result<Vec<_>>>()?;
        if listeners.is_empty() {
            return Err(Error::config("--host", "HTTP needs an address to listen on"));
        }
        let address = |listener: &net::TcpListener| {
            listener.local_addr().map_err(|error| Error::io("asking for a bound address", &error))
        };
        let addresses = listeners.iter().map(address).collect::<Result<_>>()?;
        let options = Arc::new(options);
        Ok(Arc::new(Self { options, addresses, listeners: Mutex::new(listeners) }))
    }

    /// The first address, with the port that was taken for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses, in the order of the options.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("http on ")?;
        for (index, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[async_trait]
impl Frontend for Http {
    /// Serves once; a second call fails with [`Error::Closed`].
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let listeners = mem::take(&mut *self.listeners.lock());
        if listeners.is_empty() {
            return Err(Error::Closed);
        }
        let listeners =
            listeners.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>();
        let listeners = listeners.map_err(|error| Error::io("watching a socket", &error))?;
        let options = Arc::clone(&self.options);
        let door = Door::new(router(App { options, engine }), Arc::clone(&self.options), stop);
        join_all(listeners.into_iter().map(|listener| door.clone().open(listener))).await;
        Ok(())
    }
}

fn listen(address: &SocketAddr) -> Result<net::TcpListener> {
    let bound = net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| Error::io(format!("listening for HTTP on {address}"), &error))
}
