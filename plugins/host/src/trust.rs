use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::LoadError;

const WRITABLE_BY_OTHERS: u32 = 0o002;
const WRITABLE_BY_GROUP: u32 = 0o020;
/// In such a directory a file is replaced only by its owner and that of the directory.
const STICKY: u32 = 0o1000;

/// The file itself, links resolved, if nobody but this user and root can have written it or can
/// put another in its place.
pub(crate) fn trusted(path: &Path) -> Result<PathBuf, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = fs::canonicalize(path).map_err(unreadable)?;
    let metadata = fs::metadata(&file).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(untrusted(path, "not a file".to_owned()));
    }
    owned(path, "it", &metadata)?;
    unwritable(path, "it", &metadata)?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let metadata = fs::metadata(directory).map_err(unreadable)?;
    let name = format!("its directory {}", directory.display());
    owned(path, &name, &metadata)?;
    if metadata.mode() & STICKY == 0 {
        unwritable(path, &name, &metadata)?;
    }
    Ok(file)
}

fn owned(path: &Path, what: &str, metadata: &Metadata) -> Result<(), LoadError> {
    let user = rustix::process::geteuid().as_raw();
    if [0, user].contains(&metadata.uid()) {
        return Ok(());
    }
    let owner = metadata.uid();
    Err(untrusted(path, format!("{what} belongs to another user ({owner})")))
}

fn unwritable(path: &Path, what: &str, metadata: &Metadata) -> Result<(), LoadError> {
    let group = rustix::process::getegid().as_raw();
    let foreign_group = metadata.gid() != group && metadata.gid() != 0;
    let writers = if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        "everybody; run chmod o-w on it"
    } else if metadata.mode() & WRITABLE_BY_GROUP != 0 && foreign_group {
        "another group; run chmod g-w on it"
    } else {
        return Ok(());
    };
    Err(untrusted(path, format!("{what} can be written by {writers}")))
}

fn untrusted(path: &Path, reason: String) -> LoadError {
    LoadError::Untrusted { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("libx.so");
        fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&file, 0o755);
        assert_eq!(trusted(&file).unwrap(), fs::canonicalize(&file).unwrap());
        mode(&file, 0o757);
        assert!(trusted(&file).unwrap_err().to_string().contains("chmod o-w"));
        mode(&file, 0o755);
        mode(directory.path(), 0o777);
        let error = trusted(&file).unwrap_err().to_string();
        assert!(error.contains("its directory"), "{error}");
        mode(directory.path(), 0o1777);
        assert!(trusted(&file).is_ok());
        assert!(matches!(trusted(directory.path()), Err(LoadError::Untrusted { .. })));
        let missing = trusted(&directory.path().join("no.so")).unwrap_err().to_string();
        assert!(missing.contains("no.so: No such file"), "{missing}");
    }

    /// Only root can give a file away.
    #[test]
    fn what_belongs_to_another_user_is_not_trusted_even_in_a_sticky_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("libx.so");
        fs::write(&file, "").unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1755)).unwrap();
        if std::os::unix::fs::chown(directory.path(), Some(12_345), None).is_err() {
            return;
        }
        let error = trusted(&file).unwrap_err().to_string();
        assert!(error.contains("its directory") && error.contains("12345"), "{error}");
        std::os::unix::fs::chown(directory.path(), Some(0), None).unwrap();
        std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
        assert!(trusted(&file).unwrap_err().to_string().contains("it belongs to another user"));
    }
}
