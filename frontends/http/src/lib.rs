//! The HTTP front-end of `ha`.
//!
//! | request | answer |
//! |---|---|
//! | `POST /` and any other path | runs statements, errors as plain text, as v0.0.7 does |
//! | `POST /v1/query` | the same with a status for each kind of error and RFC 9457 bodies |
//! | `GET /` | the database as a file |
//! | `GET /healthz`, `GET /readyz` | whether the process lives, whether clients should come |
//! | `GET /v1/status` | how the node is, in detail |
//! | `DELETE /v1/members/<name>` | takes a member out of the cluster of embedded servers |
//! | `GET /v1/outcome/<name>` | what became of a transaction that ended as *unknown* |
//!
//! # Statements
//!
//! A body is a JSON array of `{"sql": …, "params": …}`, or one such object. The array is one
//! transaction; the answer is `{"results":[{"columns":[…],"rows":[[…]]}]}`, with
//! `rows_affected` and `last_insert_id` for a statement that returns no rows. `params` is an
//! object, an array or null. Integers bind as INTEGER, other numbers as REAL, booleans as 0
//! and 1, `{"blob":"<base64>"}` as a blob. An answer carries the position that was read or
//! made in `X-Ha-Position`; one that leaves the outcome open names the transaction in
//! `X-Ha-Transaction`.
//!
//! # Terms
//!
//! A request says how new the state must be: `X-Ha-Min-Position: <token>`, not before a position
//! that any node told (412 if it is one of another log, 503 if the node does not reach it in
//! time); `X-Ha-Read: strong`, everything that any node had acknowledged (503 if the log does
//! not answer). Both exist as query parameters, `min_position` and `read`. Under
//! `Idempotency-Key` the writes of a request happen once, on whichever nodes it is repeated; a
//! repetition is answered with the first time's position and counts, without rows, and the same
//! key with other statements is 422.
//!
//! # Values
//!
//! INTEGER is exact, REAL is written as Go writes it, infinities are the strings
//! `"Infinity"` and `"-Infinity"`, a blob is base64, a byte that is not UTF-8 is U+FFFD. In
//! columns declared `boolean` an integer is `true` or `false`; in those declared `timestamp`,
//! `datetime` or `date` text and integers are RFC 3339 times. Text that is no time there is
//! returned unchanged (v0.0.7 made it `0001-01-01T00:00:00Z`).

mod backup;
mod body;
mod codes;
mod door;
mod failure;
mod guard;
mod json;
mod options;
mod query;
mod reply;
mod request;
mod routes;
mod server;
mod status;
mod terms;
mod timestamp;
mod wire;

pub use options::{Options, Secret};
pub use server::Http;
