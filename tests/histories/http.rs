//! Clients over HTTP: a transaction is one request.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::connection::{Connection, PATIENCE, Told};
use crate::support::http::{Unanswered, post_within};

/// A client that connects for each request.
#[derive(Debug)]
pub(crate) struct Http(SocketAddr);

impl Http {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl Connection for Http {
    fn transaction(&mut self, statements: &[String]) -> Told {
        let body: Vec<Value> = statements.iter().map(|sql| json!({ "sql": sql })).collect();
        let body = Value::Array(body).to_string();
        let strong = [("X-Ha-Read", "strong")];
        match post_within(PATIENCE, self.0, "/v1/query", &strong, body.as_bytes()) {
            Err(Unanswered::NotSent) => Told::Not,
            Err(Unanswered::Lost) => Told::Unknown(None),
            Ok(answer) => match answer.status {
                200 => Told::Done((0..statements.len()).map(|index| answer.rows(index)).collect()),
                409 | 503 => Told::Not,
                504 => Told::Unknown(answer.header("x-ha-transaction").map(Into::into)),
                _ => panic!("{answer:?}"),
            },
        }
    }
}
