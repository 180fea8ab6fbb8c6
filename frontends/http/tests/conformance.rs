//! The HTTP front-end keeps the promises of a front-end.

#[path = "support/connection.rs"]
mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use connection::{Bind, Fixture};
use ha_core::{Frontend, Result};
use ha_http::{Http, Options};

struct BuiltIn;

#[async_trait]
impl Bind for BuiltIn {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
        let http = Http::bind(Options { listen, ..Options::default() })?;
        let address = http.local_addr();
        Ok((http, address))
    }
}

ha_conformance::frontend_suite!(Fixture(BuiltIn));
