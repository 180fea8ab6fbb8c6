//! Bodies of requests, as they arrive.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::EXPECT;
use bytes::{Bytes, BytesMut};
use ha_core::Error;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::failure::Failure;

/// The body of a request, of which never more than `limit` bytes are held.
///
/// What exceeds the limit is read and dropped for as long as `patience` lasts, since a client
/// that is still sending would lose the reply. One that asks before it sends is told at once.
pub(crate) async fn read(
    request: Request,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Failure> {
    let (head, mut body) = request.into_parts();
    let declared = body.size_hint().lower();
    if declared > limit as u64 && head.headers.contains_key(EXPECT) {
        return Err(too_large(limit));
    }
    match timeout(patience, collect(&mut body, limit)).await {
        Ok(collected) => collected,
        Err(_) => Err(Failure::SlowBody(patience)),
    }
}

async fn collect(body: &mut Body, limit: usize) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::new();
    let mut fits = true;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Failure::Malformed(format!("the body did not arrive as a whole: {error}"))
        })?;
        let Some(data) = frame.data_ref() else { continue };
        fits = fits && bytes.len() + data.len() <= limit;
        if fits {
            bytes.extend_from_slice(data);
        } else {
            bytes = BytesMut::new();
        }
    }
    if fits { Ok(bytes.freeze()) } else { Err(too_large(limit)) }
}

fn too_large(limit: usize) -> Failure {
    Failure::Engine(Error::TooLarge {
        what: "the body".to_owned(),
        limit: limit as u64,
        hint: "--max-body raises it".to_owned(),
    })
}
