//! A front-end of lines that breaks a promise on demand.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ha_conformance::frontend::{Client, FrontendFixture, LineClient, Protocol};
use ha_core::{
    Batch, Engine, Error, Frontend, Reply, Result, Session, Shutdown, Statement, Value, json, sql,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::task::JoinSet;

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// A stop hangs up on everybody.
    Abrupt,
    /// `BEGIN`, `COMMIT` and `ROLLBACK` do nothing.
    Autocommit,
    /// Bytes that are not UTF-8 end the whole front-end.
    Delicate,
    /// An error ends the connection.
    HangsUp,
    /// The port stays open.
    Lingers,
    /// An error is shown as an empty result.
    Mute,
    /// Statements of a request are transactions of their own.
    Piecemeal,
    /// Reals lose their fraction.
    Rounds,
    /// Results end after some rows.
    Truncates,
}

#[derive(Debug)]
pub struct Flawed {
    flaw: Flaw,
    address: SocketAddr,
    listener: TcpListener,
}

#[async_trait]
impl FrontendFixture for Flaw {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        let failed = |error: io::Error| Error::io("listening", &error);
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((Arc::new(Flawed { flaw: *self, address, listener }), address))
    }

    async fn connect(&self, address: SocketAddr) -> Box<dyn Client> {
        Box::new(LineClient::connect(address).await.unwrap())
    }

    fn protocol(&self) -> Protocol {
        Protocol { positional: false, named: false, ..Protocol::default() }
    }
}

impl fmt::Display for Flawed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flawed on {}", self.address)
    }
}

#[async_trait]
impl Frontend for Flawed {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let mut clients = JoinSet::new();
        loop {
            select! {
                () = stop.requested() => break,
                Ok((client, _)) = self.listener.accept() => {
                    clients.spawn(attend(self.flaw, client, Arc::clone(&engine), stop.clone()));
                }
                Some(Ok(Err(error))) = clients.join_next() => {
                    if self.flaw == Flaw::Delicate && error.kind() == io::ErrorKind::InvalidData {
                        return Err(Error::io("reading", &error));
                    }
                }
            }
        }
        match self.flaw {
            Flaw::Abrupt => clients.abort_all(),
            Flaw::Lingers => std::mem::forget(Arc::clone(&self)),
            _ => {}
        }
        while clients.join_next().await.is_some() {}
        Ok(())
    }
}

async fn attend(
    flaw: Flaw,
    client: TcpStream,
    engine: Arc<dyn Engine>,
    stop: Shutdown,
) -> io::Result<()> {
    let mut session = engine.session(Default::default()).await.map_err(io::Error::other)?;
    let (mut client, mut line) = (BufReader::new(client), String::new());
    while select! { read = client.read_line(&mut line) => read?, () = stop.requested() => 0 } > 0 {
        let answer = match execute(flaw, &mut *session, &line).await {
            Ok(answer) => answer,
            Err(_) if flaw == Flaw::HangsUp => break,
            Err(_) if flaw == Flaw::Mute => b"{}".to_vec(),
            Err(error) => [&br#"{"error":"#[..], &json::error(&error), b"}"].concat(),
        };
        client.write_all(&[&answer[..], b"\n"].concat()).await?;
        line.clear();
    }
    Ok(())
}

async fn execute(flaw: Flaw, session: &mut dyn Session, line: &str) -> Result<Vec<u8>> {
    match sql::first_keyword(line).as_str() {
        "BEGIN" | "COMMIT" | "ROLLBACK" if flaw == Flaw::Autocommit => {}
        "BEGIN" => session.begin(Default::default()).await?,
        "COMMIT" => drop(session.commit().await?),
        "ROLLBACK" => session.rollback().await?,
        _ => return Ok(json::write(&run(flaw, session, line).await?)),
    }
    Ok(b"{}".to_vec())
}

async fn run(flaw: Flaw, session: &mut dyn Session, line: &str) -> Result<Reply> {
    let batch = |sql: &str| Batch { statements: vec![Statement::new(sql)], ..Batch::default() };
    let pieces = if flaw == Flaw::Piecemeal { sql::split(line) } else { vec![line] };
    let (last, others) = pieces.split_last().unwrap_or((&line, &[]));
    for piece in others {
        session.run(batch(piece)).await?;
    }
    let mut reply = session.run(batch(last)).await?;
    let rows = reply.results.iter_mut().flat_map(|result| &mut result.rows);
    for value in rows.flatten() {
        match value {
            Value::Real(real) if flaw == Flaw::Rounds => *real = real.round(),
            _ => {}
        }
    }
    if flaw == Flaw::Truncates {
        reply.results.iter_mut().for_each(|result| result.rows.truncate(50_000));
    }
    Ok(reply)
}
