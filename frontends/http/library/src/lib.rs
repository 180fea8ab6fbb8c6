//! The built-in HTTP front-end as a plugin. Setting: `port`, of 127.0.0.1.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ha_http::{Http, Options};
use ha_plugin::ha_core::{Result, Settings};

async fn open(mut settings: Settings) -> Result<Arc<Http>> {
    let port = settings.parse("port")?.unwrap_or(8080);
    settings.finish(&["port"])?;
    let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    Http::bind(Options { listen, ..Options::default() })
}

ha_plugin::declare_plugin!(name: "http-library", frontend: open);
