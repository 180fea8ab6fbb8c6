use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use ha_core::Shutdown;
use pgwire::messages::PgWireFrontendMessage as Message;
use tokio::sync::OwnedSemaphorePermit;

use crate::Options;
use crate::backend::Backend;
use crate::cancel::Registration;
use crate::dialect::Command;
use crate::error::{Failure, Outcome, info};
use crate::extended::{Execution, Portal};
use crate::prepare::Prepared;
use crate::settings::Settings;
use crate::startup::Login;
use crate::wire::Wire;

/// What lives as long as a connection: its place among them, and its name for cancelling.
type Kept = (OwnedSemaphorePermit, Registration);

/// A client that has logged in.
pub(crate) struct Connection {
    pub(crate) backend: Backend,
    /// By name; the unnamed one is `""`.
    pub(crate) statements: HashMap<String, Arc<Prepared>>,
    pub(crate) portals: HashMap<String, Portal>,
    /// An Execute whose turn comes when the next message tells whether it is alone.
    pub(crate) pending: Option<Execution>,
    /// After an error in the extended protocol nothing is done until Sync.
    skipping: bool,
    /// The settings as the client was told.
    told: Settings,
    _kept: Kept,
}

/// Whether the client may be disconnected without breaking into what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It waits for nothing.
    Idle,
    /// It waits for answers, or its pipeline has no Sync yet.
    Busy,
    /// It has left.
    Left,
}

impl Connection {
    pub(crate) fn new(login: Login, options: Arc<Options>, kept: Kept) -> Self {
        let told = login.settings.clone();
        Self {
            backend: Backend::new(login.session, login.settings, login.identity, options),
            statements: HashMap::new(),
            portals: HashMap::new(),
            pending: None,
            skipping: false,
            told,
            _kept: kept,
        }
    }

    /// Serves the client until it leaves, breaks the protocol, or the node stops.
    pub(crate) async fn serve(mut self, mut wire: Wire, stop: Shutdown) {
        let mut rest = Rest::Idle;
        while rest != Rest::Left {
            let message = tokio::select! {
                biased;
                () = stop.requested(), if rest == Rest::Idle => {
                    let text = "terminating connection due to administrator command";
                    return wire.close(info("FATAL", "57P01", text)).await;
                }
                message = wire.next() => message,
            };
            let step = match message {
                Ok(message) => self.step(&mut wire, message).await,
                Err(failure) => Err(failure),
            };
            rest = match step {
                Ok(rest) => rest,
                Err(Failure::Gone) => return,
                Err(Failure::Report(error)) => return wire.close(*error).await,
            };
        }
    }

    /// Does what a message asks for. An error that comes out of here ends the connection.
    async fn step(&mut self, wire: &mut Wire, message: Message) -> Outcome<Rest> {
        let message = match message {
            Message::Terminate(_) => return Ok(Rest::Left),
            message => message,
        };
        if self.pending.is_some() {
            let alone = matches!(message, Message::Sync(_));
            let result = self.execute_pending(wire, alone).await;
            self.skip_on_error(wire, result).await?;
        }
        match message {
            _ if self.skipping && !matches!(message, Message::Sync(_)) => Ok(Rest::Busy),
            Message::Query(query) => {
                let result = self.query(wire, &query.query).await;
                self.report(wire, result).await?;
                self.ready(wire).await
            }
            Message::Sync(_) => {
                self.skipping = false;
                let result = watched(wire, self.backend.finish()).await;
                self.report(wire, result).await?;
                self.ready(wire).await
            }
            // Left over from a COPY that failed.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(Rest::Busy),
            message => {
                let result = self.extended(wire, message).await;
                self.skip_on_error(wire, result).await?;
                Ok(Rest::Busy)
            }
        }
    }

    async fn ready(&mut self, wire: &mut Wire) -> Outcome<Rest> {
        self.tell_changes(wire).await?;
        if !self.backend.transaction.is_block() {
            self.portals.clear();
        }
        wire.ready(self.backend.transaction.status()).await?;
        Ok(Rest::Idle)
    }

    async fn skip_on_error(&mut self, wire: &mut Wire, result: Outcome<()>) -> Outcome<()> {
        self.skipping |= result.is_err();
        let failed = result.is_err();
        self.report(wire, result).await?;
        if failed { wire.flush().await } else { Ok(()) }
    }

    /// Tells the client of an error, unless it is one that ends the connection.
    async fn report(&mut self, wire: &mut Wire, result: Outcome<()>) -> Outcome<()> {
        match result {
            Err(Failure::Report(error)) if !error.is_fatal() => {
                self.backend.fail().await;
                self.tell_changes(wire).await?;
                wire.error(*error).await
            }
            result => result,
        }
    }

    /// Sends the notices, and the settings that are to be reported and have changed.
    pub(crate) async fn tell_changes(&mut self, wire: &mut Wire) -> Outcome<()> {
        for notice in self.backend.notices.drain(..) {
            wire.notice(notice).await?;
        }
        let settings = &self.backend.settings;
        for (old, new) in self.told.reported().zip(settings.reported()) {
            if old != new {
                wire.parameter(new.0, new.1).await?;
            }
        }
        self.told = settings.clone();
        Ok(())
    }

    /// Drops the statements that a command of the client drops.
    pub(crate) fn forget(&mut self, command: &Command) {
        match command {
            Command::Deallocate(Some(name)) => drop(self.statements.remove(name)),
            Command::Deallocate(None) | Command::Discard(_) => self.statements.clear(),
            _ => {}
        }
    }

    /// A simple query ends the life of the unnamed statement and portal.
    pub(crate) fn forget_unnamed(&mut self) {
        self.statements.remove("");
        self.portals.remove("");
    }
}

/// Does work for a client as long as the client is there to get the answer.
pub(crate) async fn watched<T>(wire: &Wire, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        biased;
        result = work => result,
        () = wire.hung_up() => Err(Failure::Gone),
    }
}
