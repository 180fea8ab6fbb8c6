use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{SinkExt, Stream};
use pgwire::api::{ClientInfo, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireResult};
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use crate::error::{Failure, Outcome};

/// What `pgwire` reads messages from and writes them to.
pub(crate) type Socket = Framed<MaybeTls, PgWireMessageServerCodec<()>>;

/// The largest message before a client has logged in, as in PostgreSQL
/// (`PG_MAX_AUTH_TOKEN_LENGTH`).
const STARTUP_MESSAGE_BYTES: usize = 65_535;

/// A client's socket with a bound on the size of its messages.
pub(crate) struct Wire {
    socket: Socket,
    max_message_bytes: usize,
}

impl Wire {
    /// A client of whom nothing is known yet, and little is taken.
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, max_message_bytes: STARTUP_MESSAGE_BYTES }
    }

    /// Takes messages up to this size from now on.
    pub(crate) fn allow(&mut self, max_message_bytes: usize) {
        self.max_message_bytes = max_message_bytes;
    }

    /// The socket, for the startup.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The next message. What is no message, or a larger one than allowed, is a fatal error;
    /// the end of the stream is [`Failure::Gone`].
    pub(crate) async fn next(&mut self) -> Outcome<PgWireFrontendMessage> {
        let message = poll_fn(|context| self.poll_message(context)).await?;
        message.ok_or(Failure::Gone)?.map_err(|error| Failure::from(error).into_fatal())
    }

    /// Queues a message.
    pub(crate) async fn feed(&mut self, message: PgWireBackendMessage) -> Outcome<()> {
        Ok(self.socket.feed(message).await?)
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Outcome<()> {
        Ok(SinkExt::<PgWireBackendMessage>::flush(&mut self.socket).await?)
    }

    /// Sends everything and tells that the next query may come.
    pub(crate) async fn ready(&mut self, status: TransactionStatus) -> Outcome<()> {
        self.feed(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status))).await?;
        self.flush().await
    }

    /// Queues a warning or a notice.
    pub(crate) async fn notice(&mut self, notice: ErrorInfo) -> Outcome<()> {
        self.feed(PgWireBackendMessage::NoticeResponse(notice.into())).await
    }

    /// Queues an error.
    pub(crate) async fn error(&mut self, error: ErrorInfo) -> Outcome<()> {
        self.feed(PgWireBackendMessage::ErrorResponse(error.into())).await
    }

    /// Queues the new value of a setting.
    pub(crate) async fn parameter(&mut self, name: &str, value: &str) -> Outcome<()> {
        let status = ParameterStatus::new(name.to_owned(), value.to_owned());
        self.feed(PgWireBackendMessage::ParameterStatus(status)).await
    }

    /// Sends a last error, if the client still listens.
    pub(crate) async fn close(&mut self, error: ErrorInfo) {
        if self.error(error).await.is_ok() {
            // The socket is dropped in any case.
            let _ = SinkExt::<PgWireBackendMessage>::close(&mut self.socket).await;
        }
    }

    /// Returns when the client has gone, which can only be seen as long as it sent nothing
    /// after the message that is being served.
    pub(crate) async fn hung_up(&self) {
        let Some(tcp) = tcp(self.socket.get_ref()) else { return std::future::pending().await };
        match tcp.peek(&mut [0]).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }

    fn poll_message(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Outcome<Option<PgWireResult<PgWireFrontendMessage>>>> {
        let socket = &mut self.socket;
        // Some decoders index into a message before they know that it is long enough.
        let poll = catch_unwind(AssertUnwindSafe(|| Pin::new(socket).poll_next(context)))
            .map_err(|_| Failure::fatal("08P01", "invalid message format"))?;
        if poll.is_pending()
            && let Some(size) = self.announced()
            && size > self.max_message_bytes
        {
            let limit = self.max_message_bytes;
            let text = format!("a message of {size} bytes exceeds the limit of {limit}");
            return Poll::Ready(Err(Failure::fatal("54000", text)));
        }
        poll.map(Ok)
    }

    /// How long the message that has begun to arrive says it is.
    fn announced(&self) -> Option<usize> {
        let buffer = self.socket.read_buffer();
        let typed = !matches!(self.socket.state(), PgWireConnectionState::AwaitingStartup);
        let length = buffer.get(usize::from(typed)..)?.first_chunk::<4>()?;
        // A negative length is a huge one.
        Some(u32::from_be_bytes(*length) as usize)
    }
}

fn tcp(socket: &MaybeTls) -> Option<&TcpStream> {
    match socket {
        MaybeTls::Plain(tcp) => Some(tcp),
        MaybeTls::Tls(tls) => Some(tls.get_ref().0),
        _ => None,
    }
}
