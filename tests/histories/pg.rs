//! Clients over the PostgreSQL protocol: a transaction is BEGIN, statements with pauses between
//! them, and COMMIT.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use crate::connection::{Connection, PATIENCE, Results, Told};

/// A client that keeps its connection while it works.
#[derive(Debug)]
pub(crate) struct Pg {
    address: SocketAddr,
    runtime: Runtime,
    client: Option<Client>,
}

impl Pg {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { address, runtime: runtime.unwrap(), client: None }
    }
}

impl Connection for Pg {
    fn transaction(&mut self, statements: &[String]) -> Told {
        let (address, known) = (self.address, self.client.take());
        let (told, client) = self.runtime.block_on(async {
            let client = match known {
                Some(client) => client,
                None => match connect(address).await {
                    Some(client) => client,
                    None => return (Told::Not, None),
                },
            };
            let told = transaction(&client, statements).await;
            let usable = matches!(told, Told::Done(_)) || roll_back(&client).await;
            (told, usable.then_some(client))
        });
        self.client = client;
        told
    }
}

/// Whether the connection is as good as new.
async fn roll_back(client: &Client) -> bool {
    matches!(timeout(PATIENCE, client.batch_execute("ROLLBACK")).await, Ok(Ok(())))
}

async fn connect(address: SocketAddr) -> Option<Client> {
    let (ip, port) = (address.ip(), address.port());
    let login = format!("host={ip} port={port} user=ha password=ha dbname=ha");
    let connecting = tokio_postgres::connect(&login, NoTls);
    let (client, connection) = timeout(PATIENCE, connecting).await.ok()?.ok()?;
    tokio::spawn(connection);
    let strong = client.batch_execute("SET ha.read = 'strong'");
    timeout(PATIENCE, strong).await.ok()?.ok()?;
    Some(client)
}

/// A failure before COMMIT is sent means that nothing has happened, one after it that nobody
/// knows, unless the node says that it has not.
async fn transaction(client: &Client, statements: &[String]) -> Told {
    let results = match timeout(PATIENCE, execute(client, statements)).await {
        Ok(Ok(results)) => results,
        Ok(Err(error)) => return failed(&error, Told::Not),
        Err(_) => return Told::Not,
    };
    match timeout(PATIENCE, client.batch_execute("COMMIT")).await {
        Ok(Ok(())) => Told::Done(results),
        Ok(Err(error)) => failed(&error, Told::Unknown(None)),
        Err(_) => Told::Unknown(None),
    }
}

async fn execute(client: &Client, statements: &[String]) -> Result<Results, Error> {
    client.batch_execute("BEGIN").await?;
    let mut results = Vec::new();
    for sql in statements {
        if rand::rng().random_bool(0.2) {
            sleep(Duration::from_millis(5)).await;
        }
        let messages = client.simple_query(sql).await?;
        results.push(messages.iter().filter_map(row).collect());
    }
    Ok(results)
}

fn row(message: &SimpleQueryMessage) -> Option<Vec<Value>> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|column| row.get(column).into()).collect())
}

/// What the client knows after an error; `lost` if it is that of the connection.
fn failed(error: &Error, lost: Told) -> Told {
    let Some(error) = error.as_db_error() else { return lost };
    match error.code().code() {
        "08007" => {
            let name = error.detail().and_then(|text| text.strip_prefix("transaction: "));
            Told::Unknown(name.map(Into::into))
        }
        // Conflict; not sent; not ready; stopping; timeout; idle or gone; read-only.
        "40001" | "08006" | "57P03" | "57P01" | "57014" | "25P03" | "25P01" | "25006" => Told::Not,
        _ => panic!("{error:?}"),
    }
}
