//! Where large temporary files are.

use std::path::{Path, PathBuf};

use ha_core::{Error, Result};
use ha_sqlite::OpenOptions;
use tempfile::NamedTempFile;

/// The place of a node's large temporary files: beside its database, so that there is as much
/// room as it needs.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// The database.
    pub(crate) database: PathBuf,
    /// How it is opened.
    pub(crate) open: OpenOptions,
    dir: PathBuf,
    is_beside: bool,
    prefix: String,
}

impl Room {
    /// The room of a database. One in memory leaves its memory to the database.
    pub(crate) fn of(database: &Path, open: OpenOptions, in_memory: bool) -> Self {
        let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty());
        let beside = parent.unwrap_or(Path::new(".")).to_owned();
        let dir = if in_memory { std::env::temp_dir() } else { beside };
        let name = database.file_name().unwrap_or_default().to_string_lossy();
        let (database, prefix) = (database.to_owned(), format!("{name}.tmp-"));
        Self { database, open, dir, is_beside: !in_memory, prefix }
    }

    /// An empty file, which is gone when it is dropped.
    pub(crate) fn file(&self) -> Result<NamedTempFile> {
        tempfile::Builder::new().prefix(&self.prefix).tempfile_in(&self.dir).map_err(|failure| {
            let dir = self.dir.display();
            Error::io(format!("create a temporary file in {dir}"), &failure)
        })
    }

    /// Removes what a crash left. Only while the database is locked; those of a database in
    /// memory are left to the system, because their names are not its own.
    pub(crate) fn sweep(&self) {
        if !self.is_beside {
            return;
        }
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                // It is in nobody's way.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ha_sqlite::Durability;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_a_crash_left_is_removed_and_nothing_else() {
        let dir = TempDir::new().unwrap();
        let open = OpenOptions {
            foreign_keys: true,
            durability: Durability::Off,
            cache_size: None,
            extensions: Vec::new(),
        };
        let room = Room::of(&dir.path().join("ha.db"), open, false);
        let left = room.file().unwrap().into_temp_path().keep().unwrap();
        let other = dir.path().join("other.db.tmp-1");
        std::fs::write(&other, "").unwrap();
        assert_eq!(left.parent(), Some(dir.path()));
        room.sweep();
        assert!(!left.exists() && other.exists());
    }
}
