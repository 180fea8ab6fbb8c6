use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use ha_abi::{HaCompletion, HaStatus, HaStream};
use ha_core::{ByteStream, Error, Result, json};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{Answer, Asked, ask, guarded, respond};

/// An item of a stream.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// The first number.
    pub a: u64,
    /// The second number.
    pub b: u64,
    /// The bytes.
    pub body: Bytes,
}

/// Gives a stream away. Its items are made in the runtime, one when it is asked for.
#[must_use]
pub fn export_stream(runtime: Handle, items: BoxStream<'static, Result<Item>>) -> HaStream {
    let items = Mutex::new(Some(items));
    let exported = Arc::new(Exported { runtime, items, dropped: CancellationToken::new() });
    HaStream {
        ctx: Arc::into_raw(exported).cast_mut().cast(),
        next: Some(next),
        drop: Some(drop_stream),
    }
}

/// As [`export_stream`], of chunks.
#[must_use]
pub fn export_bytes(runtime: Handle, chunks: ByteStream) -> HaStream {
    let item = |chunk: Result<Bytes>| chunk.map(|body| Item { body, ..Item::default() });
    export_stream(runtime, chunks.map(item).boxed())
}

struct Exported {
    runtime: Handle,
    items: Mutex<Option<BoxStream<'static, Result<Item>>>>,
    dropped: CancellationToken,
}

impl Exported {
    async fn next(&self) -> Answer {
        let mut items = self.items.lock().await;
        let Some(stream) = items.as_mut() else { return Answer::status(HaStatus::END) };
        let item = tokio::select! {
            biased;
            () = self.dropped.cancelled() => None,
            item = stream.next() => item,
        };
        match item {
            Some(Ok(Item { a, b, body })) => Answer { status: HaStatus::OK, a, b, body },
            Some(Err(error)) => {
                *items = None;
                Answer::failed(json::error(&error))
            }
            None => {
                *items = None;
                Answer::status(HaStatus::END)
            }
        }
    }
}

unsafe extern "C" fn next(ctx: *mut c_void, done: HaCompletion) {
    // SAFETY: `export_stream` made the pointer, which is good until `drop_stream`.
    let exported = ManuallyDrop::new(unsafe { Arc::from_raw(ctx.cast::<Exported>()) });
    let stream = Arc::clone(&exported);
    respond(&exported.runtime, done, async move { stream.next().await });
}

unsafe extern "C" fn drop_stream(ctx: *mut c_void) {
    // SAFETY: `export_stream` made the pointer, and it is dropped once.
    let exported = unsafe { Arc::from_raw(ctx.cast::<Exported>()) };
    exported.dropped.cancel();
    let runtime = exported.runtime.clone();
    let _inside = runtime.enter();
    guarded((), move || drop(exported));
}

/// A stream that was given by the other side.
#[derive(Debug)]
pub struct Imported {
    stream: HaStream,
    asked: Option<Asked>,
    ended: bool,
    origin: Arc<str>,
}

impl Imported {
    /// Takes a stream; `origin` is named by errors that name nothing else.
    ///
    /// # Safety
    /// The stream was given by the rules of the boundary, and nobody else has it.
    #[must_use]
    pub unsafe fn new(stream: HaStream, origin: Arc<str>) -> Self {
        Self { stream, asked: None, ended: false, origin }
    }

    /// The bodies of the items.
    #[must_use]
    pub fn bytes(self) -> ByteStream {
        let origin = Arc::clone(&self.origin);
        self.map(move |item| Ok(item?.done(&origin)?.body)).boxed()
    }
}

/// Items with the status they came with, so that a panic can be told from other errors.
impl Stream for Imported {
    type Item = Result<Answer>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.asked.is_none() {
            let Some(next) = self.stream.next else {
                self.ended = true;
                let error = Error::transport(&*self.origin, "a stream without `next`");
                return Poll::Ready(Some(Err(error)));
            };
            let ctx = self.stream.ctx;
            // SAFETY: the stream is good until it is dropped, and no other `next` is unanswered.
            self.asked = Some(ask(|done| unsafe { next(ctx, done) }));
        }
        let asked = self.asked.as_mut().expect("it was just asked for");
        let answer = ready!(Pin::new(asked).poll(cx));
        self.asked = None;
        self.ended = answer.status != HaStatus::OK;
        Poll::Ready((answer.status != HaStatus::END).then_some(Ok(answer)))
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        if let Some(drop) = self.stream.drop {
            // SAFETY: the stream belongs to this value, which drops it once.
            unsafe { drop(self.stream.ctx) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn across(items: BoxStream<'static, Result<Item>>) -> Imported {
        let stream = export_stream(Handle::current(), items);
        // SAFETY: it was just made.
        unsafe { Imported::new(stream, "test".into()) }
    }

    #[tokio::test]
    async fn items_and_the_error_that_ends_them_arrive() {
        let item = Item { a: 1, b: 2, body: Bytes::from_static(b"x") };
        let items = futures::stream::iter([Ok(item), Err(Error::Conflict), Ok(Item::default())]);
        let arrived: Vec<_> = across(items.boxed()).map(|item| item?.done("test")).collect().await;
        assert_eq!(arrived.len(), 2);
        let first = arrived[0].as_ref().unwrap();
        assert_eq!((first.a, first.b, &first.body[..]), (1, 2, &b"x"[..]));
        assert_eq!(*arrived[1].as_ref().unwrap_err(), Error::Conflict);
    }

    #[tokio::test]
    async fn a_stream_that_is_dropped_while_it_is_asked_is_dropped_behind_the_boundary() {
        let held = Arc::new(());
        let holder = Arc::clone(&held);
        let silent = futures::stream::pending().chain(futures::stream::once(async move {
            drop(holder);
            Ok(Item::default())
        }));
        let mut stream = across(silent.boxed());
        assert!(futures::poll!(stream.next()).is_pending());
        drop(stream);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let panics = futures::stream::once(async { panic!("bad item") });
        let item = across(panics.boxed()).next().await.unwrap().unwrap();
        assert_eq!(item.status, HaStatus::PANICKED);
        assert!(item.done("test").unwrap_err().to_string().contains("bad item"));
    }
}
