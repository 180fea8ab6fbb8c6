//! Jepsen's JSON lines.

use serde_json::{Value, json};

use crate::{Event, History, Kind, Malformed, Step};

impl History {
    /// Reads JSON lines; empty ones are skipped.
    ///
    /// # Errors
    /// [`Malformed::Line`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let events = lines.map(|(index, line)| {
            let wrong = |reason: String| Malformed::Line { line: index + 1, reason };
            let value: Value =
                serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            event(&value).ok_or_else(|| wrong(format!("not an event: {line}")))
        });
        events.collect::<Result<_, _>>().map(Self)
    }

    /// JSON lines that [`Self::parse`] reads, in order.
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        let line = |(index, event): (usize, &Event)| {
            let value: Vec<Value> = event.steps.iter().map(step_json).collect();
            let kind = kind_name(event.kind);
            let (process, time) = (event.process, event.time);
            let line = json!({
                "index": index, "type": kind, "process": process, "time": time, "f": "txn", "value": value,
            });
            format!("{line}\n")
        };
        self.0.iter().enumerate().map(line).collect()
    }
}

fn event(value: &Value) -> Option<Event> {
    let kind = match value["type"].as_str()? {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        _ => return None,
    };
    Some(Event {
        kind,
        process: value["process"].as_u64()?,
        time: value["time"].as_u64()?,
        steps: value["value"].as_array()?.iter().map(step).collect::<Option<_>>()?,
    })
}

fn step(value: &Value) -> Option<Step> {
    let key = value[1].as_u64()?;
    match value[0].as_str()? {
        "append" => Some(Step::Append(key, value[2].as_u64()?)),
        "r" if value[2].is_null() => Some(Step::Read(key, None)),
        "r" => {
            let list = value[2].as_array()?.iter().map(Value::as_u64);
            Some(Step::Read(key, Some(list.collect::<Option<_>>()?)))
        }
        _ => None,
    }
}

fn step_json(step: &Step) -> Value {
    match step {
        Step::Append(key, value) => json!(["append", key, value]),
        Step::Read(key, list) => json!(["r", key, list]),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"
            {"type":"invoke","process":1,"time":5,"value":[["append",1,2],["r",1,null]]}
            {"type":"ok","process":1,"time":9,"value":[["append",1,2],["r",1,[1,2]]]}
            {"type":"invoke","process":2,"time":10,"value":[]}
            {"type":"fail","process":2,"time":11,"value":[]}
            {"type":"info","process":3,"time":12,"value":[]}"#;
        let history = History::parse(text).unwrap();
        assert_eq!(history.0.len(), 5);
        assert_eq!(history.0[1].steps[1], Step::Read(1, Some(vec![1, 2])));
        assert_eq!(History::parse(&history.to_json_lines()).unwrap(), history);
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        for bad in ["{", "{}", r#"{"type":"ok","process":1,"time":1,"value":[["w",1,1]]}"#] {
            let error = History::parse(&format!("\n{bad}")).unwrap_err();
            assert!(matches!(error, Malformed::Line { line: 2, .. }), "{error}");
        }
    }
}
