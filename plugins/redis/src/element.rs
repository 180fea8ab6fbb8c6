use redis::Value;

/// An element of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) seq: u64,
    pub(crate) lineage: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// The elements of an answer to `XREAD` on one stream: `{key: [[id, [field, value, …]], …]}`.
pub(crate) fn elements(reply: Value) -> Vec<Element> {
    let Value::Map(streams) = reply else { return Vec::new() };
    let Some((_, Value::Array(elements))) = streams.into_iter().next() else { return Vec::new() };
    elements.into_iter().map(|value| element(value).unwrap_or_else(Element::foreign)).collect()
}

fn element(value: Value) -> Option<Element> {
    let Value::Array(pair) = value else { return None };
    let [id, Value::Array(fields)] = <[Value; 2]>::try_from(pair).ok()? else { return None };
    let id: String = redis::from_redis_value(id).ok()?;
    let seq = id.strip_suffix("-0")?.parse().ok()?;
    let mut fields = fields.into_iter();
    match (fields.next(), fields.next()) {
        (Some(Value::BulkString(lineage)), Some(Value::BulkString(payload))) => {
            Some(Element { seq, lineage, payload })
        }
        _ => None,
    }
}

impl Element {
    /// One that ha has not written: no entry has this place.
    fn foreign() -> Self {
        Self { seq: 0, lineage: Vec::new(), payload: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn reply(id: &str, fields: &[&str]) -> Value {
        let fields = fields.iter().map(|field| text(field)).collect();
        let element = Value::Array(vec![text(id), Value::Array(fields)]);
        Value::Map(vec![(text("stream"), Value::Array(vec![element]))])
    }

    #[test]
    fn an_element_is_read_and_a_foreign_one_is_no_entry() {
        let read = elements(reply("7-0", &["feed", "payload", "attempt", "1.1"]));
        let expected = Element { seq: 7, lineage: b"feed".into(), payload: b"payload".into() };
        assert_eq!(read, [expected]);
        for (id, fields) in [("7-1", &["a", "b"][..]), ("x", &["a", "b"]), ("7-0", &["a"])] {
            assert_eq!(elements(reply(id, fields)), [Element::foreign()]);
        }
        assert_eq!(elements(Value::Nil), []);
    }
}
