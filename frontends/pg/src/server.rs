use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ha_core::{Engine, Error, Frontend, Mishap, Result, Shutdown};
use parking_lot::Mutex;
use pgwire::api::ClientInfo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::Options;
use crate::auth::Authentication;
use crate::cancel::Cancellers;
use crate::connection::Connection;
use crate::error::{Failure, Outcome};
use crate::settings::Settings;
use crate::startup::{self, Wish};
use crate::tls::Tls;
use crate::wire::Wire;

/// Serves clients of PostgreSQL.
pub struct Pg {
    address: SocketAddr,
    /// Taken when serving begins, so that the port closes when it ends.
    listener: Mutex<Option<TcpListener>>,
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    options: Arc<Options>,
    tls: Option<Tls>,
    authentication: Authentication,
    cancellers: Arc<Cancellers>,
    seats: Arc<Semaphore>,
}

impl Pg {
    /// Opens the port. A port in use, an unreadable certificate or key is [`Error::Config`].
    pub async fn bind(options: Options) -> Result<Arc<Self>> {
        let tls = match &options.tls {
            Some(files) => Some(Tls::load(files).await?),
            None => None,
        };
        let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
            Error::config("pg-listen", format!("cannot listen on {}: {error}", options.listen))
        })?;
        let address = listener.local_addr().map_err(|error| Error::io("pg listener", &error))?;
        let shared = Shared {
            authentication: Authentication::new(&options, tls.as_ref())?,
            tls,
            cancellers: Arc::default(),
            seats: Arc::new(Semaphore::new(options.max_connections)),
            options: Arc::new(options),
        };
        Ok(Arc::new(Self {
            address,
            listener: Mutex::new(Some(listener)),
            shared: Arc::new(shared),
        }))
    }

    /// Where clients connect to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

#[async_trait]
impl Frontend for Pg {
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
        let startup = async {
            let mut wire = startup::negotiate(tcp, self.tls.as_ref()).await?;
            match self.admit(&mut wire, &engine).await {
                Ok(connection) => Ok(connection.map(|connection| (wire, connection))),
                Err(Failure::Gone) => Err(Failure::Gone),
                Err(Failure::Report(error)) => {
                    tracing::info!(%error, "a PostgreSQL client was not let in");
                    wire.close(*error).await;
                    Err(Failure::Gone)
                }
            }
        };
        let admitted = tokio::select! {
            admitted = tokio::time::timeout(self.options.startup_timeout, startup) => admitted,
            () = stop.requested() => return,
        };
        if let Ok(Ok(Some((wire, connection)))) = admitted {
            connection.serve(wire, stop).await;
        }
    }

    /// Logs a client in, or does what it asked for instead.
    async fn admit(
        &self,
        wire: &mut Wire,
        engine: &Arc<dyn Engine>,
    ) -> Outcome<Option<Connection>> {
        let packet = match startup::wish(wire).await? {
            Wish::Login(packet) => packet,
            Wish::Cancel(request) => {
                self.cancellers.cancel(&request);
                return Ok(None);
            }
        };
        let seat = Arc::clone(&self.seats)
            .try_acquire_owned()
            .map_err(|_| Failure::fatal("53300", "sorry, too many clients already"))?;
        let settings = Settings::new(&self.options);
        let login = startup::login(wire, packet, settings, &self.authentication, engine)
            .await
            .map_err(Failure::into_fatal)?;
        wire.allow(self.options.max_message_bytes);
        let (pid, secret) = wire.socket().pid_and_secret_key();
        let canceller = login.session.canceller();
        let registration = self.cancellers.register(pid, &secret, canceller);
        Ok(Some(Connection::new(login, Arc::clone(&self.options), (seat, registration))))
    }
}

fn report_mishap(mishap: Mishap) {
    match mishap {
        Mishap::NotAccepted(error) => {
            tracing::warn!(%error, "cannot accept a PostgreSQL connection")
        }
        Mishap::Panicked(error) => {
            tracing::error!(%error, "a PostgreSQL connection ended unexpectedly");
        }
    }
}

impl fmt::Display for Pg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL on {}", self.address)
    }
}

impl fmt::Debug for Pg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pg").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
