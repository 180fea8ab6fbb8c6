//! Copies of the whole database from one consistent state.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use ha_core::{ByteStream, Error, Result, Snapshot};
use ha_sqlite::error;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use tempfile::NamedTempFile;

use crate::host;
use crate::readers::Readers;

/// Pages that are copied at a time.
const PAGES: i32 = 2_000;

/// Copies the database into a temporary file and streams that. The copy opens anywhere and
/// has the node's position.
pub(crate) async fn stream(readers: &Arc<Readers>) -> Result<Snapshot> {
    let mut lent = readers.lend().await?;
    let (position, file) = host::blocking(move || {
        let file = temporary()?;
        let reader = lent.reader()?;
        reader.begin()?;
        let position = reader.position()?;
        reader.trusted(|conn| copy(conn, file.path()))?;
        reader.end()?;
        Ok((position, file))
    })
    .await??;
    Ok(Snapshot { position, body: body(file)? })
}

/// A file's content; the file is gone once the stream is dropped.
pub(crate) fn body(file: NamedTempFile) -> Result<ByteStream> {
    let opened = file.reopen().map_err(|failure| Error::io("open a temporary file", &failure))?;
    Ok(host::content(opened)
        .map(move |chunk| {
            let _keep = &file;
            chunk.map_err(|failure| Error::io("read a temporary file", &failure))
        })
        .boxed())
}

pub(crate) fn temporary() -> Result<NamedTempFile> {
    NamedTempFile::new().map_err(|failure| Error::io("create a temporary file", &failure))
}

/// Copies a database into `target`, which ends in rollback-journal mode: one file is all.
pub(crate) fn copy(source: &Connection, target: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(target)?;
    {
        // The read transaction keeps writers from restarting the copy.
        let reading = source.is_autocommit();
        if reading {
            source.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1")?;
        }
        let backup = Backup::new(source, &mut copy)?;
        let done = backup.run_to_completion(PAGES, std::time::Duration::ZERO, None);
        drop(backup);
        if reading {
            source.execute_batch("ROLLBACK")?;
        }
        done?;
    }
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
}

/// What went wrong with a copy, in our terms.
pub(crate) fn failed(what: &str, failure: rusqlite::Error) -> Error {
    Error::Corrupt(format!("{what}: {}", error(failure)))
}
