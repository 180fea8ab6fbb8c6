use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use async_trait::async_trait;
use ha_core::{Params, Value};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::{Client, Failure, Rows};

/// A client that sends SQL, one line for each request, and reads an answer in JSON, one line too:
/// a reply (`{"results":[{"rows":[…]}]}`), only rows (`{"rows":[…]}`), or `{"error": …}` with a
/// text or an object that has a `message`. Values are those of [`ha_core::json`].
pub struct LineClient {
    answers: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    requests: Box<dyn AsyncWrite + Send + Unpin>,
    /// Killed when it is dropped.
    _program: Option<Child>,
}

impl LineClient {
    /// Connects to a server of such lines.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let (reader, writer) = TcpStream::connect(address).await?.into_split();
        let answers: Box<dyn AsyncRead + Send + Unpin> = Box::new(reader);
        Ok(Self { answers: BufReader::new(answers), requests: Box::new(writer), _program: None })
    }

    /// Starts a program that reads lines and writes answers, with the port as its argument.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn program(path: &Path, port: u16) -> io::Result<Self> {
        let mut command = Command::new(path);
        command.arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.kill_on_drop(true).spawn()?;
        let (Some(requests), Some(answers)) = (program.stdin.take(), program.stdout.take()) else {
            return Err(io::Error::other("a program without its pipes"));
        };
        let answers: Box<dyn AsyncRead + Send + Unpin> = Box::new(answers);
        let (answers, requests) = (BufReader::new(answers), Box::new(requests));
        Ok(Self { answers, requests, _program: Some(program) })
    }

    async fn exchange(&mut self, line: &str) -> io::Result<String> {
        self.requests.write_all(format!("{line}\n").as_bytes()).await?;
        self.requests.flush().await?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(answer),
        }
    }
}

#[async_trait]
impl Client for LineClient {
    async fn run(&mut self, sql: &str, params: Params) -> Result<Rows, Failure> {
        assert_eq!(params, Params::None, "a line has no parameters");
        let answer = self.exchange(&sql.replace('\n', " ")).await;
        let answer = answer.map_err(|error| failure("connection", error.to_string()))?;
        let read = serde_json::from_str::<Answer>(&answer);
        read.map_err(|error| failure("json", format!("{error}: {answer}")))?.rows()
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Results>,
    rows: Option<Rows>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Results {
    rows: Vec<Vec<Value>>,
}

impl Answer {
    fn rows(self) -> Result<Rows, Failure> {
        if let Some(error) = self.error {
            let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str);
            let message = error.as_str().or_else(|| text("message")).map(str::to_owned);
            let code = text("kind").unwrap_or_default();
            return Err(failure(code, message.unwrap_or_else(|| error.to_string())));
        }
        let last = self.results.into_iter().next_back().map(|results| results.rows);
        Ok(self.rows.or(last).unwrap_or_default())
    }
}

fn failure(code: &str, message: String) -> Failure {
    Failure { code: code.to_owned(), message }
}

impl std::fmt::Debug for LineClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LineClient")
    }
}
