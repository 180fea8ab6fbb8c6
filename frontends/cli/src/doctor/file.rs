//! Examining a database file.

use std::path::Path;

use ha_core::{Error, Skipped};
use ha_engine::{Examined, Found};

use super::Findings;
use super::beside::Beside;
use super::findings::human;

const SEED_AGAIN: &str = "stop the node, move the file and its -wal and -shm files away, and start the \
    node again: it gets the database back from the log or from a snapshot";

/// What the file is, what is in it and what stands beside it.
pub(super) fn examine(path: &Path, thorough: bool) -> Findings {
    let mut findings = Findings::new(path.display().to_string());
    match ha_engine::examine(path, thorough) {
        Ok(Some(examined)) => tell(&mut findings, path, &examined, thorough),
        Ok(None) => findings.problem(
            "there is no such file",
            "check the path; a node that is started with it begins with an empty database and \
             follows the log",
        ),
        Err(error) => unreadable(&mut findings, &error),
    }
    tell_beside(&mut findings, &Beside::of(path));
    findings
}

fn unreadable(findings: &mut Findings, error: &Error) {
    let todo = match error {
        Error::Corrupt(reason) if reason.contains("newer") => "use the newer ha",
        Error::Io { .. } => "check that this user may read it",
        _ => {
            "if it should be a node's database: stop the node, move the file away and start the \
              node again, so that it gets the database back from the log or from a snapshot"
        }
    };
    findings.problem(error.to_string(), todo);
}

fn tell(findings: &mut Findings, path: &Path, examined: &Examined, thorough: bool) {
    let Examined { in_use, bytes, found, damage, kept, skipped } = examined;
    let user = if *in_use { ", used by a running process" } else { "" };
    findings.fact("file", human(*bytes) + user);
    if *in_use {
        findings.fact("advice", "ask the node itself for more: ha doctor --url http://HOST:PORT");
    }
    let check = if thorough { "integrity check" } else { "quick check" };
    if damage.is_empty() {
        findings.fact("sqlite", format!("{check}: nothing wrong"));
    } else {
        let list = damage.join("; ");
        findings.problem(format!("the database is damaged ({check}): {list}"), SEED_AGAIN);
    }
    tell_found(findings, path, *found);
    if let Some((count, first, last)) = kept {
        findings.fact("entries", format!("keeps {count} of the log, {first} to {last}"));
    }
    tell_skipped(findings, skipped);
}

fn tell_found(findings: &mut Findings, path: &Path, found: Option<Found>) {
    let path = path.display();
    let what = match found {
        Some(Found::Nothing) => {
            "empty: a node that is started with it follows the log from its beginning".to_owned()
        }
        Some(Found::Foreign(_)) => format!(
            "none: it was never part of a log. `ha {path}` makes it the beginning of one, on an \
             empty stream"
        ),
        Some(Found::Position(token)) => {
            format!("{token} (log {}, entry {})", token.lineage, token.seq)
        }
        None => "cannot be read".to_owned(),
    };
    findings.fact("position", what);
}

/// Entries that changed nothing on any node.
pub(super) fn tell_skipped(findings: &mut Findings, (count, newest): &(u64, Vec<Skipped>)) {
    if *count > 0 {
        findings
            .fact("skipped", format!("{count} entries changed nothing, on any node; the newest:"));
    }
    for Skipped { seq, reason } in newest {
        findings.fact("", format!("{seq}: {reason}"));
    }
}

fn tell_beside(findings: &mut Findings, beside: &Beside) {
    let Beside { lost, leftover, server, wal } = beside;
    if *wal > 0 {
        findings.fact("wal", format!("{} in the write-ahead log", human(*wal)));
    }
    if let Some((path, bytes)) = server {
        findings
            .fact("log", format!("the embedded server's, {}: {}", path.display(), human(*bytes)));
    }
    for path in lost {
        findings.problem(
            format!(
                "{} holds writes that were acknowledged and are no longer in the log",
                path.display()
            ),
            "look at it, write again what is missed, then delete it",
        );
    }
    for path in leftover {
        findings.fact("leftover", format!("{}, of a process that was killed", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::*;

    fn page(path: &Path, dir: &Path) -> String {
        let page = examine(path, true).to_string();
        page.replace(&dir.display().to_string(), "DIR")
    }

    #[test]
    fn every_state_of_a_file_has_its_words() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        let at = |name: &str| dir.join(name);
        let missing = page(&at("none.db"), dir);
        assert!(
            missing.starts_with("DIR/none.db: needs attention\n\n! there is no such file\n"),
            "{missing}"
        );

        fs::write(at("empty.db"), "").unwrap();
        assert_eq!(
            page(&at("empty.db"), dir),
            "DIR/empty.db: healthy\n  \
               file      0 bytes\n  \
               sqlite    integrity check: nothing wrong\n  \
               position  empty: a node that is started with it follows the log from its beginning\n"
        );

        Connection::open(at("own.db")).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
        assert_eq!(
            page(&at("own.db"), dir),
            "DIR/own.db: healthy\n  \
               file      8.0 KiB\n  \
               sqlite    integrity check: nothing wrong\n  \
               position  none: it was never part of a log. `ha DIR/own.db` makes it the beginning of \
             one, on an empty stream\n"
        );

        fs::write(at("text.db"), "this is no database ".repeat(100)).unwrap();
        let text = page(&at("text.db"), dir);
        assert!(text.contains("! file is not a database\n  To do: if it should be"), "{text}");
    }

    #[test]
    fn damage_and_what_stands_beside_are_told() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ha.db");
        let sql = "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(20000))";
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[4_096..].fill(0xff);
        fs::write(&path, bytes).unwrap();
        fs::write(home.path().join("ha.db.lost-17"), "x").unwrap();
        fs::create_dir(home.path().join("ha.db.nats")).unwrap();
        fs::write(home.path().join("ha.db.nats/block"), "0123456789").unwrap();
        let page = page(&path, home.path());
        assert!(page.contains("the database is damaged"), "{page}");
        assert!(page.contains("To do: stop the node, move the file"), "{page}");
        assert!(page.contains("! DIR/ha.db.lost-17 holds writes that were acknowledged"), "{page}");
        assert!(page.contains("the embedded server's, DIR/ha.db.nats: 10 bytes"), "{page}");
    }
}
