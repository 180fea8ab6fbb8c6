//! A front-end: SQL in, one line each; answers in JSON, one line each.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use ha_plugin::ha_core::{
    Batch, Engine, Error, Frontend, Result, Session, Settings, Shutdown, Statement, json, sql,
};
use ha_plugin::tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use ha_plugin::tokio::net::{TcpListener, TcpStream};
use ha_plugin::tokio::{select, sync::Mutex, task::JoinSet, time::sleep};

#[derive(Debug)]
struct Line(SocketAddr, Mutex<Option<TcpListener>>);

async fn open(mut settings: Settings) -> Result<Arc<Line>> {
    let port = settings.parse("port")?.unwrap_or(7001_u16);
    settings.finish(&["port"])?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| Error::io(format!("listening on {port}"), &error))?;
    let address = listener.local_addr().map_err(|error| Error::io("its address", &error))?;
    Ok(Arc::new(Line(address, Mutex::new(Some(listener)))))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line on {}", self.0)
    }
}

#[ha_plugin::async_trait::async_trait]
impl Frontend for Line {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let listener = self.1.lock().await.take().ok_or(Error::Closed)?;
        let mut clients = JoinSet::new();
        loop {
            select! {
                () = stop.requested() => break,
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => drop(clients.spawn(attend(client, engine.clone(), stop.clone()))),
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
            }
            while clients.try_join_next().is_some() {}
        }
        drop(listener);
        while clients.join_next().await.is_some() {}
        Ok(())
    }
}

async fn attend(client: TcpStream, engine: Arc<dyn Engine>, stop: Shutdown) -> io::Result<()> {
    let mut session = engine.session(Default::default()).await.map_err(io::Error::other)?;
    let (mut client, mut line) = (BufReader::new(client), String::new());
    while select! { read = client.read_line(&mut line) => read?, () = stop.requested() => 0 } > 0 {
        let answer = execute(&mut *session, &line)
            .await
            .unwrap_or_else(|error| [&br#"{"error":"#[..], &json::error(&error), b"}"].concat());
        client.write_all(&[&answer[..], b"\n"].concat()).await?;
        line.clear();
    }
    Ok(())
}

async fn execute(session: &mut dyn Session, line: &str) -> Result<Vec<u8>> {
    let batch = Batch { statements: vec![Statement::new(line)], ..Batch::default() };
    let ended = match sql::first_keyword(line).as_str() {
        "BEGIN" => session.begin(Default::default()).await,
        "COMMIT" => session.commit().await.map(drop),
        "ROLLBACK" => session.rollback().await,
        _ => return session.run(batch).await.map(|reply| json::write(&reply)),
    };
    ended.map(|()| b"{}".to_vec())
}

ha_plugin::declare_plugin!(name: "line", frontend: open);
