use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ha_core::{Engine, Error, Frontend, Mishap, Result, SessionOptions, Shutdown};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::Options;
use crate::backend::Backend;
use crate::connection::{Connection, tell};
use crate::connections::Connections;
use crate::dialect::Scope;
use crate::error::{Failure, Outcome};
use crate::wire::{Wire, handshake};

/// How the database is called by clients that do not name one.
const DATABASE: &str = "ha";

/// What a client may send before it has logged in, in bytes.
const LARGEST_LOGIN: usize = 64 << 10;

/// Serves clients of MySQL.
pub struct MySql {
    address: SocketAddr,
    /// Taken when serving begins, so that the port closes when it ends.
    listener: Mutex<Option<TcpListener>>,
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    options: Arc<Options>,
    connections: Arc<Connections>,
    seats: Semaphore,
}

impl MySql {
    /// Opens the port.
    ///
    /// # Errors
    /// [`Error::Config`] if it is in use.
    pub async fn bind(options: Options) -> Result<Arc<Self>> {
        let wish = SocketAddr::from((options.host, options.port));
        let listener = TcpListener::bind(wish).await.map_err(|error| {
            Error::config("mysql.port", format!("cannot listen on {wish}: {error}"))
        })?;
        let address = listener.local_addr().map_err(|error| Error::io("mysql listener", &error))?;
        tracing::info!(%address, "MySQL clients are welcome");
        let shared = Shared {
            seats: Semaphore::new(options.max_connections),
            connections: Arc::default(),
            options: Arc::new(options),
        };
        let listener = Mutex::new(Some(listener));
        Ok(Arc::new(Self { address, listener, shared: Arc::new(shared) }))
    }

    /// Where clients connect to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

#[async_trait]
impl Frontend for MySql {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let listener = self.listener.lock().take().ok_or(Error::Closed)?;
        let serve = |tcp| Arc::clone(&self.shared).welcome(tcp, Arc::clone(&engine), stop.clone());
        let grace = self.shared.options.stop_timeout;
        ha_core::serve_clients(listener, &stop, grace, serve, report_mishap).await;
        Ok(())
    }
}

impl Shared {
    /// A connection's life.
    async fn welcome(self: Arc<Self>, tcp: TcpStream, engine: Arc<dyn Engine>, stop: Shutdown) {
        // Answers are small and complete: waiting for more only delays them.
        let _ = tcp.set_nodelay(true);
        let mut wire = Wire::new(tcp, LARGEST_LOGIN);
        let Ok(_seat) = self.seats.try_acquire() else {
            return refuse(&mut wire, Failure::new(1040, "08004", "Too many connections")).await;
        };
        let login =
            tokio::time::timeout(self.options.login_timeout, self.admit(&mut wire, &engine));
        let admitted = tokio::select! {
            admitted = login => admitted,
            () = stop.requested() => return,
        };
        match admitted {
            Ok(Ok(connection)) => connection.serve(wire, stop).await,
            Ok(Err(failure)) => refuse(&mut wire, failure).await,
            Err(_) => {}
        }
    }

    async fn admit(&self, wire: &mut Wire, engine: &Arc<dyn Engine>) -> Outcome<Connection> {
        let id = self.connections.number();
        let session = engine.session(SessionOptions::default()).await?;
        let registration = self.connections.register(id, session.canceller());
        let login = handshake::login(wire, id, &self.options).await?;
        wire.allow(self.options.max_packet_bytes);
        let database = if login.database.is_empty() { DATABASE.into() } else { login.database };
        let host = wire.peer();
        let scope = Scope { database, user: login.user, host, id, ..Scope::default() };
        let (options, connections) = (Arc::clone(&self.options), Arc::clone(&self.connections));
        Ok(Connection {
            backend: Backend::new(session, scope, Arc::clone(&options), connections),
            options,
            registration,
            prepared: std::collections::HashMap::new(),
            last_prepared: 0,
        })
    }
}

async fn refuse(wire: &mut Wire, failure: Failure) {
    if let Failure::Report(error) = &failure {
        tracing::info!(code = error.code, error = %error.message, "a MySQL client was not let in");
    }
    tell(wire, failure).await;
}

fn report_mishap(mishap: Mishap) {
    match mishap {
        Mishap::NotAccepted(error) => tracing::warn!(%error, "cannot accept a MySQL connection"),
        Mishap::Panicked(error) => {
            tracing::error!(%error, "a MySQL connection ended unexpectedly");
        }
    }
}

impl fmt::Display for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySQL on {}", self.address)
    }
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
