use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use ha_abi::{HaCompletion, HaSlice};
use ha_bridge::{Answer, guarded, respond};
use ha_core::{
    Batch, Canceller, Error, Result, Session, SessionOptions, TransactionOptions, TransactionState,
    json,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::engine::{exported, failed, text};

/// The sessions that a plugin has open, by their numbers.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    last: u64,
    open: HashMap<u64, Arc<Open>>,
}

/// A call on a session.
type Work = Box<dyn FnOnce(&mut dyn Session) -> BoxFuture<'_, Result<Answer>> + Send>;

struct Open {
    /// Locked while a call runs.
    session: tokio::sync::Mutex<Box<dyn Session>>,
    canceller: Canceller,
    /// The state of the transaction after the last call.
    transaction: AtomicU32,
    /// Abandons the call that runs.
    running: Mutex<Option<CancellationToken>>,
}

impl Sessions {
    fn insert(&self, session: Box<dyn Session>) -> u64 {
        let open = Open {
            canceller: session.canceller(),
            transaction: AtomicU32::new(number(session.transaction())),
            session: tokio::sync::Mutex::new(session),
            running: Mutex::new(None),
        };
        let mut sessions = self.0.lock();
        sessions.last += 1;
        let number = sessions.last;
        sessions.open.insert(number, Arc::new(open));
        number
    }

    fn get(&self, number: u64) -> Option<Arc<Open>> {
        self.0.lock().open.get(&number).cloned()
    }

    fn close(&self, number: u64) {
        let closed = self.0.lock().open.remove(&number);
        if let Some(open) = closed {
            open.abandon();
        }
    }

    pub(crate) fn close_all(&self) {
        let closed = std::mem::take(&mut self.0.lock().open);
        closed.values().for_each(|open| open.abandon());
    }
}

fn number(state: TransactionState) -> u32 {
    match state {
        TransactionState::None => 0,
        TransactionState::Open => 1,
        TransactionState::Lost => 2,
    }
}

impl Open {
    /// The node may have rolled back since the last call.
    fn transaction(&self) -> u32 {
        match self.session.try_lock() {
            Ok(session) => number(session.transaction()),
            Err(_) => self.transaction.load(Ordering::Acquire),
        }
    }

    fn abandon(&self) {
        if let Some(running) = &*self.running.lock() {
            running.cancel();
        }
    }

    /// Makes a call. If it is abandoned its future is dropped, which the session knows to undo.
    async fn call(&self, work: Work) -> Answer {
        let mut session = self.session.lock().await;
        let abandoned = CancellationToken::new();
        *self.running.lock() = Some(abandoned.clone());
        let answer = tokio::select! {
            biased;
            answer = work(&mut **session) => answer,
            () = abandoned.cancelled() => Err(Error::Interrupted),
        };
        *self.running.lock() = None;
        self.transaction.store(number(session.transaction()), Ordering::Release);
        answer.into()
    }
}

pub(crate) unsafe extern "C" fn open(ctx: *mut c_void, options: HaSlice, done: HaCompletion) {
    // SAFETY: as the plugin calls by the rules.
    let (exported, options) =
        unsafe { (exported(ctx), json::read_or_default::<SessionOptions>(options.as_bytes())) };
    let runtime = exported.runtime.clone();
    respond(&runtime, done, async move {
        let session = async { exported.engine.session(options?).await };
        match session.await {
            Ok(session) => Answer::numbers(exported.sessions.insert(session), 0),
            Err(error) => failed(error),
        }
    });
}

/// Answers with what the work on a session gives.
macro_rules! on_session {
    ($ctx:ident, $number:ident, $done:ident, |$session:ident| $work:expr) => {{
        // SAFETY: as the plugin calls by the rules.
        let exported = unsafe { exported($ctx) };
        let runtime = exported.runtime.clone();
        respond(&runtime, $done, async move {
            let Some(open) = exported.sessions.get($number) else {
                return failed(Error::invalid(format!("there is no session {}", $number)));
            };
            open.call(Box::new(move |$session| async move { $work }.boxed())).await
        });
    }};
}

pub(crate) unsafe extern "C" fn run(
    ctx: *mut c_void,
    number: u64,
    batch: HaSlice,
    done: HaCompletion,
) {
    // SAFETY: the batch is lent.
    let batch = json::read::<Batch>(unsafe { batch.as_bytes() });
    on_session!(ctx, number, done, |session| {
        Ok(Answer::body(json::write(&session.run(batch?).await?)))
    });
}

pub(crate) unsafe extern "C" fn begin(
    ctx: *mut c_void,
    number: u64,
    options: HaSlice,
    done: HaCompletion,
) {
    // SAFETY: the options are lent.
    let options = json::read_or_default::<TransactionOptions>(unsafe { options.as_bytes() });
    on_session!(ctx, number, done, |session| {
        session.begin(options?).await.map(|()| Answer::ok())
    });
}

pub(crate) unsafe extern "C" fn commit(ctx: *mut c_void, number: u64, done: HaCompletion) {
    on_session!(ctx, number, done, |session| {
        Ok(Answer::body(session.commit().await?.to_string()))
    });
}

pub(crate) unsafe extern "C" fn rollback(ctx: *mut c_void, number: u64, done: HaCompletion) {
    on_session!(ctx, number, done, |session| session.rollback().await.map(|()| Answer::ok()));
}

pub(crate) unsafe extern "C" fn describe(
    ctx: *mut c_void,
    number: u64,
    sql: HaSlice,
    done: HaCompletion,
) {
    // SAFETY: the text is lent.
    let sql = unsafe { text(sql) };
    on_session!(ctx, number, done, |session| {
        Ok(Answer::body(json::write(&session.describe(&sql?).await?)))
    });
}

pub(crate) unsafe extern "C" fn transaction(ctx: *mut c_void, number: u64) -> u32 {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    guarded(0, || {
        let open = exported.sessions.get(number);
        open.map_or(0, |open| open.transaction())
    })
}

pub(crate) unsafe extern "C" fn cancel(ctx: *mut c_void, number: u64) {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    guarded((), || {
        if let Some(open) = exported.sessions.get(number) {
            open.canceller.cancel();
        }
    });
}

pub(crate) unsafe extern "C" fn abandon(ctx: *mut c_void, number: u64) {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    guarded((), || {
        if let Some(open) = exported.sessions.get(number) {
            open.abandon();
        }
    });
}

pub(crate) unsafe extern "C" fn close(ctx: *mut c_void, number: u64) {
    // SAFETY: as the plugin calls by the rules.
    let exported = unsafe { exported(ctx) };
    let runtime = exported.runtime.clone();
    let _inside = runtime.enter();
    guarded((), || exported.sessions.close(number));
}
