//! MySQL's client/server protocol, as far as a server needs it:
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>.

pub(crate) mod auth;
mod bytes;
pub(crate) mod handshake;
pub(crate) mod moment;
mod packet;
pub(crate) mod params;
pub(crate) mod reply;
pub(crate) mod types;

pub(crate) use bytes::{Reader, put_bytes, put_int};
pub(crate) use packet::Wire;
