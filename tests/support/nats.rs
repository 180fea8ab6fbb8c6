//! The API of a node's NATS server, in the protocol of NATS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::Node;

/// Asks JetStream of a node's server; null is an empty question.
pub fn ask(node: &Node, subject: &str, body: &Value) -> Value {
    ask_at(node.url(), subject, body)
}

/// As [`ask`], of the server at a URL.
pub fn ask_at(url: &str, subject: &str, body: &Value) -> Value {
    let address = url.trim_start_matches("nats://");
    let mut out = TcpStream::connect(address).unwrap();
    let mut lines = BufReader::new(out.try_clone().unwrap());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let connect = "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n";
    write!(out, "{connect}PUB $JS.API.{subject} answer {}\r\n{body}\r\n", body.len()).unwrap();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if let Some(length) = line.strip_prefix("MSG answer 1 ") {
            let mut answer = vec![0; length.trim().parse().unwrap()];
            lines.read_exact(&mut answer).unwrap();
            return serde_json::from_slice(&answer).unwrap();
        }
    }
}

/// Publishes a message on a subject, and waits until the server has it.
pub fn publish(url: &str, subject: &str, message: &str) {
    let mut out = TcpStream::connect(url.trim_start_matches("nats://")).unwrap();
    let mut lines = BufReader::new(out.try_clone().unwrap());
    let connect = "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n";
    write!(out, "{connect}PUB {subject} answer {}\r\n{message}\r\n", message.len()).unwrap();
    let mut line = String::new();
    while !line.starts_with("MSG answer") {
        line.clear();
        lines.read_line(&mut line).unwrap();
    }
}
