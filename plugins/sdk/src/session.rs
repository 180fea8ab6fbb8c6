use std::sync::Arc;

use async_trait::async_trait;
use ha_abi::{HaCompletion, HaEngine, HaSlice};
use ha_bridge::{Answer, Asked, ask};
use ha_core::{
    Batch, Canceller, Description, Reply, Result, Session, Token, TransactionOptions,
    TransactionState, json,
};

use crate::engine::{ORIGIN, Table, token};

/// A session behind the boundary. Closed when the last one who may cancel it is gone.
#[derive(Debug)]
pub(crate) struct RemoteSession {
    place: Arc<Place>,
    /// The call that was made last, if its answer was not waited for.
    unanswered: Option<Asked>,
}

#[derive(Debug)]
struct Place {
    engine: Arc<Table>,
    number: u64,
}

impl RemoteSession {
    pub(crate) fn new(engine: Arc<Table>, number: u64) -> Self {
        Self { place: Arc::new(Place { engine, number }), unanswered: None }
    }

    /// Makes a call once the one before it is answered. If the future is dropped, the call is
    /// abandoned.
    async fn call(
        &mut self,
        make: impl FnOnce(&HaEngine, u64, HaCompletion) + Send,
    ) -> Result<Answer> {
        if let Some(unanswered) = &mut self.unanswered {
            unanswered.await;
            self.unanswered = None;
        }
        let Place { engine, number } = &*self.place;
        let asked = self.unanswered.insert(ask(|done| make(&engine.0, *number, done)));
        let mut abandon = Abandon(Some(&self.place));
        let answer = asked.await;
        abandon.0 = None;
        self.unanswered = None;
        answer.done(ORIGIN)
    }
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
        let batch = json::write(&batch);
        // SAFETY: the engine is there, the batch for as long as the call.
        let run = |engine: &HaEngine, number, done| unsafe {
            (engine.session_run)(engine.ctx, number, HaSlice::new(&batch), done);
        };
        json::read(&self.call(run).await?.body)
    }

    async fn begin(&mut self, options: TransactionOptions) -> Result<()> {
        let options = json::write(&options);
        // SAFETY: the engine is there, the options for as long as the call.
        let begin = |engine: &HaEngine, number, done| unsafe {
            (engine.session_begin)(engine.ctx, number, HaSlice::new(&options), done);
        };
        self.call(begin).await.map(drop)
    }

    async fn commit(&mut self) -> Result<Token> {
        // SAFETY: the engine is there.
        let commit = |engine: &HaEngine, number, done| unsafe {
            (engine.session_commit)(engine.ctx, number, done);
        };
        token(&self.call(commit).await?)
    }

    async fn rollback(&mut self) -> Result<()> {
        // SAFETY: the engine is there.
        let rollback = |engine: &HaEngine, number, done| unsafe {
            (engine.session_rollback)(engine.ctx, number, done);
        };
        self.call(rollback).await.map(drop)
    }

    async fn describe(&mut self, sql: &str) -> Result<Description> {
        let sql = sql.as_bytes();
        // SAFETY: the engine is there, the text for as long as the call.
        let describe = |engine: &HaEngine, number, done| unsafe {
            (engine.session_describe)(engine.ctx, number, HaSlice::new(sql), done);
        };
        json::read(&self.call(describe).await?.body)
    }

    fn transaction(&self) -> TransactionState {
        let Place { engine, number } = &*self.place;
        // SAFETY: the engine is there, and the session is not closed.
        match unsafe { (engine.0.session_transaction)(engine.0.ctx, *number) } {
            0 => TransactionState::None,
            1 => TransactionState::Open,
            _ => TransactionState::Lost,
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
