use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use ha_abi::{HaEngine, HaSlice};
use ha_bridge::{Answer, Imported, ask, ask_stream, take};
use ha_core::{
    Engine, Error, Health, Outcome, Readiness, Result, Session, SessionOptions, Snapshot, Status,
    Token, Transaction, TransactionName, json,
};

use crate::runtime;
use crate::session::RemoteSession;

/// The node behind the boundary.
pub(crate) struct Remote(Arc<Table>);

/// The node's functions; gives them back when the last user is gone.
pub(crate) struct Table(pub(crate) HaEngine);

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: nobody else has it; calls that are unanswered are still answered.
        unsafe { (self.0.drop)(self.0.ctx) };
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

impl Remote {
    /// # Safety
    /// The engine has all fields, and is given away.
    pub(crate) unsafe fn new(engine: *const HaEngine) -> Self {
        // SAFETY: as promised.
        Self(Arc::new(Table(unsafe { engine.read() })))
    }
}

pub(crate) const ORIGIN: &str = "ha";

pub(crate) fn token(answer: &Answer) -> Result<Token> {
    String::from_utf8_lossy(&answer.body).parse()
}

#[async_trait]
impl Engine for Remote {
    async fn session(&self, options: SessionOptions) -> Result<Box<dyn Session>> {
        let options = json::write(&options);
        let Table(table) = &*self.0;
        // SAFETY: the engine is there, the options for as long as the call.
        let call = |done| unsafe {
            (table.session_open)(table.ctx, HaSlice::new(&options), done);
        };
        let (engine, asked) = (Arc::clone(&self.0), ask(call));
        // A task, so that a session that nobody waits for any more is closed once it is open.
        let opening = runtime::handle().spawn(async move {
            let number = asked.await.done(ORIGIN)?.a;
            Ok(RemoteSession::new(engine, number))
        });
        let opened: Result<_> = opening.await.map_err(|error| Error::transport(ORIGIN, error))?;
        Ok(Box::new(opened?))
    }

    async fn changes(
        &self,
        from: Option<Token>,
    ) -> Result<BoxStream<'static, Result<Arc<Transaction>>>> {
        let from = from.map(|token| token.to_string()).unwrap_or_default();
        let Table(table) = &*self.0;
        // SAFETY: the engine is there, the position for as long as the call.
        let call = |done| unsafe {
            (table.changes)(table.ctx, HaSlice::new(from.as_bytes()), done);
        };
        let (stream, answer) = ask_stream(call).await;
        // SAFETY: it was given away.
        let items = unsafe { Imported::new(stream, ORIGIN.into()) };
        answer.done(ORIGIN)?;
        // The engine is there for as long as its stream.
        let table = Arc::clone(&self.0);
        let read = move |item: Result<Answer>| {
            let _ = &table;
            Ok(Arc::new(json::read(&item?.done(ORIGIN)?.body)?))
        };
        Ok(items.map(read).boxed())
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        let Table(table) = &*self.0;
        // SAFETY: the engine is there.
        let call = |done| unsafe { (table.snapshot)(table.ctx, done) };
        let (stream, answer) = ask_stream(call).await;
        // SAFETY: it was given away.
        let body = unsafe { Imported::new(stream, ORIGIN.into()) }.bytes();
        Ok(Snapshot { position: token(&answer.done(ORIGIN)?)?, body })
    }

    async fn outcome(&self, name: &TransactionName) -> Result<Outcome> {
        let name = name.to_string();
        let Table(table) = &*self.0;
        // SAFETY: the engine is there, the name for as long as the call.
        let call = |done| unsafe {
            (table.outcome)(table.ctx, HaSlice::new(name.as_bytes()), done);
        };
        let answer = ask(call).await.done(ORIGIN)?;
        Ok(match answer.a {
            0 => Outcome::Committed(token(&answer)?),
            1 => Outcome::NotCommitted,
            3 => Outcome::Forgotten,
            _ => Outcome::Unknown,
        })
    }

    fn status(&self) -> Status {
        let Table(table) = &*self.0;
        // SAFETY: the engine is there, and gives the bytes away.
        let status = unsafe { take((table.status)(table.ctx)) };
        json::read(&status).unwrap_or_else(|error| unreadable(&error))
    }

    async fn health(&self) -> Health {
        let Table(table) = &*self.0;
        // SAFETY: the engine is there.
        let answer = ask(|done| unsafe { (table.health)(table.ctx, done) }).await;
        let health = answer.done(ORIGIN).and_then(|answer| json::read(&answer.body));
        health.unwrap_or_else(|_| self.status().into())
    }

    async fn remove_member(&self, name: &str) -> Result<()> {
        let name = name.as_bytes();
        let Table(table) = &*self.0;
        // SAFETY: the engine is there, the name for as long as the call.
        let call = |done| unsafe {
            (table.remove_member)(table.ctx, HaSlice::new(name), done);
        };
        ask(call).await.done(ORIGIN).map(drop)
    }
}

/// A newer host may have a readiness that this library does not know.
fn unreadable(error: &Error) -> Status {
    let none = ha_core::Lineage([0; 8]);
    Status {
        node: String::new(),
        position: Token { lineage: none, seq: ha_core::Seq::ZERO, n: 0 },
        end: None,
        readiness: Readiness::Waiting(error.to_string()),
        read_only: None,
    }
}
