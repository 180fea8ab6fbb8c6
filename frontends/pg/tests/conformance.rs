//! The PostgreSQL front-end keeps the promises of a front-end.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use ha_conformance::frontend::{Client, Failure, FrontendFixture, Protocol, Rows};
use ha_core::{Frontend, Params, Result, Value};
use ha_pg::{Options, Pg};
use tokio::task::JoinHandle;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{NoTls, Row};

struct Fixture;

#[async_trait]
impl FrontendFixture for Fixture {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        let listen = format!("127.0.0.1:{port}");
        let pg = Pg::bind(Options { listen, ..Options::default() }).await?;
        let address = pg.local_addr();
        Ok((pg, address))
    }

    async fn connect(&self, address: SocketAddr) -> Box<dyn Client> {
        let url = format!("host=127.0.0.1 port={} user=ha password=ha dbname=ha", address.port());
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("login");
        let driver = tokio::spawn(async move {
            // Its end is the client's to tell.
            let _ = connection.await;
        });
        Box::new(Connection { client, driver })
    }

    fn protocol(&self) -> Protocol {
        Protocol { named: false, ..Protocol::default() }
    }

    fn placeholder(&self, number: usize) -> String {
        format!("${number}")
    }
}

struct Connection {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
}

/// Without a farewell, as a client that dies.
impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[async_trait]
impl Client for Connection {
    async fn run(&mut self, sql: &str, params: Params) -> Result<Rows, Failure> {
        let values = match params {
            Params::None => Vec::new(),
            Params::Positional(values) => values.into_iter().map(Sent).collect(),
            Params::Named(_) => unreachable!("the protocol has no names"),
        };
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let rows = self.client.query(sql, &values).await.map_err(|error| failure(&error))?;
        Ok(rows.iter().map(received).collect())
    }

    async fn batch(&mut self, statements: &[&str]) -> Result<(), Failure> {
        let sql = statements.join("; ");
        self.client.batch_execute(&sql).await.map_err(|error| failure(&error))
    }
}

/// A parameter, as text, which is understood whatever its type is.
#[derive(Debug)]
struct Sent(Value);

impl ToSql for Sent {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Real(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::RawText(bytes) | Value::Blob(bytes) => {
                out.extend_from_slice(format!("\\x{}", hex::encode(bytes)).as_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

fn received(row: &Row) -> Vec<Value> {
    let value = |index: usize| match *row.columns()[index].type_() {
        Type::INT8 => row.get::<_, Option<i64>>(index).map(Value::Integer),
        Type::INT4 => row.get::<_, Option<i32>>(index).map(|value| Value::Integer(value.into())),
        Type::FLOAT8 => row.get::<_, Option<f64>>(index).map(Value::Real),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(index).map(Value::Blob),
        _ => row.get::<_, Option<String>>(index).map(Value::Text),
    };
    (0..row.len()).map(|index| value(index).unwrap_or(Value::Null)).collect()
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(told) => {
            Failure { code: told.code().code().to_owned(), message: told.message().to_owned() }
        }
        None => Failure { code: "connection".to_owned(), message: error.to_string() },
    }
}

ha_conformance::frontend_suite!(Fixture);
