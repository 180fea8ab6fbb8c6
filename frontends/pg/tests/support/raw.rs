use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that speaks the protocol by hand.
pub struct Raw {
    socket: TcpStream,
    /// What is to be sent.
    out: bytes::BytesMut,
}

/// A message of the server: its type, and what follows the length.
pub type Message = (char, Vec<u8>);

impl Raw {
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, out: bytes::BytesMut::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the server reads");
    }

    /// The message of this type, `b'Q'` and so on.
    pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    /// A startup packet.
    pub fn startup(user: &str) -> Vec<u8> {
        let body = format!("user\0{user}\0\0");
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&length[..], &[0, 3, 0, 0], body.as_bytes()].concat()
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is an end as well.
        let _ = self.socket.read_to_end(&mut bytes).await;
        bytes
    }

    pub async fn login(&mut self, user: &str, password: &str) {
        self.send(&Self::startup(user)).await;
        self.read().await;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        frontend::sasl_initial_response("SCRAM-SHA-256", scram.message(), &mut self.out).unwrap();
        self.flush().await;
        let (_, body) = self.read().await;
        scram.update(&body[4..]).unwrap();
        frontend::sasl_response(scram.message(), &mut self.out).unwrap();
        self.flush().await;
        let (_, body) = self.read().await;
        scram.finish(&body[4..]).unwrap();
        self.until('Z').await;
    }

    pub fn parse(&mut self, name: &str, sql: &str) -> &mut Self {
        frontend::parse(name, sql, [], &mut self.out).unwrap();
        self
    }

    /// Binds text to the unnamed portal.
    pub fn bind(&mut self, statement: &str, params: &[&str]) -> &mut Self {
        self.bind_as("", statement, params)
    }

    /// Binds text to a portal.
    pub fn bind_as(&mut self, portal: &str, statement: &str, params: &[&str]) -> &mut Self {
        let put = |text: &&str, out: &mut bytes::BytesMut| {
            out.extend_from_slice(text.as_bytes());
            Ok(postgres_protocol::IsNull::No)
        };
        frontend::bind(portal, statement, [], params, put, [], &mut self.out)
            .unwrap_or_else(|_| panic!("the message is well formed"));
        self
    }

    /// Parses, binds and executes, unnamed.
    pub fn run(&mut self, sql: &str, params: &[&str]) -> &mut Self {
        self.parse("", sql).bind("", params).execute("", 0)
    }

    pub fn describe_portal(&mut self) -> &mut Self {
        frontend::describe(b'P', "", &mut self.out).unwrap();
        self
    }

    pub fn execute(&mut self, portal: &str, max_rows: i32) -> &mut Self {
        frontend::execute(portal, max_rows, &mut self.out).unwrap();
        self
    }

    pub fn query(&mut self, sql: &str) -> &mut Self {
        frontend::query(sql, &mut self.out).unwrap();
        self
    }

    /// Sends Flush and reads up to a message of this type.
    pub async fn flushed(&mut self, kind: char) -> Vec<Message> {
        frontend::flush(&mut self.out);
        self.flush().await;
        self.until(kind).await
    }

    /// Sends Sync and reads up to ReadyForQuery.
    pub async fn sync(&mut self) -> Vec<Message> {
        frontend::sync(&mut self.out);
        self.flush().await;
        self.until('Z').await
    }

    pub async fn flush(&mut self) {
        let out = self.out.split();
        self.send(&out).await;
    }

    /// All messages up to one of this type.
    pub async fn until(&mut self, kind: char) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.read().await);
            if messages.last().is_some_and(|(last, _)| *last == kind) {
                return messages;
            }
        }
    }

    async fn read(&mut self) -> Message {
        let kind = self.socket.read_u8().await.expect("the server answers");
        let length = self.socket.read_u32().await.unwrap();
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.socket.read_exact(&mut body).await.unwrap();
        (char::from(kind), body)
    }
}

/// The types of the messages.
pub fn kinds(messages: &[Message]) -> String {
    messages.iter().map(|(kind, _)| kind).collect()
}

/// The tags of the commands that were completed.
pub fn tags(messages: &[Message]) -> Vec<String> {
    let complete = messages.iter().filter(|(kind, _)| *kind == 'C');
    complete
        .map(|(_, body)| String::from_utf8_lossy(&body[..body.len() - 1]).into_owned())
        .collect()
}

/// The SQLSTATE of the first error.
pub fn code(messages: &[Message]) -> Option<String> {
    let (_, body) = messages.iter().find(|(kind, _)| *kind == 'E')?;
    let fields = body.split(|byte| *byte == 0);
    let code = fields.into_iter().find_map(|field| field.strip_prefix(b"C"))?;
    Some(String::from_utf8_lossy(code).into_owned())
}

/// The status that the last message, a ReadyForQuery, tells.
pub fn status(messages: &[Message]) -> char {
    match messages.last() {
        Some(('Z', body)) => char::from(body[0]),
        other => panic!("ReadyForQuery is expected, not {other:?}"),
    }
}
