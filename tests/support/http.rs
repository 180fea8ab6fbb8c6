//! A small blocking HTTP client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::PATIENCE;

/// A reply that has arrived.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The value of a header; names are in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The rows of the `index`th result of a request that must have succeeded.
    pub fn rows(&self, index: usize) -> Vec<Vec<Value>> {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_value(self.json()["results"][index]["rows"].clone()).unwrap()
    }
}

/// Sends a request and waits for the whole reply. An error means that nobody knows what
/// became of it.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    exchange(address, PATIENCE, method, path, headers, body)
}

/// Posts a body and waits that long for an answer.
pub fn send_patiently(
    address: SocketAddr,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    exchange(address, patience, "POST", path, &[], body)
}

fn exchange(
    address: SocketAddr,
    patience: Duration,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(head(address, method, path, headers, body.len()).as_bytes())?;
    // Who refuses a large body may close before it is sent.
    let _ = stream.write_all(body);
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    parse(&reply).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody has got the request.
    NotSent,
    /// Nobody knows what became of it.
    Lost,
}

/// As [`send`] by POST, but does not wait longer than `patience` for anything.
pub fn post_within(
    patience: Duration,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, Unanswered> {
    let connected = TcpStream::connect_timeout(&address, patience);
    let mut stream = connected.map_err(|_| Unanswered::NotSent)?;
    let mut exchange = || {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(head(address, "POST", path, headers, body.len()).as_bytes())?;
        stream.write_all(body)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok::<_, io::Error>(reply)
    };
    exchange().ok().and_then(|reply| parse(&reply)).ok_or(Unanswered::Lost)
}

/// In HTTP/1.0 the end of the connection is the end of the reply.
pub fn head(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> String {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
}

fn parse(reply: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(reply);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let answer = Answer { status, headers, body: body.to_owned() };
    let whole =
        answer.header("content-length").is_none_or(|length| *length == body.len().to_string());
    whole.then_some(answer)
}

/// A request's body of statements with the same named parameters.
pub fn statements(statements: &[&str], params: &Value) -> String {
    let one = |sql: &&str| json!({"sql": sql, "params": params});
    Value::Array(statements.iter().map(one).collect()).to_string()
}
