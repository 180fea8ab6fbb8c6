//! Noticing that the disk under the database does not answer.
//!
//! What the writer thread is kept waiting by says Linux: a thread that waits for a disk is in the state D, and
//! each time that it goes to sleep is counted
//! ([proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)). One that
//! executes, however long, is not in that state, and one whose disk is slow wakes up now and then.
//! Elsewhere nothing is noticed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How often it is looked.
const TICK: Duration = Duration::from_millis(250);

/// What takes less is nothing out of the ordinary.
const SHORTEST: Duration = Duration::from_secs(1);

/// Whether the disk keeps the writer thread waiting.
#[derive(Debug)]
pub(crate) struct Stall {
    database: PathBuf,
    limit: Duration,
    /// What the system tells of the thread.
    thread: OnceLock<PathBuf>,
    since: watch::Sender<Option<Instant>>,
}

impl Stall {
    /// Of the disk under `database`; it is called so after the limit.
    pub(crate) fn new(database: PathBuf, limit: Duration) -> Self {
        let limit = limit.max(SHORTEST);
        Self { database, limit, thread: OnceLock::new(), since: watch::Sender::new(None) }
    }

    /// The calling thread is the one that writes.
    pub(crate) fn is_this_thread(&self) {
        if let Ok(thread) = fs::read_link("/proc/thread-self") {
            let _ = self.thread.set(Path::new("/proc").join(thread).join("status"));
        }
    }

    /// What to tell clients and operators while the disk does not answer.
    pub(crate) fn reason(&self) -> Option<String> {
        (*self.since.borrow()).map(|since| self.text(since.elapsed()))
    }

    /// Returns once the disk does not answer, with what to tell.
    pub(crate) async fn begun(&self) -> String {
        let mut since = self.since.subscribe();
        // The sender is here.
        let _ = since.wait_for(Option::is_some).await;
        self.reason().unwrap_or_else(|| self.text(self.limit))
    }

    /// Looks for ever.
    pub(crate) async fn watch(&self) {
        let mut wait = Wait::default();
        loop {
            tokio::time::sleep(TICK).await;
            wait.look(self.sleeps());
            let is_silent = wait.lasted >= self.limit;
            if is_silent != self.since.borrow().is_some() {
                self.tell(is_silent.then_some(wait.lasted));
            }
        }
    }

    fn tell(&self, lasted: Option<Duration>) {
        match lasted {
            Some(lasted) => tracing::error!("{}", self.text(lasted)),
            None => tracing::info!(database = %self.database.display(), "the disk answers again"),
        }
        self.since.send_replace(lasted.and_then(|lasted| Instant::now().checked_sub(lasted)));
    }

    /// How often the thread has slept, if it waits for a disk now.
    fn sleeps(&self) -> Option<u64> {
        sleeps(&fs::read_to_string(self.thread.get()?).ok()?)
    }

    fn text(&self, lasted: Duration) -> String {
        format!(
            "the disk under {} has not answered for {} s, and nothing is written until it does: see what \
             the system's log says of it",
            self.database.display(),
            lasted.as_secs()
        )
    }
}

/// How long the thread has waited for one thing, as far as it was looked: what time passes while this process is
/// stopped is not counted.
#[derive(Debug, Default)]
struct Wait {
    sleeps: Option<u64>,
    lasted: Duration,
}

impl Wait {
    fn look(&mut self, sleeps: Option<u64>) {
        let is_the_same = sleeps.is_some() && sleeps == self.sleeps;
        self.lasted = if is_the_same { self.lasted + TICK } else { Duration::ZERO };
        self.sleeps = sleeps;
    }
}

fn sleeps(status: &str) -> Option<u64> {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    field("State:")?.starts_with('D').then_some(())?;
    field("voluntary_ctxt_switches:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_waits_for_a_disk_if_it_is_in_that_state() {
        let status = |state| {
            format!(
                "Name:\tha-writer\nState:\t{state}\nnonvoluntary_ctxt_switches:\t1\nvoluntary_ctxt_switches:\t42\n"
            )
        };
        assert_eq!(sleeps(&status("D (disk sleep)")), Some(42));
        assert_eq!(sleeps(&status("R (running)")), None);
        assert_eq!(sleeps(&status("S (sleeping)")), None);
        assert_eq!(sleeps("State:\tD (disk sleep)\n"), None);
    }

    #[test]
    fn only_one_wait_without_an_answer_counts() {
        let mut wait = Wait::default();
        let mut lasted = |looks: &[Option<u64>]| {
            looks.iter().for_each(|sleeps| wait.look(*sleeps));
            wait.lasted / TICK.as_millis() as u32
        };
        let ticks = Duration::from_millis(1);
        assert_eq!(lasted(&[Some(1), Some(1), Some(1)]), 2 * ticks);
        assert_eq!(lasted(&[Some(2), Some(3)]), Duration::ZERO, "it was answered in between");
        assert_eq!(lasted(&[Some(3), None]), Duration::ZERO);
        assert_eq!(lasted(&[Some(3)]), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_how_long_it_has_lasted() {
        let stall = Stall::new("/data/my.db".into(), Duration::from_secs(5));
        assert_eq!(stall.reason(), None);
        tokio::join!(
            async {
                tokio::time::sleep(TICK).await;
                stall.tell(Some(Duration::from_secs(5)));
            },
            async { assert!(stall.begun().await.contains("/data/my.db has not answered for 5 s")) }
        );
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(stall.reason().unwrap().contains("for 7 s"));
        stall.tell(None);
        assert_eq!(stall.reason(), None);
    }
}
