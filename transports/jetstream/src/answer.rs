use std::borrow::Cow;

use ha_core::{AppendError, Appended, Draft, Seq};
use serde::Deserialize;

/// "wrong last sequence": the stream does not end where it was expected to.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// "message size exceeds maximum allowed".
const MESSAGE_TOO_LARGE: u64 = 10054;

/// A server's answer to a publish.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    seq: u64,
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

/// What an answer to the first sending of a draft of one part proves.
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
    let place = Seq(answer.seq);
    let is_there = draft.expect.is_none_or(|expect| expect.next() == place);
    if is_there && answer.stream == stream && place > Seq::ZERO {
        return Ok(Appended { first: place, last: place });
    }
    Err(unknown(format!("acknowledged at {place} of {}", answer.stream)))
}

fn refused(refusal: &Refusal<'_>, draft: &Draft) -> AppendError {
    let text = &refusal.description;
    match refusal.err_code {
        // The text is "wrong last sequence: 7".
        WRONG_LAST_SEQUENCE if draft.expect.is_some() => AppendError::Refused {
            last: text.rsplit(' ').next().and_then(|last| last.parse().ok()).map(Seq),
        },
        MESSAGE_TOO_LARGE => {
            let size = draft.parts.iter().map(bytes::Bytes::len).sum();
            AppendError::TooLarge { size, limit: size.saturating_sub(1) }
        }
        code => unknown(format!("the server answered {code}: {text}")),
    }
}

pub(crate) fn unknown(reason: String) -> AppendError {
    AppendError::Unknown { reason }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ha_core::AttemptId;

    use super::*;

    fn answer(expect: Option<u64>, text: &str) -> Result<Appended, AppendError> {
        let attempt = AttemptId { boot: 1, counter: 1 };
        let parts = vec![Bytes::from_static(b"entry")];
        judge(text.as_bytes(), "s", &Draft { expect: expect.map(Seq), attempt, parts })
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
