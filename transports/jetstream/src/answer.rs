use std::borrow::Cow;

use ha_core::{AppendError, Appended, Draft, Seq};
use serde::Deserialize;

/// "wrong last sequence": the stream does not end where it was expected to.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// "message size exceeds maximum allowed".
const MESSAGE_TOO_LARGE: u64 = 10054;
/// "atomic publish is disabled".
const BATCHES_DISABLED: u64 = 10174;
/// "atomic publish batch is too large".
const BATCH_TOO_LARGE: u64 = 10199;

/// A server's answer to a publish.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    seq: u64,
    /// How many messages were stored, if it was a batch.
    #[serde(default)]
    count: Option<u64>,
    #[serde(borrow, default)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(default)]
    err_code: u64,
    #[serde(borrow, default)]
    description: Cow<'a, str>,
}

/// What an answer to the first sending of a whole draft proves.
///
/// A positive answer proves success only for the very place after the condition: a duplicate
/// elsewhere is an entry of another condition.
pub(crate) fn judge(answer: &[u8], stream: &str, draft: &Draft) -> Result<Appended, AppendError> {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(answer) else {
        return Err(unknown("the server's answer cannot be read".to_owned()));
    };
    if let Some(refusal) = answer.error {
        return Err(refused(&refusal, draft));
    }
    let count = draft.parts.len() as u64;
    let before = answer.seq.checked_sub(count).map(Seq);
    match before {
        Some(before)
            if draft.expect.is_none_or(|expect| expect == before)
                && answer.count.unwrap_or(1) == count
                && answer.stream == stream =>
        {
            Ok(Appended { first: before.next(), last: Seq(answer.seq) })
        }
        _ => Err(unknown(format!("acknowledged at {} of {}", answer.seq, answer.stream))),
    }
}

/// What an answer to a part proves that is not the last: nothing is in it if the part was
/// staged, and nothing can be stored if it was not.
pub(crate) fn judge_staged(answer: &[u8], draft: &Draft) -> Result<(), AppendError> {
    if answer.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<Answer<'_>>(answer) {
        Ok(Answer { error: Some(refusal), .. }) => Err(refused(&refusal, draft)),
        // It was stored by itself, by a server without batches: the log goes on elsewhere.
        Ok(Answer { seq: 1.., .. }) => Err(AppendError::Refused { last: None }),
        _ => Err(unknown("the server's answer cannot be read".to_owned())),
    }
}

fn refused(refusal: &Refusal<'_>, draft: &Draft) -> AppendError {
    let text = &refusal.description;
    match refusal.err_code {
        // The text is "wrong last sequence: 7".
        WRONG_LAST_SEQUENCE if draft.expect.is_some() => AppendError::Refused {
            last: text.rsplit(' ').next().and_then(|last| last.parse().ok()).map(Seq),
        },
        MESSAGE_TOO_LARGE | BATCHES_DISABLED | BATCH_TOO_LARGE => {
            let size = draft.parts.iter().map(bytes::Bytes::len).sum();
            AppendError::TooLarge { size, limit: size.saturating_sub(1) }
        }
        code => unknown(format!("the server answered {code}: {text}")),
    }
}

pub(crate) fn unknown(reason: String) -> AppendError {
    AppendError::Unknown { reason }
}

pub(crate) fn not_sent(reason: &str) -> AppendError {
    AppendError::NotSent { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ha_core::AttemptId;

    use super::*;

    fn draft(expect: Option<u64>, parts: usize) -> Draft {
        let attempt = AttemptId { boot: 1, counter: 1 };
        let parts = vec![Bytes::from_static(b"entry"); parts];
        Draft { expect: expect.map(Seq), attempt, parts }
    }

    fn answer(expect: Option<u64>, text: &str) -> Result<Appended, AppendError> {
        judge(text.as_bytes(), "s", &draft(expect, 1))
    }

    fn is_unknown(expect: Option<u64>, text: &str) -> bool {
        matches!(answer(expect, text), Err(AppendError::Unknown { .. }))
    }

    #[test]
    fn only_the_expected_place_in_the_stream_is_a_success() {
        let at = |seq| Ok(Appended { first: Seq(seq), last: Seq(seq) });
        assert_eq!(answer(Some(6), r#"{"stream":"s","seq":7}"#), at(7));
        assert_eq!(answer(Some(6), r#"{"stream":"s","seq":7,"duplicate":true}"#), at(7));
        assert_eq!(answer(None, r#"{"stream":"s","seq":3}"#), at(3));
        assert!(is_unknown(Some(6), r#"{"stream":"s","seq":8}"#));
        assert!(is_unknown(Some(6), r#"{"stream":"s","seq":3,"duplicate":true}"#));
        assert!(is_unknown(Some(6), r#"{"stream":"other","seq":7}"#));
    }

    #[test]
    fn a_batch_is_a_success_at_its_place_and_as_a_whole() {
        let answer = |expect, seq, count| {
            let text = format!(r#"{{"stream":"s","seq":{seq},"batch":"b","count":{count}}}"#);
            judge(text.as_bytes(), "s", &draft(expect, 3))
        };
        let at = |first, last| Ok(Appended { first: Seq(first), last: Seq(last) });
        assert_eq!(answer(Some(6), 9, 3), at(7, 9));
        assert_eq!(answer(None, 3, 3), at(1, 3));
        for (expect, seq, count) in [(Some(6), 10, 3), (Some(6), 9, 2), (None, 2, 3), (None, 3, 1)]
        {
            assert!(matches!(answer(expect, seq, count), Err(AppendError::Unknown { .. })));
        }
        let alone = judge(br#"{"stream":"s","seq":9}"#, "s", &draft(Some(6), 3));
        assert!(matches!(alone, Err(AppendError::Unknown { .. })));
    }

    #[test]
    fn a_part_is_staged_or_refused() {
        let entry = draft(Some(6), 3);
        let refused = |code| format!(r#"{{"error":{{"err_code":{code}}}}}"#);
        assert_eq!(judge_staged(b"", &entry), Ok(()));
        for code in [BATCHES_DISABLED, BATCH_TOO_LARGE] {
            let outcome = judge_staged(refused(code).as_bytes(), &entry);
            assert_eq!(outcome, Err(AppendError::TooLarge { size: 15, limit: 14 }));
        }
        let alone = judge_staged(br#"{"stream":"s","seq":7}"#, &entry);
        assert_eq!(alone, Err(AppendError::Refused { last: None }));
        for text in [refused(10210), "{}".to_owned(), "?".to_owned()] {
            let outcome = judge_staged(text.as_bytes(), &entry);
            assert!(matches!(outcome, Err(AppendError::Unknown { .. })), "{text}");
        }
    }

    #[test]
    fn a_wrong_last_sequence_is_a_refusal_that_tells_the_end() {
        let text = r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"},"stream":"s","seq":0}"#;
        assert_eq!(answer(Some(6), text), Err(AppendError::Refused { last: Some(Seq(9)) }));
        assert!(is_unknown(None, text), "nothing was expected");
    }

    #[test]
    fn other_errors_and_garbage_prove_nothing() {
        for code in [10158, 10164, 10201, 10077, 10008, 0] {
            assert!(is_unknown(Some(6), &format!(r#"{{"error":{{"err_code":{code}}}}}"#)));
        }
        for text in ["", "{}", "[]", "{\"seq\":7}", "\u{fffd}"] {
            assert!(is_unknown(Some(6), text), "{text}");
        }
    }
}
