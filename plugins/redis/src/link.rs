use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ha_core::{Error, Result};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind};

use crate::server::Server;

/// How long an answer may take, and a question be asked again when the connection is lost.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// Before the next attempt to connect, the first time; then twice as long each time.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two attempts to connect.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Makes connections to the server.
pub(crate) struct Connector {
    client: Client,
    origin: String,
    /// The server as the newest connection found it.
    server: Mutex<Server>,
}

/// A connection that stood when it was last heard of.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: MultiplexedConnection,
    lost: Arc<AtomicBool>,
}

/// A connection that is made anew when it is lost. What was sent over a lost one is never sent
/// again by itself.
#[derive(Debug)]
pub(crate) struct Link {
    connector: Arc<Connector>,
    live: Mutex<Option<Live>>,
    closed: AtomicBool,
}

impl Connector {
    pub(crate) fn new(client: Client) -> Self {
        let origin = format!("Redis at {}", client.get_connection_info().addr());
        Self { client, origin, server: Mutex::default() }
    }

    /// Connects to a server that can keep a log.
    pub(crate) async fn connect(&self) -> Result<Live> {
        let lost = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&lost);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_push_sender(move |push: redis::PushInfo| {
                if push.kind == redis::PushKind::Disconnection {
                    told.store(true, Ordering::Relaxed);
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(|error| self.failed(error))?;
        let server = Server::ask(&mut connection).await.map_err(|error| self.failed(error))?;
        let refusal = server.refusal();
        *self.server.lock() = server;
        match refusal {
            Some(reason) => Err(self.failed(reason)),
            None => Ok(Live { connection, lost }),
        }
    }

    /// The server as the newest connection found it.
    pub(crate) fn server(&self) -> Server {
        self.server.lock().clone()
    }

    pub(crate) fn failed(&self, reason: impl ToString) -> Error {
        Error::transport(&self.origin, reason)
    }
}

impl Live {
    /// Nothing more is sent over it.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Link {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self { connector, live: Mutex::default(), closed: AtomicBool::default() }
    }

    /// The connection, made now if there is none.
    pub(crate) async fn live(&self) -> Result<Live> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if let Some(live) = self.live.lock().clone().filter(|live| !live.is_lost()) {
            return Ok(live);
        }
        let connected = self.connector.connect().await?;
        let mut live = self.live.lock();
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        *live = Some(connected.clone());
        Ok(connected)
    }

    /// Asks, and asks again when the connection is lost before the answer, for some seconds. For
    /// questions that may be asked twice.
    pub(crate) async fn ask<T, F>(&self, question: impl Fn(MultiplexedConnection) -> F) -> Result<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let end = Instant::now() + TIMEOUT;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.ask_once(&question).await {
                Ok(answer) => return answer.map_err(|error| self.connector.failed(error)),
                Err(error) if error == Error::Closed || Instant::now() > end => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Ends the connection.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.live.lock().take();
    }

    /// An error outside means that it is worth asking again.
    async fn ask_once<T, F>(
        &self,
        question: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<RedisResult<T>>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let live = self.live().await?;
        match question(live.connection.clone()).await {
            Err(error) if is_broken(&error) => {
                live.lose();
                Err(self.connector.failed(error))
            }
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading) => {
                Err(self.connector.failed(error))
            }
            answer => Ok(answer),
        }
    }
}

/// Whether the connection is of no use after this error. It is not if the server has become a
/// replica: the address may lead to its master by now.
pub(crate) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || is_of_a_replica(error)
}

/// Redis 6.2 tells in the text alone what happened in a script.
fn is_of_a_replica(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.detail().is_some_and(|detail| detail.contains("READONLY"))
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("lost", &self.is_lost()).finish_non_exhaustive()
    }
}
