//! The database as a file.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Response};
use futures::stream;
use ha_core::Error;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::query::POSITION;
use crate::routes::App;

/// Streams the database; a HEAD request gets the same head and makes no snapshot.
pub(crate) async fn download(app: &App, method: Method) -> Result<Response<Body>, Failure> {
    let (position, body) = if method == Method::HEAD {
        let nothing = stream::empty::<Result<Vec<u8>, Error>>();
        (app.engine.status().position, Body::from_stream(nothing))
    } else {
        let snapshot = app.engine.snapshot().await?;
        (snapshot.position, Body::from_stream(snapshot.body))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::try_from(position.to_string()) {
        headers.insert(POSITION, value);
    }
    let name = file_name(OffsetDateTime::now_utc(), &app.options.name);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename={name}")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// As v0.0.7 names it, without quotes; a start of v0.0.7 reads the time from this name.
fn file_name(now: OffsetDateTime, name: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let plain: String = name.chars().filter(is_plain).collect();
    let (date, hour, minute, second) = (now.date(), now.hour(), now.minute(), now.second());
    format!("{date} {hour:02}:{minute:02}:{second:02}_{plain}.db")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_time_and_what_a_header_can_hold() {
        let time = OffsetDateTime::from_unix_timestamp(1_795_397_781).unwrap();
        assert_eq!(file_name(time, "ha"), "2026-11-23 01:36:21_ha.db");
        assert_eq!(file_name(time, "a/\"b\"\r\né; c"), "2026-11-23 01:36:21_abc.db");
    }
}
