//! Saving entries that the log no longer has and never will.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ha_core::{Error, Result, Seq};

use crate::machine::Position;

/// What stands in the names of these files after the database's.
const MARK: &str = ".lost-";

/// Writes the entries beside the database, in `<database>.lost-<lineage>-<first>-<last>.jsonl`:
/// per entry one JSON object with its `seq` and its `payload` as a string, or, if that is not
/// UTF-8, as hexadecimal digits in `payload_hex`. On disk when this returns.
pub(super) fn save<'a>(
    prefix: &Path,
    position: &Position,
    entries: impl Iterator<Item = (Seq, &'a Bytes)>,
) -> Result<PathBuf> {
    let entries: Vec<_> = entries.collect();
    let first = entries.first().map_or(position.seq, |(seq, _)| *seq);
    let mut name = prefix.file_name().unwrap_or_default().to_owned();
    name.push(format!("{MARK}{}-{first}-{}.jsonl", position.lineage, position.seq));
    let path = prefix.with_file_name(name);
    let failed = |failure| Error::io(format!("save entries to {}", path.display()), &failure);
    let unfinished = path.with_extension("unfinished");
    write(&unfinished, &entries).map_err(failed)?;
    fs::rename(&unfinished, &path).map_err(failed)?;
    sync_directory(&path).map_err(failed)?;
    Ok(path)
}

/// The files with lost entries of the database at `path`, or at [`crate::NodeOptions::lost`].
#[must_use]
pub fn lost_entries(path: &Path) -> Vec<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut start = path.file_name().unwrap_or_default().to_owned();
    start.push(MARK);
    let is_one = |name: &OsStr| {
        name.as_encoded_bytes().starts_with(start.as_encoded_bytes())
            && Path::new(name).extension() == Some(OsStr::new("jsonl"))
    };
    let Ok(entries) = fs::read_dir(parent.unwrap_or(Path::new("."))) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| is_one(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

fn write(path: &Path, entries: &[(Seq, &Bytes)]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (seq, payload) in entries {
        let line = match std::str::from_utf8(payload) {
            Ok(text) => serde_json::json!({ "seq": seq.0, "payload": text }),
            Err(_) => serde_json::json!({ "seq": seq.0, "payload_hex": hex::encode(payload) }),
        };
        writeln!(file, "{line}")?;
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}

fn sync_directory(file: &Path) -> std::io::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use ha_core::{Lineage, RunningHash};

    use super::*;

    #[test]
    fn every_byte_is_saved_and_a_second_time_does_no_harm() {
        let dir = tempfile::TempDir::new().unwrap();
        let position =
            Position { lineage: Lineage([1; 8]), seq: Seq(3), hash: RunningHash::default() };
        let entries = [Bytes::from_static(b"{\"a\":\"\\u0000\n\"}"), Bytes::from_static(b"\xff")];
        let save = || {
            let entries = entries.iter().zip(2..).map(|(payload, seq)| (Seq(seq), payload));
            super::save(&dir.path().join("ha.db"), &position, entries).unwrap()
        };
        assert_eq!(save(), save());
        let name = "ha.db.lost-0101010101010101-2-3.jsonl";
        fs::write(dir.path().join("other.db.lost-1-2-3.jsonl"), "").unwrap();
        assert_eq!(lost_entries(&dir.path().join("ha.db")), [dir.path().join(name)]);
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["payload"], "{\"a\":\"\\u0000\n\"}");
        assert_eq!(
            (lines[1]["seq"].as_u64(), lines[1]["payload_hex"].as_str()),
            (Some(3), Some("ff"))
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
