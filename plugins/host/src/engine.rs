use std::ffi::c_void;
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use ha_abi::{HaBuf, HaCompletion, HaEngine, HaSlice, HaStreamCompletion};
use ha_bridge::{
    Answer, Item, export_bytes, export_stream, give, guarded, respond, respond_stream,
};
use ha_core::{Batch, Engine, Error, Outcome, Result, SessionOptions, Token, Transaction, json};
use tokio::runtime::Handle;

use crate::sessions::{self, Sessions};

/// The node that a plugin's front-end serves, until it gives it back.
pub(crate) struct Exported {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) runtime: Handle,
    pub(crate) sessions: Sessions,
}

/// An engine as a plugin sees it, to be called in this runtime. It lives until the plugin gives it
/// back.
pub(crate) fn export(engine: Arc<dyn Engine>) -> HaEngine {
    let sessions = Sessions::default();
    let exported = Exported { engine, runtime: Handle::current(), sessions };
    HaEngine {
        size: size_of::<HaEngine>(),
        ctx: Arc::into_raw(Arc::new(exported)).cast_mut().cast(),
        execute,
        session_open: sessions::open,
        session_run: sessions::run,
        session_begin: sessions::begin,
        session_commit: sessions::commit,
        session_rollback: sessions::rollback,
        session_describe: sessions::describe,
        session_transaction: sessions::transaction,
        session_cancel: sessions::cancel,
        session_abandon: sessions::abandon,
        session_close: sessions::close,
        outcome,
        changes,
        snapshot,
        status,
        health,
        remove_member,
        drop: drop_engine,
    }
}

/// The engine that a plugin calls. The answer of each call holds it, whatever becomes of the rest.
///
/// # Safety
/// `ctx` is that of a table that was not given back.
pub(crate) unsafe fn exported(ctx: *mut c_void) -> Arc<Exported> {
    let exported = ctx.cast_const().cast::<Exported>();
    // SAFETY: `export` made the pointer, and the plugin's use of it is counted.
    unsafe {
        Arc::increment_strong_count(exported);
        Arc::from_raw(exported)
    }
}

/// # Safety
/// The bytes are lent.
pub(crate) unsafe fn text(slice: HaSlice) -> Result<String> {
    // SAFETY: they are lent.
    let bytes = unsafe { slice.as_bytes() };
    let text = std::str::from_utf8(bytes).map(str::to_owned);
    text.map_err(|_| Error::invalid("the text is not UTF-8"))
}

unsafe extern "C" fn execute(ctx: *mut c_void, batch: HaSlice, done: HaCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let (exported, batch) = unsafe { (exported(ctx), json::read::<Batch>(batch.as_bytes())) };
    let runtime = exported.runtime.clone();
    respond(&runtime, done, async move {
        let run = async {
            let mut session = exported.engine.session(SessionOptions::default()).await?;
            session.run(batch?).await
        };
        run.await.map(|reply| Answer::body(json::write(&reply))).into()
    });
}

unsafe extern "C" fn outcome(ctx: *mut c_void, name: HaSlice, done: HaCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let (exported, name) = unsafe { (exported(ctx), text(name)) };
    let runtime = exported.runtime.clone();
    respond(&runtime, done, async move {
        let ask = async { exported.engine.outcome(&name?.parse()?).await };
        let number = |a| Answer::numbers(a, 0);
        let tell = |outcome| match outcome {
            Outcome::Committed(token) => Answer::body(token.to_string()),
            Outcome::NotCommitted => number(1),
            Outcome::Unknown => number(2),
            Outcome::Forgotten => number(3),
        };
        ask.await.map(tell).into()
    });
}

unsafe extern "C" fn changes(ctx: *mut c_void, from: HaSlice, done: HaStreamCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let (exported, from) = unsafe { (exported(ctx), text(from)) };
    let runtime = exported.runtime.clone();
    respond_stream(&runtime, done, async move {
        let subscribe = async {
            let from = from?;
            let from = (!from.is_empty()).then(|| from.parse::<Token>()).transpose()?;
            exported.engine.changes(from).await
        };
        let transactions = subscribe.await.map_err(failed)?;
        let item = |transaction: Result<Arc<Transaction>>| {
            transaction.map(|transaction| Item {
                body: json::write(&*transaction).into(),
                ..Item::default()
            })
        };
        let items = transactions.map(item).boxed();
        Ok((export_stream(exported.runtime.clone(), items), Answer::ok()))
    });
}

pub(crate) fn failed(error: Error) -> Answer {
    Result::<()>::Err(error).into()
}

unsafe extern "C" fn snapshot(ctx: *mut c_void, done: HaStreamCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    let runtime = exported.runtime.clone();
    respond_stream(&runtime, done, async move {
        let snapshot = exported.engine.snapshot().await.map_err(failed)?;
        let body = export_bytes(exported.runtime.clone(), snapshot.body);
        Ok((body, Answer::body(snapshot.position.to_string())))
    });
}

unsafe extern "C" fn status(ctx: *mut c_void) -> HaBuf {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    guarded(HaBuf::EMPTY, || give(json::write(&exported.engine.status())))
}

unsafe extern "C" fn health(ctx: *mut c_void, done: HaCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    let runtime = exported.runtime.clone();
    let tell = async move { exported.engine.health().await };
    respond(&runtime, done, tell.map(|health| Answer::body(json::write(&health))));
}

unsafe extern "C" fn remove_member(ctx: *mut c_void, name: HaSlice, done: HaCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let (exported, name) = unsafe { (exported(ctx), text(name)) };
    let runtime = exported.runtime.clone();
    let remove = async move { exported.engine.remove_member(&name?).await };
    respond(&runtime, done, remove.map(Into::into));
}

unsafe extern "C" fn drop_engine(ctx: *mut c_void) {
    // SAFETY: the plugin gives its use back, once.
    let exported = unsafe { Arc::from_raw(ctx.cast_const().cast::<Exported>()) };
    let runtime = exported.runtime.clone();
    let _inside = runtime.enter();
    guarded((), move || {
        exported.sessions.close_all();
        drop(exported);
    });
}
