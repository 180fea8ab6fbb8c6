//! A front-end: SQL in, one line each; answers in JSON, one line each.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use ha_plugin::async_trait::async_trait;
use ha_plugin::core::{Batch, Engine, Error, Frontend, Result, Session, Settings, Shutdown, Statement, json, sql};
use ha_plugin::tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use ha_plugin::tokio::net::{TcpListener, TcpStream};
use ha_plugin::tokio::{select, sync::Mutex, task::JoinSet, time::sleep};

#[derive(Debug)]
struct Line {
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
}

async fn open(mut settings: Settings) -> Result<Arc<Line>> {
    let port = settings.parse("port")?.unwrap_or(7001_u16);
    settings.finish(&["port"])?;
    let failed = |error: io::Error| Error::io(format!("listening on port {port}"), &error);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Arc::new(Line { address, listener: Mutex::new(Some(listener)) }))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line on {}", self.address)
    }
}

#[async_trait]
impl Frontend for Line {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let listener = self.listener.lock().await.take().ok_or(Error::Closed)?;
        let mut clients = JoinSet::new();
        loop {
            select! {
                () = stop.requested() => break,
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => drop(clients.spawn(attend(client, engine.clone(), stop.clone()))),
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
                Some(_) = clients.join_next() => {}
            }
        }
        drop(listener);
        while clients.join_next().await.is_some() {}
        Ok(())
    }
}

async fn attend(client: TcpStream, engine: Arc<dyn Engine>, stop: Shutdown) -> io::Result<()> {
    let mut session = engine.session(Default::default()).await.map_err(io::Error::other)?;
    let (reader, mut writer) = client.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = select! { line = lines.next_line() => line?, () = stop.requested() => None } {
        let answer = match execute(&mut *session, &line).await {
            Ok(answer) => answer,
            Err(error) => [&br#"{"error":"#[..], &json::error(&error), b"}"].concat(),
        };
        writer.write_all(&[&answer[..], b"\n"].concat()).await?;
    }
    Ok(())
}

async fn execute(session: &mut dyn Session, line: &str) -> Result<Vec<u8>> {
    match sql::first_keyword(line).as_str() {
        "BEGIN" => session.begin(Default::default()).await?,
        "COMMIT" => drop(session.commit().await?),
        "ROLLBACK" => session.rollback().await?,
        _ => {
            let statements = vec![Statement::new(line)];
            return Ok(json::write(&session.run(Batch { statements, ..Batch::default() }).await?));
        }
    }
    Ok(b"{}".to_vec())
}

ha_plugin::declare_plugin!(name: "line", frontend: open);
