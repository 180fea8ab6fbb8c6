//! Who may send requests.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Failure, Style};
use crate::options::Options;
use crate::routes::App;

/// Lets a request through, or answers why not.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match check(&app.options, &head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(failure) => failure.into_response(Style::of(head.uri.path())),
    }
}

/// Probes are open. Every other request needs the credentials where there are some. Where
/// there are none, a page that a browser of this machine shows could reach the node under a
/// name of its own (DNS rebinding), so only names that are known are served. A page of
/// another origin is refused in any case.
fn check(options: &Options, request: &Parts) -> Result<(), Failure> {
    let is_read = request.method == Method::GET || request.method == Method::HEAD;
    if is_read && matches!(request.uri.path(), "/healthz" | "/readyz") {
        return Ok(());
    }
    check_origin(options, request)?;
    if options.token.is_some() {
        check_credentials(options, request)
    } else {
        check_host(options, request)
    }
}

fn check_credentials(options: &Options, request: &Parts) -> Result<(), Failure> {
    let sent = header(&request.headers, &AUTHORIZATION).and_then(|value| value.split_once(' '));
    let accepted = sent.is_some_and(|(scheme, credentials)| {
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        (is("bearer") && is_token(options, credentials.trim()))
            || (is("basic") && is_user(options, credentials.trim()))
    });
    let challenge = match options.basic {
        Some(_) => "Bearer realm=\"ha\", Basic realm=\"ha\"",
        None => "Bearer realm=\"ha\"",
    };
    if accepted { Ok(()) } else { Err(Failure::Unauthorized(challenge)) }
}

fn is_token(options: &Options, credentials: &str) -> bool {
    options.token.as_ref().is_some_and(|token| token.is(credentials))
}

fn is_user(options: &Options, credentials: &str) -> bool {
    let Some((user, password)) = &options.basic else { return false };
    let decoded = STANDARD.decode(credentials).ok().and_then(|text| String::from_utf8(text).ok());
    let pair = decoded.as_deref().and_then(|pair| pair.split_once(':'));
    pair.is_some_and(|(name, secret)| password.is(secret) & (name == user))
}

fn check_host(options: &Options, request: &Parts) -> Result<(), Failure> {
    let target = request.uri.authority().map(Authority::as_str).into_iter();
    for name in target.chain(values(&request.headers, &HOST)) {
        if !is_known(options, host(name)) {
            return Err(forbidden(&format!("the host {name:?} is not known here"), host(name)));
        }
    }
    Ok(())
}

fn check_origin(options: &Options, request: &Parts) -> Result<(), Failure> {
    for origin in values(&request.headers, &ORIGIN) {
        let uri = origin.parse::<Uri>().unwrap_or_default();
        let authority = uri.authority().map_or("", Authority::as_str);
        let default_port = if uri.scheme_str() == Some("https") { ":443" } else { ":80" };
        let is_same = values(&request.headers, &HOST).any(|host| {
            let bare =
                |name: &str| name.strip_suffix(default_port).unwrap_or(name).to_ascii_lowercase();
            !authority.is_empty() && bare(host) == bare(authority)
        });
        if !is_same && !is_extra(options, host(authority)) {
            return Err(forbidden(
                &format!("the origin {origin:?} is another site"),
                host(authority),
            ));
        }
    }
    Ok(())
}

fn forbidden(what: &str, name: &str) -> Failure {
    Failure::Forbidden(format!("{what}; --http-allow-host {name} lets it in"))
}

fn is_known(options: &Options, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || is_extra(options, name)
}

fn is_extra(options: &Options, name: &str) -> bool {
    options.extra_hosts.iter().any(|extra| extra == "*" || extra.eq_ignore_ascii_case(name))
}

/// The name in `name:port`; an IPv6 address keeps its brackets.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// A value that is no ASCII counts as a name that nobody knows.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn asked(options: &Options, headers: &[(&str, &str)]) -> Result<(), u16> {
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(options, &head)
            .map_err(|failure| failure.into_response(Style::Plain).status().as_u16())
    }

    #[test]
    fn a_foreign_name_is_refused_unless_it_is_allowed() {
        let mut options = Options::default();
        for host in
            ["localhost:8080", "LOCALHOST", "a.localhost.", "127.0.0.1:1", "[::1]:8080", "10.0.0.7"]
        {
            assert_eq!(asked(&options, &[("host", host)]), Ok(()), "{host}");
        }
        for host in
            ["evil.example:8080", "localhost.evil.example", "", "127.0.0.1.evil.example", "ha1"]
        {
            assert_eq!(asked(&options, &[("host", host)]), Err(403), "{host}");
        }
        options.extra_hosts = vec!["db.example".to_owned()];
        assert_eq!(asked(&options, &[("host", "DB.example:8080")]), Ok(()));
        assert_eq!(asked(&options, &[("host", "evil.example")]), Err(403));
        options.extra_hosts = vec!["*".to_owned()];
        assert_eq!(asked(&options, &[("host", "evil.example")]), Ok(()));
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let mut options = Options::default();
        let from = |options: &Options, origin| {
            asked(options, &[("host", "localhost:80"), ("origin", origin)])
        };
        assert_eq!(from(&options, "http://localhost"), Ok(()));
        assert_eq!(from(&options, "http://LOCALHOST:80"), Ok(()));
        for origin in
            ["http://localhost:3000", "http://evil.example", "null", "", "https://localhost"]
        {
            assert_eq!(from(&options, origin), Err(403), "{origin}");
        }
        options.extra_hosts = vec!["evil.example".to_owned()];
        assert_eq!(from(&options, "http://evil.example"), Ok(()));
    }

    #[test]
    fn credentials_are_asked_for_where_there_are_some() {
        let token = Some(Secret::new("t0ken"));
        let basic = Some(("ha".to_owned(), Secret::new("pass:word")));
        let options = Options { token, basic, ..Options::default() };
        let with =
            |value: &str| asked(&options, &[("host", "any.example"), ("authorization", value)]);
        assert_eq!(with("Bearer t0ken"), Ok(()));
        assert_eq!(with("bearer  t0ken"), Ok(()));
        assert_eq!(with(&format!("Basic {}", STANDARD.encode("ha:pass:word"))), Ok(()));
        for wrong in [
            "",
            "Bearer",
            "Bearer t0ke",
            "Basic t0ken",
            "t0ken",
            "Basic !",
            &format!("Basic {}", STANDARD.encode("he:pass:word")),
            &format!("Basic {}", STANDARD.encode("ha:password")),
            &format!("Bearer {}", STANDARD.encode("ha:pass:word")),
        ] {
            assert_eq!(with(wrong), Err(401), "{wrong}");
        }
        assert_eq!(asked(&options, &[]), Err(401));
        let foreign = [("authorization", "Bearer t0ken"), ("host", "a"), ("origin", "http://b")];
        assert_eq!(asked(&options, &foreign), Err(403));
    }

    #[test]
    fn a_user_alone_asks_for_nothing() {
        let basic = Some(("ha".to_owned(), Secret::new("ha")));
        let options = Options { basic, ..Options::default() };
        assert_eq!(asked(&options, &[("host", "localhost")]), Ok(()));
    }
}
