//! The HTTP front-end and a client of it as the conformance suite uses them.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ha_conformance::frontend::{Client, Failure, FrontendFixture, Protocol, Rows};
use ha_core::{Frontend, Params, Result, Value};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value as Json, json};

/// Binds the front-end, built in or not.
#[async_trait]
pub(crate) trait Bind: Send + Sync {
    /// See [`FrontendFixture::bind`].
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)>;
}

/// The front-end, whose clients are the same wherever it comes from.
pub(crate) struct Fixture<B>(pub(crate) B);

#[async_trait]
impl<B: Bind> FrontendFixture for Fixture<B> {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        self.0.bind(port).await
    }

    async fn connect(&self, address: SocketAddr) -> Box<dyn Client> {
        Box::new(Connection::new(address))
    }

    /// All but transactions on a connection.
    fn protocol(&self) -> Protocol {
        Protocol { sessions: false, ..Protocol::default() }
    }

    /// A blob is base64.
    fn shown(&self, stored: &Value) -> Value {
        match stored {
            Value::Blob(bytes) => Value::Text(STANDARD.encode(bytes)),
            exact => exact.clone(),
        }
    }
}

/// A client with connections of its own.
struct Connection {
    client: legacy::Client<HttpConnector, Body>,
    url: String,
}

impl Connection {
    /// A client of the server at `address`.
    fn new(address: SocketAddr) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { client, url: format!("http://{address}/v1/query") }
    }

    async fn post(&self, body: &Json) -> Result<Json, Failure> {
        let broken = |error: &dyn std::error::Error| failure("connection", &error.to_string());
        let request = Request::post(&self.url).body(Body::from(body.to_string())).unwrap();
        let response = self.client.request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| broken(&error))?;
        let body: Json = serde_json::from_slice(&body.to_bytes()).unwrap();
        if status.is_success() {
            return Ok(body);
        }
        Err(failure(status.as_str(), body["detail"].as_str().unwrap_or_default()))
    }
}

#[async_trait]
impl Client for Connection {
    async fn run(&mut self, sql: &str, params: Params) -> Result<Rows, Failure> {
        let params = match params {
            Params::None => Json::Null,
            Params::Positional(values) => values.iter().map(sent).collect(),
            Params::Named(values) => values.iter().map(|(name, v)| (name, sent(v))).collect(),
        };
        let mut reply = self.post(&json!([{"sql": sql, "params": params}])).await?;
        let Json::Array(rows) = reply["results"][0]["rows"].take() else { return Ok(Vec::new()) };
        let row = |row: &Json| row.as_array().unwrap().iter().map(received).collect();
        Ok(rows.iter().map(row).collect())
    }

    async fn batch(&mut self, statements: &[&str]) -> Result<(), Failure> {
        let body = statements.iter().map(|sql| json!({"sql": sql})).collect();
        self.post(&body).await.map(drop)
    }
}

fn sent(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(value) => json!(value),
        Value::Real(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::RawText(bytes) | Value::Blob(bytes) => json!({"blob": STANDARD.encode(bytes)}),
    }
}

fn received(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Real(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::Text(text.clone()),
        other => panic!("{other} is no value"),
    }
}

fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.to_owned(), message: message.to_owned() }
}
