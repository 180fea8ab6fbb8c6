//! What a node takes from the process it runs in: threads, tasks, wall-clock time and chance.
//! The simulation has one thread and gives each of them from its seed; monotonic time is
//! tokio's, which it can stop.

use std::fs::File;
use std::future::Future;
use std::io;
#[cfg(test)]
use std::io::Read;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::{AbortHandle, BoxFuture, abortable};
#[cfg(test)]
use futures::stream;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt};
use ha_core::{Error, Result};
use tokio::runtime::Handle;
use tokio_util::io::ReaderStream;

#[cfg(test)]
use crate::simulation;
use crate::writer::Writer;

/// So many bytes of a file are read at a time.
const CHUNK: usize = 256 << 10;

/// Runs what blocks, away from async code.
///
/// # Errors
/// [`Error::Closed`] if the runtime ends meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    #[cfg(test)]
    if simulation::is_running() {
        return Ok(run());
    }
    tokio::task::spawn_blocking(run).await.map_err(|_| Error::Closed)
}

/// Begins to run what blocks beside what the caller goes on with; the future is for its end.
///
/// # Errors
/// [`Error::Closed`] if the runtime ends meanwhile.
pub(crate) fn beside<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    #[cfg(test)]
    if simulation::is_running() {
        // Whoever is beside it has done everything when its end is waited for.
        return async { std::thread::spawn(run).join().map_err(|_| Error::Closed) }.boxed();
    }
    tokio::task::spawn_blocking(run).map_err(|_| Error::Closed).boxed()
}

/// Runs a task that ends when it is done or aborted.
pub(crate) fn spawn(
    runtime: &Handle,
    task: impl Future<Output = ()> + Send + 'static,
) -> AbortHandle {
    let (task, abort) = abortable(task);
    let task = async {
        let _ = task.await;
    };
    #[cfg(test)]
    if simulation::is_running() {
        simulation::spawn(task);
        return abort;
    }
    runtime.spawn(task);
    abort
}

/// Opens the writer and lets it work until it is told to stop, on a thread of its own, which is
/// returned.
///
/// # Errors
/// What `open` says.
pub(crate) async fn run_writer(
    open: impl FnOnce() -> Result<Writer> + Send + 'static,
) -> Result<Option<JoinHandle<()>>> {
    #[cfg(test)]
    if simulation::is_running() {
        simulation::adopt(open()?);
        return Ok(None);
    }
    let (opened, is_open) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("ha-writer".to_owned())
        .spawn(move || match open() {
            Ok(writer) => {
                let _ = opened.send(Ok(()));
                writer.run();
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        })
        .map_err(|error| Error::io("start the writer thread", &error))?;
    is_open.await.map_err(|_| Error::Closed)??;
    Ok(Some(thread))
}

/// Runs what blocks for long on a thread of its own, and waits for nothing.
///
/// # Errors
/// If the system gives no thread.
pub(crate) fn apart(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    #[cfg(test)]
    if simulation::is_running() {
        simulation::spawn(async { run() });
        return Ok(());
    }
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop).map_err(|error| Error::io("start a thread", &error))
}

/// A file's content from its beginning.
pub(crate) fn content(file: File) -> BoxStream<'static, io::Result<Bytes>> {
    #[cfg(test)]
    if simulation::is_running() {
        let mut content = Vec::new();
        let read = { file }.read_to_end(&mut content).map(|_| content.into());
        return stream::iter([read]).boxed();
    }
    ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK).boxed()
}

/// The wall clock.
pub(crate) fn system_time() -> SystemTime {
    UNIX_EPOCH + unix_time()
}

/// The wall clock: the time since 1970.
pub(crate) fn unix_time() -> Duration {
    #[cfg(test)]
    if simulation::is_running() {
        return simulation::unix_time();
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number that nobody can guess.
pub(crate) fn chance() -> u64 {
    #[cfg(test)]
    if simulation::is_running() {
        return simulation::chance();
    }
    rand::random()
}

/// A part of one, by chance.
pub(crate) fn share() -> f64 {
    f64::from(u32::try_from(chance() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
