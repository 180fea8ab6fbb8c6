//! On what terms statements run: what a request's head asks for beside its body.

use axum::http::HeaderName;
use axum::http::request::Parts;
use ha_core::{IdempotencyKey, ReadLevel};

use crate::failure::Failure;

const READ: HeaderName = HeaderName::from_static("x-ha-read");
const MIN_POSITION: HeaderName = HeaderName::from_static("x-ha-min-position");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How new the state must be, and under which key writes happen once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Terms {
    pub(crate) reads: ReadLevel,
    pub(crate) key: Option<IdempotencyKey>,
}

impl Terms {
    /// The terms of a request; a header counts before the query parameter of the same meaning.
    pub(crate) fn of(head: &Parts) -> Result<Self, Failure> {
        let strong = match wish(head, &READ, "read")? {
            None | Some("local") => false,
            Some("strong") => true,
            Some(other) => {
                let text = format!("read level {other:?}: local or strong is expected");
                return Err(Failure::Malformed(text));
            }
        };
        let token = wish(head, &MIN_POSITION, "min_position")?;
        let min_position = token.map(str::parse).transpose().map_err(malformed)?;
        let key = header(head, &KEY)?.map(IdempotencyKey::new).transpose().map_err(malformed)?;
        Ok(Self { reads: ReadLevel { min_position, strong }, key })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(error: ha_core::Error) -> Failure {
    Failure::Malformed(error.to_string())
}

fn wish<'a>(
    head: &'a Parts,
    name: &HeaderName,
    parameter: &str,
) -> Result<Option<&'a str>, Failure> {
    Ok(header(head, name)?.or_else(|| query(head, parameter)))
}

fn header<'a>(head: &'a Parts, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut values = head.headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map(str::trim));
    match (value.transpose(), values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Failure::Malformed(format!("{name}: one value of printable ASCII is expected"))),
    }
}

/// A parameter of the URL. Its values have no characters that need an escape.
fn query<'a>(head: &'a Parts, parameter: &str) -> Option<&'a str> {
    let pairs = head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == parameter).map(|(_, value)| value).next()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const TOKEN: &str = "00000000000000aa-7.1";

    fn terms(uri: &str, headers: &[(&str, &str)]) -> Result<Terms, Failure> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Terms::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn headers_and_parameters_say_the_same() {
        let (token, strong) = (Some(TOKEN.parse().unwrap()), true);
        let both = ReadLevel { min_position: token, strong };
        let headers = [("x-ha-read", "strong"), ("X-Ha-Min-Position", TOKEN)];
        assert_eq!(terms("/", &headers).unwrap().reads, both);
        let uri = format!("/v1/query?x&read=strong&min_position={TOKEN}");
        assert_eq!(terms(&uri, &[]).unwrap().reads, both);
        assert_eq!(terms("/?read=strong", &[("x-ha-read", "local")]).unwrap(), Terms::default());
        assert_eq!(terms("/?y=1", &[]).unwrap(), Terms::default());
    }

    #[test]
    fn a_key_is_taken_as_it_stands() {
        let key = terms("/", &[("Idempotency-Key", "\"a b\"")]).unwrap().key.unwrap();
        assert_eq!(key.as_str(), "\"a b\"");
    }

    #[test]
    fn what_makes_no_sense_is_malformed() {
        for (uri, headers) in [
            ("/?read=session", &[][..]),
            ("/?min_position=7", &[]),
            ("/", &[("x-ha-read", "STRONG")]),
            ("/", &[("idempotency-key", "")]),
            ("/", &[("idempotency-key", "a"), ("idempotency-key", "b")]),
        ] {
            let refused = terms(uri, headers);
            assert!(matches!(refused, Err(Failure::Malformed(_))), "{uri} {headers:?}");
        }
    }
}
