use std::sync::OnceLock;

/// What nats-server 2.15 logs when a stream, a consumer or a Raft group can no longer be written
/// (`setWriteErr` in server/filestore.go, stream.go, consumer.go, raft.go and jetstream_cluster.go),
/// without its first letter.
const CANNOT_WRITE: &str = "ritical write error";

/// Why a server can no longer write the log, if so. It takes nothing more for what it could not
/// write, even when the disk is well again, until it is started anew.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    log: String,
    reason: OnceLock<String>,
}

impl Failure {
    /// Of the log that is kept in this stream.
    pub(crate) fn of(stream: &str) -> Self {
        Self { log: stream.to_owned(), reason: OnceLock::new() }
    }

    /// The first one, in nats-server's own words.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Looks at a line of the server's log: a letter for its level, and the text.
    pub(crate) fn look_at(&self, line: &str) {
        let Some(text) = line.strip_prefix('E') else { return };
        if text.split_once(CANNOT_WRITE).is_some_and(|(what, _)| self.concerns_log(what)) {
            let _ = self.reason.set(text.trim().to_owned());
        }
    }

    /// Other streams fail alone, and so does a consumer. A Raft group does not tell its stream, but
    /// whether it is a consumer's.
    fn concerns_log(&self, what: &str) -> bool {
        let log = &self.log;
        let is_group = |name: &str| name == "_meta_" || name.starts_with("S-R");
        let store = || what.strip_prefix("Filestore [")?.strip_suffix("] C");
        let group = || what.strip_prefix("RAFT [")?.strip_suffix("] C")?.rsplit(' ').next();
        store().is_some_and(|name| name == log || is_group(name))
            || group().is_some_and(is_group)
            || what.starts_with("JetStream stream '") && what.ends_with(&format!(" > {log}' c"))
            || what.starts_with("JetStream cluster meta group")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a line tells that the log `a` cannot be written.
    fn is_told(line: &str) -> bool {
        let failure = Failure::of("a");
        failure.look_at(line);
        failure.reason().is_some_and(|reason| line.ends_with(reason))
    }

    #[test]
    fn only_what_keeps_the_log_from_being_written_counts() {
        for line in [
            "EFilestore [a] Critical write error: open 2.blk: not a directory",
            "EJetStream stream '$G > a' critical write error: no space left on device",
            "ERAFT [yrzKKRBu - S-R3F-nG9Q2TGh] Critical write error: input/output error",
            "ERAFT [yrzKKRBu - _meta_] Critical write error: input/output error",
            "EFilestore [S-R3F-nG9Q2TGh] Critical write error: input/output error",
            "EJetStream cluster meta group critical write error: input/output error",
        ] {
            assert!(is_told(line), "{line}");
        }
        for line in [
            "EFilestore [b] Critical write error: open 2.blk: not a directory",
            "EJetStream stream '$G > b' critical write error: no space left on device",
            "EJetStream consumer '$G > a > c' critical write error: no space left on device",
            "EJetStream consumer '$G > b > a' critical write error: no space left on device",
            "ERAFT [yrzKKRBu - C-R3F-nG9Q2TGh] Critical write error: input/output error",
            "EFilestore [C-R3F-nG9Q2TGh] Critical write error: input/output error",
            "WFilestore [a] Critical write error: open 2.blk: not a directory",
            "EFilestore [a] Error closing",
        ] {
            assert!(!is_told(line), "{line}");
        }
    }
}
