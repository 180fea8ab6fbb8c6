//! The connection phase:
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>.

use bytes::BufMut;

use super::auth::{CHALLENGE, Method, challenge};
use super::{Reader, Wire, reply};
use crate::Options;
use crate::error::{Failure, Outcome};

/// Told in the greeting and by `VERSION()`: clients read the three numbers in front.
pub(crate) const VERSION: &str = concat!("8.0.36-ha-", env!("CARGO_PKG_VERSION"));

/// The collation utf8mb4_general_ci, which every client knows.
pub(crate) const UTF8MB4: u16 = 45;

const CONNECT_WITH_DB: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const PLUGIN_AUTH: u32 = 1 << 19;
const AUTH_DATA_HAS_LENGTH: u32 = 1 << 21;

/// Long passwords and flags, found rows, a database at login, IGNORE_SPACE, transactions,
/// secure connection, connection attributes, and the above.
const CAPABILITIES: u32 = 0x7
    | CONNECT_WITH_DB
    | 1 << 8
    | PROTOCOL_41
    | 1 << 13
    | 1 << 15
    | PLUGIN_AUTH
    | 1 << 20
    | AUTH_DATA_HAS_LENGTH;

/// A client that proved who it is.
#[derive(Debug)]
pub(crate) struct Login {
    /// The database it named; may be empty.
    pub(crate) database: String,
    /// Who it is.
    pub(crate) user: String,
}

/// Greets a client and lets it in, or tells it why not.
pub(crate) async fn login(wire: &mut Wire, id: u32, options: &Options) -> Outcome<Login> {
    let asked = challenge();
    wire.send(&greeting(id, &asked)).await?;
    wire.flush().await?;
    let answer = wire.read().await?;
    let response = Response::read(&answer)?;
    prove(wire, &response, &asked, options).await?;
    Ok(Login { database: response.database, user: response.user })
}

/// COM_CHANGE_USER: the same for a client that is in already.
pub(crate) async fn change_user(
    wire: &mut Wire,
    packet: &[u8],
    options: &Options,
) -> Outcome<Login> {
    let mut reader = Reader(packet);
    let user = text(reader.until_nul());
    let length = usize::from(reader.byte()?);
    reader.take(length)?;
    let database = text(reader.until_nul());
    // The proof is to a challenge of long ago: another one is asked for.
    let response = Response { user, database, proof: Vec::new(), method: None };
    prove(wire, &response, &[], options).await?;
    Ok(Login { database: response.database, user: response.user })
}

/// HandshakeResponse41.
struct Response {
    user: String,
    database: String,
    proof: Vec<u8>,
    method: Option<Method>,
}

impl Response {
    fn read(packet: &[u8]) -> Outcome<Self> {
        let mut reader = Reader(packet);
        let flags = u32::try_from(reader.int(4)?).unwrap_or_default();
        if flags & PROTOCOL_41 == 0 {
            return Err(Failure::new(1251, "08004", "Client does not support protocol 4.1"));
        }
        if flags & SSL != 0 {
            return Err(Failure::new(3159, "HY000", "TLS is not offered here"));
        }
        reader.take(4 + 1 + 23)?;
        let user = text(reader.until_nul());
        let proof = if flags & AUTH_DATA_HAS_LENGTH == 0 {
            let length = usize::from(reader.byte()?);
            reader.take(length)?.to_vec()
        } else {
            reader.bytes()?.to_vec()
        };
        let named = flags & CONNECT_WITH_DB != 0;
        let database = if named { text(reader.until_nul()) } else { String::new() };
        let method = if flags & PLUGIN_AUTH == 0 {
            Some(Method::Native)
        } else {
            Method::named(reader.until_nul())
        };
        Ok(Self { user, database, proof, method })
    }
}

/// Checks the proof. A client that prefers another method than the one it was greeted with, or
/// has none to offer yet, is asked once more, in the way that all clients know.
async fn prove(
    wire: &mut Wire,
    response: &Response,
    asked: &[u8],
    options: &Options,
) -> Outcome<()> {
    let right = |method: Method, proof: &[u8], asked: &[u8]| {
        method.accepts(proof, &options.password, asked) && response.user == options.user
    };
    if let Some(method) = response.method
        && right(method, &response.proof, asked)
    {
        return welcome(wire, method, &options.password).await;
    }
    let asked_again = challenge();
    let method = match response.method {
        Some(Method::CachingSha2) => Method::CachingSha2,
        Some(Method::Native) | None => Method::Native,
    };
    wire.send(&switch(method, &asked_again)).await?;
    wire.flush().await?;
    let proof = wire.read().await?;
    if right(method, &proof, &asked_again) {
        return welcome(wire, method, &options.password).await;
    }
    let using = if proof.is_empty() { "NO" } else { "YES" };
    let (user, peer) = (&response.user, wire.peer());
    let text = format!("Access denied for user '{user}'@'{peer}' (using password: {using})");
    Err(Failure::new(1045, "28000", text))
}

async fn welcome(wire: &mut Wire, method: Method, password: &str) -> Outcome<()> {
    if method == Method::CachingSha2 && !password.is_empty() {
        // AuthMoreData: fast_auth_success.
        wire.send(&[1, 3]).await?;
    }
    wire.send(&reply::done(&reply::Done::default(), reply::AUTOCOMMIT)).await?;
    wire.flush().await
}

/// Protocol::HandshakeV10.
fn greeting(id: u32, challenge: &[u8; CHALLENGE]) -> Vec<u8> {
    let mut out = vec![10];
    out.put_slice(VERSION.as_bytes());
    out.put_u8(0);
    out.put_u32_le(id);
    out.put_slice(&challenge[..8]);
    out.put_u8(0);
    out.put_u16_le(CAPABILITIES as u16);
    out.put_u8(UTF8MB4 as u8);
    out.put_u16_le(reply::AUTOCOMMIT);
    out.put_u16_le((CAPABILITIES >> 16) as u16);
    out.put_u8(CHALLENGE as u8 + 1);
    out.put_bytes(0, 10);
    out.put_slice(&challenge[8..]);
    out.put_u8(0);
    out.put_slice(Method::CachingSha2.name().as_bytes());
    out.put_u8(0);
    out
}

/// Protocol::AuthSwitchRequest.
fn switch(method: Method, challenge: &[u8; CHALLENGE]) -> Vec<u8> {
    let mut out = vec![0xfe];
    out.put_slice(method.name().as_bytes());
    out.put_u8(0);
    out.put_slice(challenge);
    out.put_u8(0);
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
