//! HTTP/1.1 as lean as a load generator needs it: one keep-alive connection, bodies of a
//! given length.

use std::io::Write;
use std::net::SocketAddr;
use std::str;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::Client;
use crate::suite::{Operation, name_of};

/// A connection to the node's HTTP front-end.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    /// The request that is being sent.
    request: Vec<u8>,
    /// What was received of the reply.
    reply: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect over HTTP")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_string(), request: Vec::new(), reply: Vec::new() })
    }

    /// Posts statements as JSON; the body of the reply. Any status but 200 is an error.
    pub(crate) async fn post(&mut self, body: &str) -> Result<&[u8]> {
        self.post_to("/", body).await
    }

    /// As [`post`](Self::post), to another path.
    pub(crate) async fn post_to(&mut self, path: &str, body: &str) -> Result<&[u8]> {
        self.send(&format!("POST {path} HTTP/1.1"), body).await
    }

    /// Asks for a path; the body of the reply. Any status but 200 is an error.
    pub(crate) async fn get(&mut self, path: &str) -> Result<&[u8]> {
        self.send(&format!("GET {path} HTTP/1.1"), "").await
    }

    async fn send(&mut self, line: &str, body: &str) -> Result<&[u8]> {
        let Self { request, host, .. } = self;
        request.clear();
        write!(
            request,
            "{line}\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        self.stream.write_all(&self.request).await?;
        let Head { status, length, content } = self.receive().await?;
        let body = &self.reply[content..content + length];
        ensure!(status == 200, "HTTP status {status}: {}", String::from_utf8_lossy(body));
        Ok(body)
    }

    /// Reads one reply, and no byte of the next: that is sent only after another request.
    async fn receive(&mut self) -> Result<Head> {
        self.reply.clear();
        loop {
            let read = self.stream.read_buf(&mut self.reply).await?;
            ensure!(read > 0, "the connection was closed before the reply was complete");
            if let Some(head) = Head::read(&self.reply)?
                && self.reply.len() >= head.content + head.length
            {
                return Ok(head);
            }
        }
    }
}

/// What the first lines of a reply say.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the body.
    length: usize,
    /// Where the body begins.
    content: usize,
}

impl Head {
    /// `None` as long as it is incomplete.
    fn read(reply: &[u8]) -> Result<Option<Self>> {
        let Some(end) = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(&reply[..end]).context("the reply's head is not text")?;
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.context("the reply is not HTTP/1.1")?.parse()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim())
        });
        let Some(length) = length else { bail!("the reply has no content-length:\n{head}") };
        Ok(Some(Self { status, length: length.parse()?, content: end + 4 }))
    }
}

/// Whose requests a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Those of `ha`, v0.0.7 too.
    Ha,
    /// Those of rqlite (<https://rqlite.io/docs/api/api/>).
    Rqlite,
}

/// Sends one kind of statement over a connection.
#[derive(Debug)]
pub(crate) struct HttpClient {
    pub(crate) connection: Connection,
    pub(crate) operation: Operation,
    pub(crate) speech: Speech,
}

impl Client for HttpClient {
    async fn request(&mut self, key: i64) -> Result<()> {
        let (path, body, answer) = self.speech.request(self.operation, key);
        expect(self.connection.post_to(path, &body).await?, &answer)
    }
}

impl Speech {
    /// Where a request is posted to, its body, and a part of the right answer.
    fn request(self, operation: Operation, key: i64) -> (&'static str, String, String) {
        let name = name_of(key);
        match (self, operation) {
            (Self::Ha, Operation::Insert) => {
                let body = format!(
                    r#"[{{"sql":"INSERT INTO written (key, name) VALUES (:key, :name)","params":{{"key":{key},"name":"{name}"}}}}]"#
                );
                ("/", body, r#""rows":[[1,"#.to_owned())
            }
            (Self::Ha, Operation::Select) => {
                let body = format!(
                    r#"[{{"sql":"SELECT name FROM seeded WHERE id = :id","params":{{"id":{key}}}}}]"#
                );
                ("/", body, format!(r#""rows":[["{name}"]]"#))
            }
            (Self::Rqlite, Operation::Insert) => {
                let body = format!(
                    r#"[["INSERT INTO written (key, name) VALUES (?, ?)",{key},"{name}"]]"#
                );
                ("/db/execute", body, r#""rows_affected":1"#.to_owned())
            }
            (Self::Rqlite, Operation::Select) => {
                let body = format!(r#"[["SELECT name FROM seeded WHERE id = ?",{key}]]"#);
                ("/db/query?level=none", body, format!(r#""values":[["{name}"]]"#))
            }
        }
    }
}

/// An error if the reply is without `part`.
fn expect(reply: &[u8], part: &str) -> Result<()> {
    let found = reply.windows(part.len()).any(|bytes| bytes == part.as_bytes());
    ensure!(found, "a reply without {part}: {}", String::from_utf8_lossy(reply));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answered(parts: &'static [&'static str]) -> Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n[]") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            for part in parts {
                stream.write_all(part.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let reply = Connection::open(address).await?.post("[]").await.map(<[u8]>::to_vec);
        server.await?;
        reply
    }

    #[tokio::test]
    async fn a_reply_in_pieces_is_put_together() {
        let pieces = &["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhel", "lo"];
        assert_eq!(answered(pieces).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn errors_of_the_node_and_replies_cut_short_are_errors() {
        let refused = answered(&["HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy"]).await;
        assert!(refused.unwrap_err().to_string().contains("503: busy"));
        let cut = answered(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"]).await;
        assert!(cut.unwrap_err().to_string().contains("closed"));
    }

    #[test]
    fn each_server_is_asked_in_its_own_way() {
        let ha = Speech::Ha.request(Operation::Insert, 7);
        assert!(ha.0 == "/" && ha.1.contains(r#""params":{"key":7,"#), "{ha:?}");
        let (path, body, answer) = Speech::Rqlite.request(Operation::Select, 7);
        assert_eq!(path, "/db/query?level=none");
        assert_eq!(body, r#"[["SELECT name FROM seeded WHERE id = ?",7]]"#);
        assert_eq!(answer, r#""values":[["name of 7"]]"#);
    }

    #[test]
    fn a_head_tells_status_and_place_of_the_body() {
        assert_eq!(Head::read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n").unwrap(), None);
        let head = Head::read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").unwrap();
        assert_eq!(head, Some(Head { status: 200, length: 2, content: 38 }));
        assert!(Head::read(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
