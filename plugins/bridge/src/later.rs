use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use tokio::runtime::Handle;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Does the work in place as far as it goes at once. The rest becomes a task of the runtime, but
/// not before there is something to go on with: most of what waits waits once, and is done by
/// the poll after that. A task from the start would be polled in between for nothing, on a thread
/// that has to be woken for it.
///
/// Work that waits for what never comes is kept until then, even by a runtime that ended.
pub(crate) fn start(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    let later = Arc::new(Later { runtime: runtime.clone(), state: Mutex::new(State::Polled) });
    let waker = Waker::from(Arc::clone(&later));
    let _inside = runtime.enter();
    let mut work: Work = Box::pin(work);
    if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        later.keep(work);
    }
}

struct Later {
    runtime: Handle,
    state: Mutex<State>,
}

enum State {
    /// It is being polled for the first time, or was done by that.
    Polled,
    /// Nothing to go on with yet.
    Waiting(Work),
    /// It goes on as a task; a wake during the first poll counts as well.
    Woken,
}

impl Later {
    fn exchange(&self, next: impl FnOnce(&mut State) -> State) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next(&mut state);
        mem::replace(&mut state, next)
    }

    /// Keeps the work until it is woken, which may have been already.
    fn keep(&self, work: Work) {
        let mut work = Some(work);
        self.exchange(|state| match state {
            State::Woken => State::Woken,
            State::Polled | State::Waiting(_) => work.take().map_or(State::Woken, State::Waiting),
        });
        if let Some(work) = work {
            self.runtime.spawn(work);
        }
    }
}

impl Wake for Later {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let State::Waiting(work) = self.exchange(|_| State::Woken) {
            self.runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use tokio::sync::oneshot;

    use super::*;

    /// Work that counts its polls, and tells when it is done.
    fn counted(
        polls: &Arc<AtomicUsize>,
        mut wait: oneshot::Receiver<()>,
    ) -> (impl Future<Output = ()> + Send + 'static, oneshot::Receiver<()>) {
        let (done, is_done) = oneshot::channel();
        let (polls, mut done) = (Arc::clone(polls), Some(done));
        let work = std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            if Pin::new(&mut wait).poll(cx).is_pending() {
                return Poll::Pending;
            }
            done.take().unwrap().send(()).unwrap();
            Poll::Ready(())
        });
        (work, is_done)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_waits_once_is_polled_twice_whenever_it_is_woken() {
        for round in 0..500 {
            let polls = Arc::new(AtomicUsize::new(0));
            let (wake, wait) = oneshot::channel();
            let (work, is_done) = counted(&polls, wait);
            if round % 2 == 0 {
                start(&Handle::current(), work);
                assert_eq!(polls.load(Ordering::SeqCst), 1);
                wake.send(()).unwrap();
            } else {
                let waking = std::thread::spawn(move || wake.send(()).unwrap());
                start(&Handle::current(), work);
                waking.join().unwrap();
            }
            is_done.await.unwrap();
            assert!(polls.load(Ordering::SeqCst) <= 2);
        }
    }

    #[tokio::test]
    async fn work_that_wakes_itself_goes_on() {
        let (done, is_done) = oneshot::channel();
        start(&Handle::current(), async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            done.send(()).unwrap();
        });
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_nobody_can_wake_any_more_is_dropped() {
        let held = Arc::new(());
        let holder = Arc::clone(&held);
        start(&Handle::current(), async move {
            std::future::pending::<()>().await;
            drop(holder);
        });
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
