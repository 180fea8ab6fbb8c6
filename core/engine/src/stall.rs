//! Noticing that a disk does not answer. Only on Linux.

mod threads;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ha_core::{Error, Result};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::host;
use threads::ThreadId;

/// How often it is looked.
const TICK: Duration = Duration::from_millis(500);

/// What takes less is nothing out of the ordinary.
const SHORTEST: Duration = Duration::from_secs(2);

/// Which threads of this process disks keep waiting: the one that writes to the database, those that read
/// it, and those of an embedded server.
#[derive(Debug)]
pub(crate) struct Stall {
    database: PathBuf,
    limit: Duration,
    writer: Thread,
    held: watch::Sender<Vec<Held>>,
}

/// A thread, once it is known.
#[derive(Debug, Clone, Default)]
struct Thread(Arc<OnceLock<Option<ThreadId>>>);

/// A thread that waits for a disk.
#[derive(Debug, Clone)]
struct Held {
    thread: ThreadId,
    since: Instant,
    /// What it wants something of, if that is known.
    file: Option<PathBuf>,
}

impl Stall {
    /// For the node of `database`; a disk does not answer if it has not for so long.
    pub(crate) fn new(database: PathBuf, limit: Duration) -> Self {
        let held = watch::Sender::new(Vec::new());
        Self { database, limit: limit.max(SHORTEST), writer: Thread::default(), held }
    }

    /// The calling thread is the one that writes.
    pub(crate) fn writes(&self) {
        self.writer.begin();
    }

    /// What operators are to know, while there is something.
    pub(crate) fn reason(&self) -> Option<String> {
        let held = self.held.borrow();
        held.first().map(|first| self.of(&self.writer).unwrap_or_else(|| text(first, None)))
    }

    /// What to tell who writes, while the writer is kept waiting.
    pub(crate) fn of_writer(&self) -> Option<String> {
        self.of(&self.writer)
    }

    /// Returns once the writer is kept waiting, with what to tell.
    pub(crate) async fn keeps_writer(&self) -> String {
        self.keeps(&self.writer).await
    }

    /// Runs what reads the database, away from async code.
    ///
    /// # Errors
    /// [`Error::NotReady`] if the disk does not answer; what `run` gives is dropped then.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let thread = Thread::default();
        let reader = thread.clone();
        let reading = host::blocking(move || {
            reader.begin();
            run()
        });
        tokio::select! {
            biased;
            read = reading => read,
            reason = self.keeps(&thread) => Err(Error::NotReady(reason)),
        }
    }

    /// Looks for ever.
    pub(crate) async fn watch(&self) {
        let mut waits = Waits::default();
        loop {
            tokio::time::sleep(TICK).await;
            waits.look(&host::blocking(threads::waiting).await.unwrap_or_default());
            self.tell(&waits.longer_than(self.limit));
        }
    }

    /// These threads wait, and have for so long.
    fn tell(&self, waits: &[(ThreadId, Duration)]) {
        let known = self.held.borrow().clone();
        let is_known = |held: &Held| waits.iter().any(|(thread, _)| *thread == held.thread);
        if known.len() == waits.len() && known.iter().all(is_known) {
            return;
        }
        let now = Instant::now();
        let begin = |&(thread, lasted)| Held {
            thread,
            since: now.checked_sub(lasted).unwrap_or(now),
            file: threads::file(thread),
        };
        let same = |thread| known.iter().find(|held| held.thread == thread).cloned();
        let held: Vec<_> =
            waits.iter().map(|wait| same(wait.0).unwrap_or_else(|| begin(wait))).collect();
        match held.first() {
            Some(_) if !known.is_empty() => {}
            Some(first) => tracing::error!("{}", text(first, None)),
            None => tracing::info!("the disk answers again"),
        }
        self.held.send_replace(held);
    }

    async fn keeps(&self, thread: &Thread) -> String {
        let mut held = self.held.subscribe();
        // The sender is here.
        let _ = held.wait_for(|held| held.iter().any(|held| thread.is(held.thread))).await;
        self.of(thread).unwrap_or_else(|| "the disk does not answer".to_owned())
    }

    fn of(&self, thread: &Thread) -> Option<String> {
        let held = self.held.borrow();
        let held = held.iter().find(|held| thread.is(held.thread))?;
        Some(text(held, Some(&self.database)))
    }
}

/// What is told of a thread, which may have no other file than that.
fn text(held: &Held, only: Option<&PathBuf>) -> String {
    let disk = match held.file.as_ref().or(only) {
        Some(file) => format!("the disk under {}", file.display()),
        None => "a disk that this process uses".to_owned(),
    };
    format!(
        "{disk} has not answered for {} s: see what the system's log says of it; what waits for it goes on by \
         itself once it does",
        held.since.elapsed().as_secs()
    )
}

impl Thread {
    /// It is the calling one.
    fn begin(&self) {
        self.0.get_or_init(threads::current);
    }

    fn is(&self, thread: ThreadId) -> bool {
        self.0.get() == Some(&Some(thread))
    }
}

/// For how long threads have waited for one thing each, as far as it was looked: the time while this process
/// is stopped is not counted.
#[derive(Debug, Default)]
struct Waits(HashMap<ThreadId, (u64, Duration)>);

impl Waits {
    /// These wait now, and have slept so often.
    fn look(&mut self, waiting: &HashMap<ThreadId, u64>) {
        let lasted = |thread: &ThreadId, sleeps: u64| match self.0.get(thread) {
            Some((before, lasted)) if *before == sleeps => *lasted + TICK,
            _ => Duration::ZERO,
        };
        let waits =
            waiting.iter().map(|(thread, sleeps)| (*thread, (*sleeps, lasted(thread, *sleeps))));
        self.0 = waits.collect();
    }

    /// The threads that have waited for so long, the longest first.
    fn longer_than(&self, limit: Duration) -> Vec<(ThreadId, Duration)> {
        let waits = self.0.iter().map(|(thread, (_, lasted))| (*thread, *lasted));
        let mut long: Vec<_> = waits.filter(|(_, lasted)| *lasted >= limit).collect();
        long.sort_by_key(|(_, lasted)| std::cmp::Reverse(*lasted));
        long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_wait_without_an_answer_counts() {
        let mut waits = Waits::default();
        let mut lasted = |looks: &[&[(ThreadId, u64)]]| {
            looks.iter().for_each(|look| waits.look(&look.iter().copied().collect()));
            waits.longer_than(2 * TICK)
        };
        assert_eq!(lasted(&[&[(7, 1)], &[(7, 1)]]), []);
        assert_eq!(lasted(&[&[(7, 1), (8, 1)]]), [(7, 2 * TICK)]);
        assert_eq!(lasted(&[&[(7, 2), (8, 2)], &[(7, 3), (8, 2)], &[(8, 2)]]), [(8, 2 * TICK)]);
        assert_eq!(lasted(&[&[], &[(8, 2)], &[(8, 2)]]), [], "it was answered in between");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_how_long_it_has_lasted() {
        let stall = Stall::new("/data/my.db".into(), Duration::from_secs(5));
        stall.writes();
        let Some(writer) = threads::current() else { return };
        tokio::join!(
            async {
                tokio::time::sleep(TICK).await;
                stall.tell(&[(1, Duration::from_secs(9))]);
                assert!(stall.reason().unwrap().contains("process uses has not answered for 9 s"));
                assert_eq!(stall.of_writer(), None);
                stall.tell(&[(1, Duration::from_secs(9)), (writer, Duration::from_secs(5))]);
            },
            async {
                let told = stall.keeps_writer().await;
                assert!(told.contains("/data/my.db has not answered for 5 s"), "{told}");
            }
        );
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(stall.reason().unwrap().contains("/data/my.db has not answered for 7 s"));
        stall.tell(&[]);
        assert_eq!(stall.reason(), None);
    }
}
