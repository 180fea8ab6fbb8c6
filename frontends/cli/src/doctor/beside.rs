//! What stands beside a database file.

use std::fs;
use std::path::{Path, PathBuf};

/// Files and directories whose names begin with the database's.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Entries of the node that no longer fitted the log.
    pub(super) lost: Vec<PathBuf>,
    /// What a process that was killed left of its work.
    pub(super) leftover: Vec<PathBuf>,
    /// The directory of the embedded server, and the bytes in it.
    pub(super) server: Option<(PathBuf, u64)>,
    /// The bytes of the write-ahead log.
    pub(super) wal: u64,
}

impl Beside {
    /// Looks at the directory of the file; what cannot be read is left out.
    pub(super) fn of(path: &Path) -> Self {
        let mut beside = Self::default();
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return beside;
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let Ok(entries) = fs::read_dir(parent.unwrap_or(Path::new("."))) else { return beside };
        for entry in entries.flatten() {
            let other = entry.file_name().to_string_lossy().into_owned();
            if let Some(suffix) = other.strip_prefix(&name) {
                beside.note(suffix, entry.path());
            }
        }
        beside.lost.sort();
        beside.leftover.sort();
        beside
    }

    fn note(&mut self, suffix: &str, path: PathBuf) {
        match suffix {
            "-wal" => self.wal = size(&path),
            "-journal" => self.leftover.push(path),
            ".nats" if path.is_dir() => {
                let bytes = size(&path);
                self.server = Some((path, bytes));
            }
            _ if suffix.starts_with(".lost-") => self.lost.push(path),
            _ if suffix.ends_with(".tmp") || suffix.starts_with(".tmp") => self.leftover.push(path),
            _ => {}
        }
    }
}

/// The bytes of a file, or of all files in a directory.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}
