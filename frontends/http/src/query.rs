//! Running statements.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Response};
use ha_core::{Batch, Error, ResultSet, SessionOptions, Token};
use tokio::task;

use crate::failure::Failure;
use crate::routes::App;
use crate::terms::Terms;
use crate::{body, reply, request};

/// Carries the position that was read or made.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("x-ha-position");

/// Work on more bytes than this is not done between other clients' requests.
const SHORT_WORK: usize = 256 << 10;

/// Runs the statements of a body as one transaction. Dropping the future, which is what the
/// server does when the client is gone, interrupts it.
pub(crate) async fn execute(app: &App, request: Request) -> Result<Response<Body>, Failure> {
    let options = &app.options;
    let (head, body) = request.into_parts();
    let terms = Terms::of(&head)?;
    let request = Request::from_parts(head, body);
    let body = body::read(request, options.body_limit, options.read_timeout).await?;
    let statements = work(body.len(), move || request::decode(&body)).await??;
    if statements.is_empty() {
        return Ok(with_position(json(reply::encode(&[])), app.engine.status().position));
    }
    check_count(statements.len(), options.limits.rows)?;
    let mut session = app.engine.session(SessionOptions::default()).await?;
    let Terms { reads, key } = terms;
    let reply = session.run(Batch { statements, limits: options.limits, reads, key }).await?;
    drop(session);
    let encoded = work(size(&reply.results), move || reply::encode(&reply.results)).await?;
    Ok(with_position(json(encoded), reply.position))
}

/// A reply with a body of JSON.
pub(crate) fn json(body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The reply with a position in its head.
pub(crate) fn with_position(mut response: Response<Body>, position: Token) -> Response<Body> {
    if let Ok(value) = HeaderValue::try_from(position.to_string()) {
        response.headers_mut().insert(POSITION, value);
    }
    response
}

/// Every statement gives at least a row of its reply.
fn check_count(count: usize, limit: Option<usize>) -> Result<(), Error> {
    match limit.filter(|limit| count > *limit) {
        None => Ok(()),
        Some(limit) => Err(Error::TooLarge {
            what: format!("the number of statements, {count},"),
            limit: limit as u64,
            hint: "--max-rows raises it".to_owned(),
        }),
    }
}

/// Does work on `bytes` bytes where it keeps nobody waiting.
async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if bytes <= SHORT_WORK {
        return Ok(work());
    }
    // The only other error is that the runtime is shutting down.
    task::spawn_blocking(work).await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::Closed,
    })
}

fn size(results: &[ResultSet]) -> usize {
    results.iter().flat_map(|result| result.rows.iter().flatten()).map(ha_core::Value::size).sum()
}
