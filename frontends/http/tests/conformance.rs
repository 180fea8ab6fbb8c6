//! The HTTP front-end keeps the promises of a front-end.

#[path = "support/connection.rs"]
mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use connection::Connection;
use ha_conformance::frontend::{Client, FrontendFixture, Protocol};
use ha_core::{Frontend, Result, Value};
use ha_http::{Http, Options};

struct Fixture;

#[async_trait]
impl FrontendFixture for Fixture {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
        let http = Http::bind(Options { listen, ..Options::default() })?;
        let address = http.local_addr();
        Ok((http, address))
    }

    async fn connect(&self, address: SocketAddr) -> Box<dyn Client> {
        Box::new(Connection::new(address))
    }

    fn protocol(&self) -> Protocol {
        connection::protocol()
    }

    fn shown(&self, stored: &Value) -> Value {
        connection::shown(stored)
    }
}

ha_conformance::frontend_suite!(Fixture);
