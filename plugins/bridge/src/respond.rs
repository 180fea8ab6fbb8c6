use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt as _;
use ha_abi::{HaCompletion, HaStatus, HaStream, HaStreamCompletion};
use tokio::runtime::Handle;

use crate::later::start;
use crate::{Answer, give};

/// Does the work and answers with what it gives, or that it panicked. What is done at once is
/// answered at once, in place; the rest goes on in the runtime once it is woken.
pub fn respond(
    runtime: &Handle,
    done: HaCompletion,
    work: impl Future<Output = Answer> + Send + 'static,
) {
    let done = Pending(Some(done));
    start(runtime, async move {
        let answer = AssertUnwindSafe(work).catch_unwind().await;
        done.answer(answer.unwrap_or_else(|thrown| Answer::panicked(&*thrown)));
    });
}

/// As [`respond`], for work that gives a stream.
pub fn respond_stream(
    runtime: &Handle,
    done: HaStreamCompletion,
    work: impl Future<Output = Result<(HaStream, Answer), Answer>> + Send + 'static,
) {
    let done = PendingStream(Some(done));
    start(runtime, async move {
        let answer = AssertUnwindSafe(work).catch_unwind().await;
        let answer = answer.unwrap_or_else(|thrown| Err(Answer::panicked(&*thrown)));
        let (stream, answer) = answer.unwrap_or_else(|failure| (HaStream::EMPTY, failure));
        done.answer(stream, answer);
    });
}

/// What `work` gives, or `otherwise` if it panics.
pub fn guarded<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// A completion that is answered even if the runtime is shut down.
struct Pending(Option<HaCompletion>);

impl Pending {
    fn answer(mut self, answer: Answer) {
        self.send(answer);
    }

    fn send(&mut self, Answer { status, a, b, body }: Answer) {
        if let Some(HaCompletion { ctx, done }) = self.0.take() {
            // SAFETY: it was given by the rules of the boundary, and is called once.
            unsafe { done(ctx, status, a, b, give(body)) };
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.send(stopped());
    }
}

struct PendingStream(Option<HaStreamCompletion>);

impl PendingStream {
    fn answer(mut self, stream: HaStream, answer: Answer) {
        self.send(stream, answer);
    }

    fn send(&mut self, stream: HaStream, Answer { status, body, .. }: Answer) {
        if let Some(HaStreamCompletion { ctx, done }) = self.0.take() {
            // SAFETY: it was given by the rules of the boundary, and is called once.
            unsafe { done(ctx, status, stream, give(body)) };
        }
    }
}

impl Drop for PendingStream {
    fn drop(&mut self) {
        self.send(HaStream::EMPTY, stopped());
    }
}

fn stopped() -> Answer {
    let stopped = ha_core::json::error(&ha_core::Error::Closed);
    Answer { status: HaStatus::ERROR, ..Answer::body(stopped) }
}
