//! What the disk can do: small appends, each synced.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::spawn_blocking;

/// How much is appended before each sync.
const RECORD: [u8; 4096] = [0x5a; 4096];

/// Appends of 4 KiB with `fdatasync` per second, one after the other, to a new file in `dir`.
pub(crate) async fn syncs_per_second(dir: &Path, time: Duration) -> Result<f64> {
    let dir = dir.to_owned();
    spawn_blocking(move || sync_repeatedly(&dir, time)).await?
}

fn sync_repeatedly(dir: &Path, time: Duration) -> Result<f64> {
    let mut file = tempfile::tempfile_in(dir).context("create a file to sync")?;
    let start = Instant::now();
    let mut syncs = 0_u32;
    while start.elapsed() < time {
        append(&mut file).context("append and sync")?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / start.elapsed().as_secs_f64())
}

fn append(file: &mut File) -> std::io::Result<()> {
    file.write_all(&RECORD)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_has_a_rate_and_a_missing_directory_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(syncs_per_second(dir.path(), Duration::from_millis(50)).await.unwrap() > 0.0);
        assert!(syncs_per_second(&dir.path().join("none"), Duration::ZERO).await.is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }
}
