//! What Linux tells of this process's threads, see
//! [proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html): one that waits for a
//! disk is in the state D, and each time that a thread goes to sleep is counted. One that executes, however
//! long, is not in that state, and one whose disk is slow wakes up now and then.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The threads of this process.
const THREADS: &str = "/proc/self/task";

/// A thread's number.
pub(super) type ThreadId = u32;

/// The number of the calling thread; `None` where the system does not tell.
pub(super) fn current() -> Option<ThreadId> {
    thread_local! {
        static CURRENT: OnceCell<Option<ThreadId>> = const { OnceCell::new() };
    }
    let ask = || fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok();
    CURRENT.with(|current| *current.get_or_init(ask))
}

/// Those that wait for a disk now, and how often each has slept.
pub(super) fn waiting() -> HashMap<ThreadId, u64> {
    let Ok(threads) = fs::read_dir(THREADS) else { return HashMap::new() };
    let waiting = |name: &str| {
        let thread = name.parse().ok()?;
        Some((thread, sleeps(&fs::read_to_string(of(thread, "status")).ok()?)?))
    };
    threads.flatten().filter_map(|entry| waiting(entry.file_name().to_str()?)).collect()
}

/// The file that a waiting thread wants something of, if that is a call of the system
/// with its descriptor (`/proc/PID/syscall`, proc(5)).
pub(super) fn file(thread: ThreadId) -> Option<PathBuf> {
    let call = fs::read_to_string(of(thread, "syscall")).ok()?;
    let descriptor = descriptor(&call)?;
    let file = fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    (file.is_absolute() && !file.starts_with("/dev")).then_some(file)
}

fn of(thread: ThreadId, what: &str) -> PathBuf {
    Path::new(THREADS).join(thread.to_string()).join(what)
}

fn sleeps(status: &str) -> Option<u64> {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    field("State:")?.starts_with('D').then_some(())?;
    field("voluntary_ctxt_switches:")?.parse().ok()
}

/// The first argument of a call, as the descriptor that it may be.
fn descriptor(call: &str) -> Option<u32> {
    u32::from_str_radix(call.split(' ').nth(1)?.strip_prefix("0x")?, 16).ok()
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
    fn the_file_of_a_call_is_its_first_argument() {
        let fdatasync = "75 0x1d 0x0 0x0 0x0 0x0 0x0 0x7f4dc6b738ec 0x7f4dc6b73000\n";
        assert_eq!(descriptor(fdatasync), Some(29));
        assert_eq!(descriptor("running\n"), None);
        assert_eq!(descriptor("-1 0x7f4dc6b738ec 0x7f4dc6b73000\n"), None, "it is in no call");
    }
}
