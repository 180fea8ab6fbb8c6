//! The MySQL front-end: clients of MySQL talk to a node as if it were MySQL 8.0.
//!
//! [`MySql`] speaks the
//! [client/server protocol](https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html),
//! text and prepared, with `caching_sha2_password` and `mysql_native_password`. Statements are
//! translated by the `dialect` module and executed by a [`ha_core::Session`] per connection.

mod backend;
mod connection;
mod connections;
mod define;
mod dialect;
mod error;
mod options;
mod prepared;
mod rows;
mod schema;
mod server;
mod settings;
mod wire;

use std::sync::Arc;

use ha_core::{Result, Settings};

pub use options::Options;
pub use server::MySql;

/// Opens the front-end of a plugin's settings; see [`Options::read`].
///
/// # Errors
/// [`ha_core::Error::Config`] for a setting that is wrong, and for a port in use.
pub async fn open(settings: Settings) -> Result<Arc<MySql>> {
    MySql::bind(Options::read(settings)?).await
}

ha_plugin::declare_plugin!(name: "mysql", frontend: open);
