use async_nats::{ConnectOptions, ServerAddr};
use ha_core::{Error, Result};
use percent_encoding::percent_decode_str;

use crate::Options;

/// Servers and how to log in, apart from each other, so that addresses can be shown.
#[derive(Clone)]
pub(crate) struct Address {
    /// Without credentials.
    pub(crate) servers: Vec<ServerAddr>,
    login: Option<Login>,
}

#[derive(Clone, PartialEq)]
enum Login {
    Token(String),
    User(String, String),
}

impl Address {
    /// Takes the URLs of the options apart.
    pub(crate) fn parse(options: &Options) -> Result<Self> {
        let mut servers = Vec::new();
        let mut login = None;
        for url in options.url.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            let (plain, userinfo) = split(url);
            // The text of the error would repeat the URL.
            let server = plain.parse().map_err(|_| bad_url("a server's URL cannot be read"))?;
            servers.push(server);
            let found = userinfo.map(Login::parse).transpose()?;
            if found.is_some() && login.is_some() && found != login {
                return Err(bad_url("all servers must have the same credentials"));
            }
            login = found.or(login);
        }
        if servers.is_empty() {
            return Err(bad_url("at least one server is needed"));
        }
        Ok(Self { servers, login: login.or_else(|| Login::of(options)) })
    }

    /// Adds what logs in.
    pub(crate) fn log_in(&self, options: ConnectOptions) -> ConnectOptions {
        match self.login.clone() {
            Some(Login::Token(token)) => options.token(token),
            Some(Login::User(user, password)) => options.user_and_password(user, password),
            None => options,
        }
    }

    /// The servers as text that may be shown.
    pub(crate) fn redact(urls: &str) -> String {
        urls.split(',').map(|url| split(url.trim()).0).collect::<Vec<_>>().join(",")
    }
}

impl Login {
    /// As nats clients do: a name without a password is a token.
    fn parse(userinfo: &str) -> Result<Self> {
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| bad_url("the credentials are not UTF-8"))
        };
        match userinfo.split_once(':') {
            Some((user, password)) => Ok(Self::User(decode(user)?, decode(password)?)),
            None => Ok(Self::Token(decode(userinfo)?)),
        }
    }

    fn of(options: &Options) -> Option<Self> {
        let user = options.user_password.clone().map(|(user, password)| Self::User(user, password));
        user.or_else(|| options.token.clone().map(Self::Token))
    }
}

/// The URL without credentials, and the credentials.
fn split(url: &str) -> (String, Option<&str>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    match rest.rsplit_once('@') {
        Some((userinfo, host)) => (format!("{scheme}://{host}"), Some(userinfo)),
        None => (format!("{scheme}://{rest}"), None),
    }
}

fn bad_url(reason: &str) -> Error {
    Error::config("replication-url", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address> {
        Address::parse(&Options { url: url.to_owned(), ..Options::default() })
    }

    #[test]
    fn credentials_are_taken_out_of_urls() {
        let address = parse("nats://alice:p%40ss@a:1, b:2,tls://c").unwrap();
        let shown = format!("{:?}", address.servers);
        assert_eq!(address.servers.len(), 3);
        assert!(!shown.contains("alice") && !shown.contains("p%40ss"), "{shown}");
        assert!(address.login == Some(Login::User("alice".to_owned(), "p@ss".to_owned())));
        let token = parse("secret@host").unwrap();
        assert!(token.login == Some(Login::Token("secret".to_owned())));
    }

    #[test]
    fn a_url_that_makes_no_sense_is_a_setting_error_without_secrets() {
        for url in ["", " , ", "ftp://u:secret@host", "nats://a:secret@x,nats://b:secret@y"] {
            let error = parse(url).err().unwrap();
            assert!(matches!(error, Error::Config { .. }), "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn options_do_not_show_secrets() {
        let options = Options {
            url: "nats://alice:secret@host:4222".to_owned(),
            token: Some("secret".to_owned()),
            user_password: Some(("bob".to_owned(), "secret".to_owned())),
            ..Options::default()
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("nats://host:4222") && !shown.contains("secret"), "{shown}");
    }
}
