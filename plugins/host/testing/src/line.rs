//! A line protocol: one SQL statement a line in, one line of JSON out; `panic` panics. Setting:
//! `port`, and `public`: others than this machine may come.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ha_plugin::async_trait::async_trait;
use ha_plugin::ha_core::{
    Batch, Engine, Error, Frontend, Result, Session, SessionOptions, Settings, Shutdown, Statement,
    TransactionOptions, json,
};
use ha_plugin::tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use ha_plugin::tokio::net::{TcpListener, TcpStream};
use ha_plugin::tokio::task::JoinSet;
use ha_plugin::{tokio, tracing};

/// Binds the port.
pub(crate) async fn open(mut settings: Settings) -> Result<Arc<Line>> {
    let port: u16 = settings.parse("port")?.unwrap_or(5999);
    let public = settings.parse("public")?.unwrap_or(false);
    settings.finish(&["port", "public"])?;
    let address = if public { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let bound = TcpListener::bind((address, port)).await;
    let listener = bound.map_err(|error| Error::io(format!("bind port {port}"), &error))?;
    let address = listener.local_addr().map_err(|error| Error::io("the address", &error))?;
    tracing::info!("lines on {address}");
    Ok(Arc::new(Line { listener, address }))
}

/// The front-end.
#[derive(Debug)]
pub(crate) struct Line {
    listener: TcpListener,
    address: SocketAddr,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lines on {}", self.address)
    }
}

#[async_trait]
impl Frontend for Line {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.requested() => break,
                accepted = self.listener.accept() => {
                    let (socket, _) = accepted.map_err(|error| Error::io("accept", &error))?;
                    let session = engine.session(SessionOptions::default()).await?;
                    clients.spawn(converse(socket, session, stop.clone()));
                }
            }
        }
        while clients.join_next().await.is_some() {}
        Ok(())
    }
}

async fn converse(socket: TcpStream, mut session: Box<dyn Session>, stop: Shutdown) {
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    loop {
        let line = tokio::select! {
            () = stop.requested() => return,
            line = lines.next_line() => line,
        };
        let Ok(Some(line)) = line else { return };
        let mut reply = match answer(&mut *session, &line).await {
            Ok(reply) => reply,
            Err(error) => json::error(&error),
        };
        reply.push(b'\n');
        if writer.write_all(&reply).await.is_err() {
            return;
        }
    }
}

async fn answer(session: &mut dyn Session, line: &str) -> Result<Vec<u8>> {
    match line {
        "panic" => panic!("a request was told to panic"),
        "BEGIN" => session.begin(TransactionOptions::default()).await.map(|()| b"{}".to_vec()),
        "COMMIT" => Ok(json::write(&session.commit().await?)),
        "ROLLBACK" => session.rollback().await.map(|()| b"{}".to_vec()),
        sql => {
            let statements = vec![Statement::new(sql)];
            Ok(json::write(&session.run(Batch { statements, ..Batch::default() }).await?))
        }
    }
}
