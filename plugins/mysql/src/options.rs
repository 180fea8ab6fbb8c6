use std::fmt::{self, Debug};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ha_core::{Limits, Result, Settings};

/// The names of all settings.
const KNOWN: &[&str] = &[
    "host",
    "idle_timeout_ms",
    "insecure",
    "max_connections",
    "password",
    "port",
    "statement_timeout_ms",
    "user",
];

/// How the front-end listens, whom it lets in and what a client may use.
#[derive(Clone)]
pub struct Options {
    /// Where it listens.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The only user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// More connections than these are refused with error 1040.
    pub max_connections: usize,
    /// The time from the first byte to a successful login.
    pub login_timeout: Duration,
    /// How long a statement may run; `None` is no limit.
    pub statement_timeout: Option<Duration>,
    /// How long a client that has logged in may send nothing; it is disconnected with error 4031
    /// then. The session's `wait_timeout` begins with it, in seconds. `None` is no limit.
    pub idle_timeout: Option<Duration>,
    /// Packets of clients above this size are refused with error 1153.
    pub max_packet_bytes: usize,
    /// Bytes of the results of one statement.
    pub max_result_bytes: Option<usize>,
    /// How long running statements may take when the node stops.
    pub stop_timeout: Duration,
}

impl Options {
    /// Reads settings; what is not set has its default.
    ///
    /// # Errors
    /// [`ha_core::Error::Config`] for a setting that is wrong or unknown, and for a host that
    /// others can reach without a password of the user's own, unless `insecure` is `true`.
    pub fn read(mut settings: Settings) -> Result<Self> {
        let defaults = Self::default();
        let password = settings.take("password");
        let insecure = settings.parse::<bool>("insecure")?.unwrap_or(false);
        let options = Self {
            host: settings.parse("host")?.unwrap_or(defaults.host),
            port: settings.parse("port")?.unwrap_or(defaults.port),
            user: settings.take("user").unwrap_or(defaults.user),
            max_connections: settings.parse("max_connections")?.unwrap_or(defaults.max_connections),
            statement_timeout: limit(&mut settings, "statement_timeout_ms")?
                .unwrap_or(defaults.statement_timeout),
            idle_timeout: limit(&mut settings, "idle_timeout_ms")?.unwrap_or(defaults.idle_timeout),
            password: password.clone().unwrap_or(defaults.password),
            ..Self::default()
        };
        let open = !options.host.to_canonical().is_loopback();
        if open && password.is_none_or(|password| password.is_empty()) && !insecure {
            let reason = "others could log in without credentials of your own: set it, listen on \
                          127.0.0.1, or allow it with insecure = true";
            return Err(settings.wrong("password", reason));
        }
        settings.finish(KNOWN)?;
        Ok(options)
    }

    /// The limits of a statement.
    pub(crate) fn limits(&self) -> Limits {
        Limits { time: self.statement_timeout, rows: None, bytes: self.max_result_bytes }
    }
}

/// A time in milliseconds, if it is set; 0 is no limit.
fn limit(settings: &mut Settings, key: &str) -> Result<Option<Option<Duration>>> {
    let given = settings.parse::<u64>(key)?.map(Duration::from_millis);
    Ok(given.map(|time| Some(time).filter(|time| !time.is_zero())))
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 3306,
            user: "ha".into(),
            password: "ha".into(),
            max_connections: 200,
            login_timeout: Duration::from_secs(60),
            statement_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_hours(8)),
            max_packet_bytes: 64 << 20,
            max_result_bytes: Some(256 << 20),
            stop_timeout: Duration::from_secs(15),
        }
    }
}

impl Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &"…")
            .field("max_connections", &self.max_connections)
            .field("statement_timeout", &self.statement_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Options> {
        let empty = Settings::new("mysql");
        Options::read(settings.iter().fold(empty, |all, (key, value)| all.with(*key, *value)))
    }

    #[test]
    fn a_host_that_others_reach_needs_a_password_of_its_own() {
        let error = read(&[("host", "0.0.0.0")]).unwrap_err().to_string();
        assert!(error.starts_with("mysql.password: "), "{error}");
        assert!(read(&[("host", "0.0.0.0"), ("password", "")]).is_err());
        assert!(read(&[("host", "0.0.0.0"), ("password", "own")]).is_ok());
        assert!(read(&[("host", "::"), ("insecure", "true")]).is_ok());
        assert_eq!(read(&[]).unwrap().port, 3306);
    }

    #[test]
    fn times_have_defaults_and_0_is_no_limit() {
        let times = |options: Options| (options.statement_timeout, options.idle_timeout);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(times(read(&[]).unwrap()), (seconds(30), seconds(28_800)));
        let none = [("statement_timeout_ms", "0"), ("idle_timeout_ms", "0")];
        assert_eq!(times(read(&none).unwrap()), (None, None));
        let given = [("statement_timeout_ms", "1000"), ("idle_timeout_ms", "2000")];
        assert_eq!(times(read(&given).unwrap()), (seconds(1), seconds(2)));
        assert!(read(&[("idle_timeout_ms", "soon")]).is_err());
    }

    #[test]
    fn unknown_settings_are_errors_and_the_password_is_never_printed() {
        let error = read(&[("prot", "1")]).unwrap_err().to_string();
        assert!(error.starts_with("mysql.prot: there is no such setting"), "{error}");
        let options = read(&[("password", "secret-word")]).unwrap();
        assert!(!format!("{options:?}").contains("secret-word"));
    }
}
