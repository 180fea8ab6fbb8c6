use ha_bridge::Answer;
use ha_core::json;
use serde_json::Value;

/// What a plugin says as one line: line breaks and other control characters are spaces.
pub(crate) fn one_line(text: &str) -> String {
    let parts = text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// The answer, its error in one line.
pub(crate) fn in_one_line(answer: Answer) -> Answer {
    if answer.status.0 >= 0 {
        return answer;
    }
    Answer { body: lines(&answer.body).into(), ..answer }
}

/// JSON with each of its texts in one line; what is no JSON is a text.
pub(crate) fn lines(said: &[u8]) -> Vec<u8> {
    match serde_json::from_slice(said) {
        Ok(value) => json::write(&flat(value)),
        Err(_) => one_line(&String::from_utf8_lossy(said)).into_bytes(),
    }
}

fn flat(value: Value) -> Value {
    match value {
        Value::String(text) => one_line(&text).into(),
        Value::Array(values) => values.into_iter().map(flat).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, it)| (key, flat(it))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_is_one_line() {
        assert_eq!(one_line("no\r\n\thelp:\n\n  \u{1b}[31mred "), "no help: [31mred");
        let said = lines(br#"{"message":"a\nb","kind":"x","more":[1,"c\n"]}"#);
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(r#""message":"a b""#) && said.contains(r#"[1,"c"]"#), "{said}");
        assert_eq!(lines(b"no\nJSON"), b"no JSON");
    }
}
