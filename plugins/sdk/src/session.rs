use std::sync::Arc;

use async_trait::async_trait;
use ha_abi::{HaCompletion, HaEngine, HaSlice};
use ha_bridge::{Answer, Asked, ask};
use ha_core::{
    Batch, Canceller, Description, Error, Reply, Result, Session, Token, TransactionOptions,
    TransactionState, json,
};

use crate::engine::{ORIGIN, Table, token};

/// A session behind the boundary. Closed when it is dropped; a canceller does nothing then.
#[derive(Debug)]
pub(crate) struct RemoteSession {
    place: Arc<Place>,
    /// The call that was made last, if its answer was not waited for: it was abandoned.
    unanswered: Option<Asked>,
    /// A transaction was open when the last call was made.
    in_transaction: bool,
    /// A transaction was rolled back because a call of it was dropped, and nobody was told yet.
    lost: bool,
}

#[derive(Debug)]
struct Place {
    engine: Arc<Table>,
    number: u64,
}

impl RemoteSession {
    pub(crate) fn new(engine: Arc<Table>, number: u64) -> Self {
        let place = Arc::new(Place { engine, number });
        Self { place, unanswered: None, in_transaction: false, lost: false }
    }

    /// Makes a call, once nothing is unanswered. If the future is dropped, it is abandoned.
    async fn call(
        &mut self,
        make: impl FnOnce(&HaEngine, u64, HaCompletion) + Send,
    ) -> Result<Answer> {
        self.in_transaction = self.place.transaction() != TransactionState::None;
        let Place { engine, number } = &*self.place;
        let asked = self.unanswered.insert(ask(|done| make(&engine.0, *number, done)));
        let mut abandon = Abandon(Some(&self.place));
        let answer = asked.await;
        abandon.0 = None;
        self.unanswered = None;
        answer.done(ORIGIN)
    }

    /// Waits until what was abandoned is over. It may have been done before it could be stopped:
    /// what it left open is rolled back here.
    async fn settle(&mut self) {
        let Some(unanswered) = &mut self.unanswered else { return };
        unanswered.await;
        self.unanswered = None;
        if self.place.transaction() == TransactionState::Open {
            self.lost |= self.in_transaction;
            // An error leaves nothing open either.
            let _ = self.call(rollback).await;
        }
    }

    /// As [`Self::settle`], for calls that would go on in a transaction that is lost.
    async fn settled(&mut self) -> Result<()> {
        self.settle().await;
        if self.lost { Err(lost()) } else { Ok(()) }
    }
}

impl Place {
    fn transaction(&self) -> TransactionState {
        // SAFETY: the engine is there, and the session is not closed.
        match unsafe { (self.engine.0.session_transaction)(self.engine.0.ctx, self.number) } {
            0 => TransactionState::None,
            1 => TransactionState::Open,
            _ => TransactionState::Lost,
        }
    }
}

fn rollback(engine: &HaEngine, number: u64, done: HaCompletion) {
    // SAFETY: the engine is there, and the session is not closed.
    unsafe { (engine.session_rollback)(engine.ctx, number, done) };
}

fn lost() -> Error {
    Error::NoTransaction("the transaction was rolled back, for a call of it was dropped".to_owned())
}

/// Abandons the call when it is dropped.
struct Abandon<'a>(Option<&'a Place>);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if let Some(Place { engine, number }) = self.0 {
            // SAFETY: the engine is there, and the session is not closed.
            unsafe { (engine.0.session_abandon)(engine.0.ctx, *number) };
        }
    }
}

impl Drop for RemoteSession {
    fn drop(&mut self) {
        let Place { engine, number } = &*self.place;
        // SAFETY: the engine is there; whoever may still cancel the session does nothing then.
        unsafe { (engine.0.session_close)(engine.0.ctx, *number) };
    }
}

#[async_trait]
impl Session for RemoteSession {
    async fn run(&mut self, batch: Batch) -> Result<Reply> {
        self.settled().await?;
        let batch = json::write(&batch);
        // SAFETY: the engine is there, the batch for as long as the call.
        let run = |engine: &HaEngine, number, done| unsafe {
            (engine.session_run)(engine.ctx, number, HaSlice::new(&batch), done);
        };
        json::read(&self.call(run).await?.body)
    }

    async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        self.settled().await?;
        let options = json::write(&options);
        // SAFETY: the engine is there, the options for as long as the call.
        let begin = |engine: &HaEngine, number, done| unsafe {
            (engine.session_begin)(engine.ctx, number, HaSlice::new(&options), done);
        };
        self.call(begin).await.map(drop)
    }

    async fn commit(&mut self) -> Result<Token> {
        self.settle().await;
        if std::mem::take(&mut self.lost) {
            return Err(lost());
        }
        // SAFETY: the engine is there.
        let commit = |engine: &HaEngine, number, done| unsafe {
            (engine.session_commit)(engine.ctx, number, done);
        };
        token(&self.call(commit).await?)
    }

    async fn rollback(&mut self) -> Result<()> {
        self.settle().await;
        self.lost = false;
        self.call(rollback).await.map(drop)
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        self.settled().await?;
        let sql = sql.as_bytes();
        // SAFETY: the engine is there, the text for as long as the call.
        let describe = |engine: &HaEngine, number, done| unsafe {
            (engine.session_describe)(engine.ctx, number, HaSlice::new(sql), done);
        };
        json::read(&self.call(describe).await?.body)
    }

    fn transaction(&self) -> TransactionState {
        let abandoned = self.unanswered.is_some();
        if self.lost || abandoned && self.in_transaction {
            TransactionState::Lost
        } else if abandoned {
            TransactionState::None
        } else {
            self.place.transaction()
        }
    }

    fn canceller(&self) -> Canceller {
        let place = Arc::clone(&self.place);
        Canceller::new(move || {
            let Place { engine, number } = &*place;
            // SAFETY: the engine is there; a session that is closed is not found.
            unsafe { (engine.0.session_cancel)(engine.0.ctx, *number) };
        })
    }
}
