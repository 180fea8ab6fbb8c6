//! Which path does what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::{delete, get, post};
use ha_core::{Engine, Outcome, Readiness, TransactionName};
use serde_json::json;

use crate::failure::{Failure, Style};
use crate::guard::guard;
use crate::options::Options;
use crate::{backup, query, status};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) options: Arc<Options>,
    pub(crate) engine: Arc<dyn Engine>,
}

/// Serves every path.
pub(crate) fn router(app: App) -> Router {
    let app = Arc::new(app);
    Router::new()
        .route("/", get(download).post(run))
        .route("/healthz", get(async || StatusCode::OK).post(run))
        .route("/readyz", get(ready).post(run))
        .route("/v1/query", post(run))
        .route("/v1/status", get(tell_status))
        .route("/v1/members/{name}", delete(remove_member))
        .route("/v1/outcome/{name}", get(outcome))
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

async fn run(State(app): State<Arc<App>>, request: Request) -> Response {
    let style = Style::of(request.uri().path());
    query::execute(&app, request).await.unwrap_or_else(|failure| failure.into_response(style))
}

async fn download(State(app): State<Arc<App>>, method: Method) -> Response {
    let reply = backup::download(&app, method).await;
    reply.unwrap_or_else(|failure| failure.into_response(Style::Plain))
}

/// v0.0.7 runs statements that are posted to any path.
async fn elsewhere(state: State<Arc<App>>, request: Request) -> Response {
    let style = Style::of(request.uri().path());
    let failure = match (style, request.method()) {
        (Style::Plain, &Method::POST) => return run(state, request).await,
        (Style::Plain, &Method::GET | &Method::HEAD) => {
            Failure::NotFound("there is nothing here; GET / is the backup".to_owned())
        }
        (Style::Plain, _) => Failure::Method("POST"),
        (Style::Problem, _) => Failure::NotFound(format!("no such path: {}", request.uri().path())),
    };
    failure.into_response(style)
}

async fn wrong_method(uri: Uri) -> Response {
    let allowed = match uri.path() {
        "/v1/query" => "POST",
        path if path.starts_with("/v1/members/") => "DELETE",
        path if path.starts_with("/v1/") => "GET, HEAD",
        _ => "GET, HEAD, POST",
    };
    Failure::Method(allowed).into_response(Style::of(uri.path()))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let status = app.engine.status();
    let body = status::readiness(&status);
    let mut response = query::json(format!("{body}\n").into_bytes());
    if status.readiness != Readiness::Ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    query::with_position(response, status.position)
}

async fn tell_status(State(app): State<Arc<App>>) -> Response {
    let health = app.engine.health().await;
    let body = status::health(&health);
    let response = query::json(format!("{body}\n").into_bytes());
    query::with_position(response, health.status.position)
}

async fn remove_member(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    match app.engine.remove_member(&name).await {
        Ok(()) => query::json(format!("{}\n", json!({ "removed": name })).into_bytes()),
        Err(error) => Failure::from(error).into_response(Style::Problem),
    }
}

async fn outcome(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    tell_outcome(&app, &name).await.unwrap_or_else(|failure| failure.into_response(Style::Problem))
}

async fn tell_outcome(app: &App, name: &str) -> Result<Response, Failure> {
    let name: TransactionName = name.parse()?;
    let (text, position) = match app.engine.outcome(&name).await? {
        Outcome::Committed(position) => ("committed", Some(position)),
        Outcome::NotCommitted => ("not_committed", None),
        Outcome::Unknown => ("unknown", None),
        Outcome::Forgotten => ("forgotten", None),
    };
    let body = json!({
        "transaction": name.to_string(),
        "outcome": text,
        "position": position.map(|position| position.to_string()),
    });
    let response = query::json(format!("{body}\n").into_bytes());
    Ok(match position {
        Some(position) => query::with_position(response, position),
        None => response,
    })
}
