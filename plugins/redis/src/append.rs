use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use ha_core::{AppendError, Appended, AttemptId, Draft, Error, Lineage, Seq};
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, Script, ServerErrorKind};

use crate::link::{Link, TIMEOUT, is_broken};
use crate::log::Keys;

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/append.lua")));

/// The largest part. The server would take more, but runs nothing else meanwhile.
pub(crate) const PART_BYTES: usize = 1 << 20;
/// How many parts an entry may have: all of them, with what the script makes of them, lie in the
/// server's memory at once.
pub(crate) const PARTS: u32 = 256;
/// How many tries without an answer are remembered; older ones are not sent again.
const REMEMBERED: usize = 1_000;
/// What a connection carries at least; large entries may take longer than others.
const BYTES_PER_MILLISECOND: usize = 10_000;

/// Sends entries over a connection of its own, so that they wait for nothing else.
#[derive(Debug)]
pub(crate) struct Appender {
    pub(crate) link: Link,
    keys: Keys,
    /// Tries that were sent and not answered with certainty. That one of these is not handed over
    /// again proves nothing about the earlier sending.
    unsettled: Mutex<VecDeque<AttemptId>>,
}

impl Appender {
    pub(crate) fn new(link: Link, keys: Keys) -> Self {
        Self { link, keys, unsettled: Mutex::default() }
    }

    /// See [`ha_core::ChangeTransport::append`]. Stores in the log `lineage` only.
    pub(crate) async fn append(
        &self,
        lineage: Lineage,
        draft: Draft,
    ) -> Result<Appended, AppendError> {
        check_size(&draft)?;
        let is_first = self.remember(draft.attempt);
        let outcome = self.send(lineage, &draft, is_first).await;
        match outcome {
            Err(AppendError::Unknown { .. }) => outcome,
            Ok(_) | Err(AppendError::Refused { .. }) => self.settle(draft.attempt, outcome),
            Err(_) if is_first => self.settle(draft.attempt, outcome),
            Err(error) => Err(unknown(format!("an earlier sending was not answered, and {error}"))),
        }
    }

    async fn send(
        &self,
        lineage: Lineage,
        draft: &Draft,
        is_first: bool,
    ) -> Result<Appended, AppendError> {
        let live = self.link.live().await.map_err(|error| match error {
            Error::Closed => AppendError::Closed,
            error => not_sent(error.to_string()),
        })?;
        let mut connection = live.connection.clone();
        connection.set_response_timeout(patience(draft));
        let mut invocation = APPEND.key(&self.keys.stream);
        invocation.key(&self.keys.state).key(&self.keys.attempts).arg(lineage.to_string());
        match draft.expect {
            Some(expect) => invocation.arg(expect.0),
            None => invocation.arg(""),
        };
        invocation.arg(draft.attempt.to_string());
        for part in &draft.parts {
            invocation.arg(&part[..]);
        }
        match invocation.invoke_async(&mut connection).await {
            Ok::<(String, u64), _>((word, seq)) => judge(draft, is_first, &word, Seq(seq)),
            Err(error) => {
                if is_broken(&error) {
                    live.lose();
                }
                Err(failure(&error))
            }
        }
    }

    /// Whether it is the first sending of the attempt.
    fn remember(&self, attempt: AttemptId) -> bool {
        let mut unsettled = self.unsettled.lock();
        if unsettled.contains(&attempt) {
            return false;
        }
        if unsettled.len() == REMEMBERED {
            unsettled.pop_front();
        }
        unsettled.push_back(attempt);
        true
    }

    fn settle<T>(&self, attempt: AttemptId, outcome: T) -> T {
        self.unsettled.lock().retain(|other| *other != attempt);
        outcome
    }
}

fn check_size(draft: &Draft) -> Result<(), AppendError> {
    if let Some(part) = draft.parts.iter().find(|part| part.len() > PART_BYTES) {
        return Err(AppendError::TooLarge { size: part.len(), limit: PART_BYTES });
    }
    match draft.parts.len() {
        0 => Err(not_sent("an entry has at least one part".to_owned())),
        count if count > PARTS as usize => {
            Err(AppendError::TooLarge { size: size(draft), limit: PART_BYTES * PARTS as usize })
        }
        _ => Ok(()),
    }
}

fn size(draft: &Draft) -> usize {
    draft.parts.iter().map(Bytes::len).sum()
}

fn patience(draft: &Draft) -> Duration {
    TIMEOUT + Duration::from_millis((size(draft) / BYTES_PER_MILLISECOND) as u64)
}

/// What an answer of the script proves.
fn judge(draft: &Draft, is_first: bool, word: &str, seq: Seq) -> Result<Appended, AppendError> {
    // An earlier sending that is still on its way fails for certain only where the log has
    // grown beyond its condition: a log never shrinks by itself.
    let is_certain = is_first || draft.expect.is_none_or(|expect| expect < seq);
    match word {
        "stored" => {
            let first = Seq((seq.0 + 1).saturating_sub(draft.parts.len() as u64));
            Ok(Appended { first, last: seq })
        }
        "refused" if is_certain => Err(AppendError::Refused { last: Some(seq) }),
        "trimmed" if is_first => Err(AppendError::Refused { last: Some(seq) }),
        "refused" | "trimmed" => {
            Err(unknown(format!("the log ends at {seq} and does not tell of it")))
        }
        "other" => Err(not_sent("the log was deleted or begun anew".to_owned())),
        _ => Err(unknown(format!("the script answered {word:?}"))),
    }
}

/// What an error proves. The script writes nothing before the write that may be refused, so that
/// an error that the server tells means that nothing was stored; only a lack of rights may show
/// in the middle.
fn failure(error: &RedisError) -> AppendError {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoPerm) => unknown(error.to_string()),
        ErrorKind::Server(_) | ErrorKind::Extension => not_sent(error.to_string()),
        _ => unknown(error.to_string()),
    }
}

fn unknown(reason: String) -> AppendError {
    AppendError::Unknown { reason }
}

fn not_sent(reason: String) -> AppendError {
    AppendError::NotSent { reason }
}
