//! A client of the node's PostgreSQL front-end, with a prepared statement.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio_postgres::types::Type;
use tokio_postgres::{Config, NoTls, Statement};

use crate::load::Client;
use crate::suite::{Operation, name_of};

/// Sends one kind of statement over a connection.
#[derive(Debug)]
pub(crate) struct PostgresClient {
    client: tokio_postgres::Client,
    statement: Statement,
    operation: Operation,
}

impl PostgresClient {
    /// Connects with the node's default user and prepares the statement.
    pub(crate) async fn open(address: SocketAddr, operation: Operation) -> Result<Self> {
        let mut config = Config::new();
        config.host(address.ip().to_string()).port(address.port()).user("ha").password("ha");
        let (client, connection) = config.connect(NoTls).await.context("connect as PostgreSQL")?;
        // Ends with the client; an error of it shows in the client's next request.
        tokio::spawn(connection);
        let (sql, types): (_, &[Type]) = match operation {
            Operation::Insert => {
                ("INSERT INTO written (key, name) VALUES ($1, $2)", &[Type::INT8, Type::TEXT])
            }
            Operation::Select => ("SELECT name FROM seeded WHERE id = $1", &[Type::INT8]),
        };
        let statement = client.prepare_typed(sql, types).await.context("prepare")?;
        Ok(Self { client, statement, operation })
    }
}

impl Client for PostgresClient {
    async fn request(&mut self, key: i64) -> Result<()> {
        let name = name_of(key);
        match self.operation {
            Operation::Insert => {
                let rows = self.client.execute(&self.statement, &[&key, &name]).await?;
                ensure!(rows == 1, "an insert of {rows} rows");
            }
            Operation::Select => {
                let row = self.client.query_one(&self.statement, &[&key]).await?;
                ensure!(row.try_get::<_, &str>(0)? == name, "another row than {key}");
            }
        }
        Ok(())
    }
}
