use std::sync::Arc;

use ha_core::{Engine, Session, SessionOptions};
use pgwire::api::auth::{AuthOutcome, protocol_negotiation, save_startup_parameters_to_metadata};
use pgwire::api::{ClientInfo, METADATA_USER};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::Startup;
use pgwire::tokio::server::negotiate_tls;
use tokio::net::TcpStream;

use crate::auth::Authentication;
use crate::dialect::Identity;
use crate::error::{Failure, Outcome};
use crate::settings::Settings;
use crate::tls::Tls;
use crate::wire::Wire;

/// What a new connection asks for.
pub(crate) enum Wish {
    /// To log in.
    Login(Startup),
    /// To stop a statement of another connection.
    Cancel(CancelRequest),
}

/// A client that has logged in.
pub(crate) struct Login {
    pub(crate) session: Box<dyn Session>,
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
}

/// Agrees on encryption.
pub(crate) async fn negotiate(tcp: TcpStream, tls: Option<&Tls>) -> Outcome<Wire> {
    let acceptor = tls.map(|tls| tls.acceptor.clone());
    let socket = negotiate_tls(tcp, acceptor).await?.ok_or(Failure::Gone)?;
    if socket.is_secure() && !socket.read_buffer().is_empty() {
        // Bytes from before the handshake must not count as encrypted (CVE-2021-23222).
        return Err(Failure::Gone);
    }
    Ok(Wire::new(socket))
}

/// Reads the first message.
pub(crate) async fn wish(wire: &mut Wire) -> Outcome<Wish> {
    match wire.next().await? {
        PgWireFrontendMessage::Startup(startup) => Ok(Wish::Login(startup)),
        PgWireFrontendMessage::CancelRequest(request) => Ok(Wish::Cancel(request)),
        _ => Err(Failure::fatal("08P01", "invalid startup packet")),
    }
}

/// Authenticates the client and opens its session. On success the client was told that it may
/// send queries.
pub(crate) async fn login(
    wire: &mut Wire,
    startup: Startup,
    mut settings: Settings,
    authentication: &Authentication,
    engine: &Arc<dyn Engine>,
) -> Outcome<Login> {
    let socket = wire.socket();
    protocol_negotiation(socket, &startup).await?;
    save_startup_parameters_to_metadata(socket, &startup);
    if !socket.metadata().contains_key(METADATA_USER) {
        return Err(Failure::fatal("28000", "no PostgreSQL user name specified in startup packet"));
    }
    let mechanism = authentication.mechanism(socket.is_secure());
    let mut state = authentication.driver().begin_authentication(socket, mechanism).await?;
    let last = loop {
        match state {
            AuthOutcome::Authenticated { final_message, .. } => break final_message,
            AuthOutcome::InProgress => {}
        }
        let PgWireFrontendMessage::PasswordMessageFamily(message) = wire.next().await? else {
            return Err(Failure::fatal("08P01", "expected a password response"));
        };
        let driver = authentication.driver();
        state = driver.advance_authentication(wire.socket(), message).await?;
    };
    settings.start(&startup.parameters)?;
    let session = engine.session(SessionOptions::default()).await.map_err(Failure::from)?;
    settings.note_position(engine.status().position);
    let socket = wire.socket();
    socket.session_extensions().insert(settings.clone());
    authentication.driver().complete_authentication(socket, last).await?;
    let identity = Identity::new(&startup.parameters, socket.pid_and_secret_key().0);
    Ok(Login { session, settings, identity })
}
