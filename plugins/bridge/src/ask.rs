use std::ffi::c_void;
use std::pin::Pin;
use std::task::{Context, Poll};

use ha_abi::{HaBuf, HaCompletion, HaStatus, HaStream, HaStreamCompletion};
use tokio::sync::oneshot;

use crate::{Answer, take};

/// A call that was made and is answered later. Dropping it does not take the call back.
#[derive(Debug)]
pub struct Asked(oneshot::Receiver<Answer>);

/// As [`Asked`], for a call that is answered with a stream.
#[derive(Debug)]
pub struct AskedStream(oneshot::Receiver<(HaStream, Answer)>);

/// Makes a call, which is done before this returns; its answer may be too.
pub fn ask(call: impl FnOnce(HaCompletion)) -> Asked {
    let (answer, asked) = oneshot::channel::<Answer>();
    call(HaCompletion { ctx: Box::into_raw(Box::new(answer)).cast(), done: answered });
    Asked(asked)
}

unsafe extern "C" fn answered(ctx: *mut c_void, status: HaStatus, a: u64, b: u64, body: HaBuf) {
    // SAFETY: `ask` made the box, and an answer comes once.
    let sender = unsafe { Box::from_raw(ctx.cast::<oneshot::Sender<Answer>>()) };
    // SAFETY: the other side gives it away.
    let body = unsafe { take(body) };
    // Nobody waits any more if this fails.
    let _ = sender.send(Answer { status, a, b, body });
}

/// As [`ask`], for a call that is answered with a stream.
pub fn ask_stream(call: impl FnOnce(HaStreamCompletion)) -> AskedStream {
    let (answer, asked) = oneshot::channel::<(HaStream, Answer)>();
    call(HaStreamCompletion { ctx: Box::into_raw(Box::new(answer)).cast(), done: streamed });
    AskedStream(asked)
}

unsafe extern "C" fn streamed(ctx: *mut c_void, status: HaStatus, stream: HaStream, body: HaBuf) {
    // SAFETY: `ask_stream` made the box, and an answer comes once.
    let sender = unsafe { Box::from_raw(ctx.cast::<oneshot::Sender<(HaStream, Answer)>>()) };
    // SAFETY: the other side gives it away.
    let body = unsafe { take(body) };
    let answer = Answer { status, a: 0, b: 0, body };
    if let Err((HaStream { ctx, drop: Some(drop), .. }, _)) = sender.send((stream, answer)) {
        // SAFETY: the stream was given away, and nobody else has it.
        unsafe { drop(ctx) };
    }
}

impl Future for Asked {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(|_| unanswered()))
    }
}

impl Future for AskedStream {
    type Output = (HaStream, Answer);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(cx);
        answer.map(|answer| answer.unwrap_or_else(|_| (HaStream::EMPTY, unanswered())))
    }
}

/// The sender lives until it is used, so that this is never seen.
fn unanswered() -> Answer {
    Answer::status(HaStatus::ERROR)
}
