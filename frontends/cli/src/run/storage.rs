//! Where a node's database is.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::config::{Database, Storage};

/// Directories of databases in memory are named so, and hold a locked file while in use.
const PREFIX: &str = "ha-memory-";
const LOCK: &str = "lock";

/// A memory file system below this size is left to others; containers often have 64 MiB.
const ENOUGH: u64 = 256 << 20;

/// A database file's place. That of a database in memory is removed when this is dropped, or
/// by the next start if the process is killed.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    scratch: Option<Scratch>,
}

#[derive(Debug)]
struct Scratch {
    dir: PathBuf,
    _lock: File,
}

impl Place {
    /// The file of a database, or a fresh file in memory with the content of the one that is
    /// to be loaded.
    pub(super) fn open(database: &Database) -> Result<Self> {
        match &database.storage {
            Storage::File(path) => in_file(path, database.open.create),
            Storage::Memory(load) => in_memory(load.as_deref()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The beginning of the path where entries are saved that the log will never have again.
    pub(super) fn lost(&self, node: &str) -> PathBuf {
        if self.is_scratch() {
            let name = node.replace(std::path::MAIN_SEPARATOR, "_");
            return std::env::temp_dir().join(format!("ha-{name}.db"));
        }
        self.path.clone()
    }

    pub(super) fn is_scratch(&self) -> bool {
        self.scratch.is_some()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!("{}: {error}", self.dir.display());
        }
    }
}

fn in_file(path: &Path, create: bool) -> Result<Place> {
    if !path.exists() {
        if !create {
            bail!("{} does not exist, and mode=rw does not create it", path.display());
        }
        tracing::warn!("{} does not exist: the database starts empty", path.display());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        bail!("the directory {} does not exist; create it first", parent.display());
    }
    Ok(Place { path: path.to_owned(), scratch: None })
}

/// WAL needs a file for its index in shared memory, so "in memory" is a file on a memory file
/// system: readers there see real snapshots while a writer works, which SQLite's own
/// in-memory databases do not offer.
fn in_memory(load: Option<&Path>) -> Result<Place> {
    let parent = memory_dir();
    sweep(&parent);
    let scratch = scratch_in(&parent)?;
    let place = Place { path: scratch.dir.join("ha.db"), scratch: Some(scratch) };
    if let Some(source) = load {
        copy(source, &place.path)?;
    }
    Ok(place)
}

/// A new directory, locked.
fn scratch_in(parent: &Path) -> Result<Scratch> {
    loop {
        let name = format!("{PREFIX}{}-{:08x}", std::process::id(), rand::random::<u32>());
        let dir = parent.join(name);
        let lock = lock_new(&dir).with_context(|| format!("make {}", dir.display()))?;
        // Before it was locked, another start may have taken it for left behind and removed it.
        if dir.join(LOCK).exists() {
            return Ok(Scratch { dir, _lock: lock });
        }
    }
}

fn lock_new(dir: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o700).create(dir)?;
    let lock = File::create(dir.join(LOCK))?;
    lock.lock()?;
    Ok(lock)
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    if !source.exists() {
        tracing::warn!("{} does not exist: the database starts empty", source.display());
        return Ok(());
    }
    let sidecar = |path: &Path| {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        PathBuf::from(wal)
    };
    fs::copy(source, target).with_context(|| format!("load {}", source.display()))?;
    if sidecar(source).exists() {
        fs::copy(sidecar(source), sidecar(target))
            .with_context(|| format!("load the write-ahead log of {}", source.display()))?;
    }
    Ok(())
}

fn memory_dir() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(shm).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    if free.is_ok_and(|free| free >= ENOUGH) { shm.to_owned() } else { std::env::temp_dir() }
}

/// Removes what processes that were killed left behind: directories whose lock nobody holds.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for dir in entries.flatten().map(|entry| entry.path()) {
        let is_ours =
            dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let unused = || {
            let lock = File::open(dir.join(LOCK)).ok()?;
            lock.try_lock().ok()?;
            Some(lock)
        };
        // Locked until it is gone: whoever has just made it waits, and sees that it is gone.
        if is_ours && let Some(_lock) = unused() {
            let _ = fs::remove_dir_all(&dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_memory_leaves_nothing_behind() {
        let place = in_memory(None).unwrap();
        let dir = place.path().parent().unwrap().to_owned();
        assert!(dir.exists());
        sweep(dir.parent().unwrap());
        assert!(dir.exists(), "it is in use");
        drop(place);
        assert!(!dir.exists());
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join(format!("{PREFIX}1-0"));
        fs::create_dir(&left).unwrap();
        File::create(left.join(LOCK)).unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        sweep(parent.path());
        assert!(!left.exists());
        assert!(parent.path().join("other").exists());
    }

    #[test]
    fn starts_at_the_same_time_leave_each_other_their_directories() {
        let parent = tempfile::tempdir().unwrap();
        let start = || {
            for _ in 0..200 {
                sweep(parent.path());
                let scratch = scratch_in(parent.path()).unwrap();
                fs::write(scratch.dir.join("ha.db"), "").unwrap();
                sweep(parent.path());
                assert!(scratch.dir.join("ha.db").exists());
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(start))));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_loaded_with_its_write_ahead_log() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("a.db");
        fs::write(&source, "db").unwrap();
        fs::write(dir.path().join("a.db-wal"), "wal").unwrap();
        let place = in_memory(Some(&source)).unwrap();
        assert_eq!(fs::read(place.path()).unwrap(), b"db");
        assert_eq!(fs::read(place.path().with_file_name("ha.db-wal")).unwrap(), b"wal");
    }
}
