//! Requests that v0.0.7 answered, sent to another node in the same order.

use std::collections::BTreeMap;

use axum::http::Method;
use serde::Deserialize;

use super::client::{Answer, send};

/// What v0.0.7 answered on a fresh node; line feeds at the end of bodies are left out.
const ANSWERS: &str = include_str!("../golden.json");

#[derive(Deserialize)]
struct Exchange {
    name: String,
    method: String,
    path: String,
    request: Option<String>,
    status: u16,
    headers: BTreeMap<String, String>,
    response: String,
}

/// Where an answer is another one on purpose.
struct Difference {
    name: &'static str,
    reason: &'static str,
    instead: Instead,
}

enum Instead {
    /// The same status and headers, another text.
    Text,
    /// This status and body.
    Reply(u16, &'static str),
}

const fn text(name: &'static str, reason: &'static str) -> Difference {
    Difference { name, reason, instead: Instead::Text }
}

const fn reply(
    name: &'static str,
    status: u16,
    body: &'static str,
    reason: &'static str,
) -> Difference {
    Difference { name, reason, instead: Instead::Reply(status, body) }
}

const JSON_TEXT: &str = "the texts of Go's JSON decoder are not kept";
const PARSER_TEXT: &str = "SQLite's own message instead of that of another parser";
const EARLIER: &str = "earlier requests stored three rows and a name that v0.0.7 did not";
const EXACT: &str = "integers are bound as INTEGER";

const DIFFERENCES: &[Difference] = &[
    text("healthz_post", JSON_TEXT),
    reply(
        "get_other_path",
        404,
        r#"there is nothing here; GET / is the backup"#,
        "the backup has one path",
    ),
    reply(
        "insert_qmark_numbered",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[1,103]]}]}"#,
        "`?1` can be bound",
    ),
    reply(
        "insert_qmark_via_dollar",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[1,104]]}]}"#,
        EARLIER,
    ),
    reply(
        "params_array",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[1,105]]}]}"#,
        "parameters can be bound by position",
    ),
    reply(
        "params_extra",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[1,106]]}]}"#,
        EARLIER,
    ),
    reply(
        "select",
        200,
        r#"{"results":[{"columns":["id","name"],"rows":[[1,"HA User"],[2,"colon"],[3,"at"],[100,"dollar"],[101,"dn"],[102,"dn2"],[103,"q1"],[104,"q1"],[105,"x"],[106,"extra"]]}]}"#,
        EARLIER,
    ),
    reply(
        "multi_tx",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[1,107]]},{"columns":["rows_affected","last_insert_id"],"rows":[[1,107]]},{"columns":["count(*)"],"rows":[[10]]}]}"#,
        EARLIER,
    ),
    reply(
        "single_object",
        200,
        r#"{"results":[{"columns":["1"],"rows":[[1]]}]}"#,
        "an object is a request",
    ),
    text("empty_body", JSON_TEXT),
    text("bad_json", JSON_TEXT),
    text("array_of_strings", JSON_TEXT),
    text("sql_number", JSON_TEXT),
    text("syntax_error", PARSER_TEXT),
    text("syntax_error2", PARSER_TEXT),
    reply(
        "create_types",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[0,0]]}]}"#,
        "last_insert_id is of this transaction, not of an earlier one",
    ),
    text("types_param_obj", "the text is not that of Go's database/sql"),
    text("types_param_arr", "the text is not that of Go's database/sql"),
    reply(
        "types_select",
        200,
        r#"{"results":[{"columns":["id","i","r","s","b","n","bo","d","ts","dt","x"],"rows":[[1,9007199254740993,1.5,"txt","AP9B",12,true,"2024-01-02T03:04:05Z","2024-01-02T03:04:05Z","2024-01-02T00:00:00Z","QUI="],[2,9007199254740993,3,"5","AAE=",7,true,null,null,null,null]]}]}"#,
        EXACT,
    ),
    reply(
        "types_typeof",
        200,
        r#"{"results":[{"columns":["id","typeof(i)","i","typeof(r)","typeof(s)","s","typeof(b)","typeof(n)","n","typeof(bo)","bo","typeof(x)"],"rows":[[1,"integer",9007199254740993,"real","text","txt","blob","integer",12,"integer",true,"blob"],[2,"integer",9007199254740993,"real","text","5","text","integer",7,"integer",true,"null"]]}]}"#,
        EXACT,
    ),
    reply(
        "float_param",
        200,
        r#"{"results":[{"columns":["t","v","tb","vb"],"rows":[["integer",5,"real",5.5]]}]}"#,
        EXACT,
    ),
    reply(
        "inf",
        200,
        r#"{"results":[{"columns":["9e999"],"rows":[["Infinity"]]}]}"#,
        "an infinity is a string, not an empty body",
    ),
    reply(
        "multi_stmt_sql",
        200,
        r#"{"results":[{"columns":["rows_affected","last_insert_id"],"rows":[[1,109]]}]}"#,
        EARLIER,
    ),
];

/// Sends everything to the node at `base`, which must be fresh, and compares the answers.
pub async fn replay(base: &str) {
    let exchanges: Vec<Exchange> = serde_json::from_str(ANSWERS).unwrap();
    for difference in DIFFERENCES {
        assert!(
            exchanges.iter().any(|exchange| exchange.name == difference.name),
            "{}",
            difference.name
        );
    }
    for exchange in &exchanges {
        let method = Method::from_bytes(exchange.method.as_bytes()).unwrap();
        let body = exchange.request.clone().unwrap_or_default();
        let answer = send(method, &format!("{base}{}", exchange.path), &[], body).await;
        let difference = DIFFERENCES.iter().find(|difference| difference.name == exchange.name);
        compare(exchange, difference, &answer);
    }
}

fn compare(exchange: &Exchange, difference: Option<&Difference>, answer: &Answer) {
    let line = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
    let kept = (exchange.status, line(&exchange.response));
    let given = (answer.status.as_u16(), answer.text().to_owned());
    let name = &exchange.name;
    match difference.map(|difference| (&difference.instead, difference.reason)) {
        None => assert_eq!(given, kept, "{name}"),
        Some((Instead::Reply(status, body), reason)) => {
            assert_eq!(given, (*status, line(body)), "{name}: {reason}");
            assert_ne!(given, kept, "{name} is no difference: {reason}");
            return;
        }
        Some((Instead::Text, reason)) => {
            assert_eq!(given.0, kept.0, "{name}: {reason}: {}", given.1);
            assert_ne!(given.1, kept.1, "{name} is no difference: {reason}");
        }
    }
    for (header, value) in &exchange.headers {
        if header != "Content-Length" || given == kept {
            assert_eq!(answer.header(header), Some(value.as_str()), "{name}: {header}");
        }
    }
}
