use ha_core::{Result, Settings};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

const STREAM: &str = "ha_replication";

/// What an operator sets.
pub(crate) struct Options {
    /// Where the server is and who we are there.
    pub(crate) server: ConnectionInfo,
    /// The stream's key; those of everything else begin with it.
    pub(crate) stream: String,
}

impl Options {
    /// Reads `url` and `stream`.
    pub(crate) fn read(mut settings: Settings) -> Result<Self> {
        let url = settings.require("url")?;
        let server = parse(&url).ok_or_else(|| {
            let form = "redis://[user:password@]host[:port][/db] or rediss://… is expected";
            settings.wrong("url", form)
        })?;
        let stream = settings.take("stream").unwrap_or_else(|| STREAM.to_owned());
        if stream.is_empty() {
            return Err(settings.wrong("stream", "is empty"));
        }
        settings.finish(&["url", "stream"])?;
        Ok(Self { server, stream })
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.server.addr(), ConnectionAddr::TcpTls { .. })
    }
}

/// With the newer protocol the client tells when a connection has ended.
fn parse(url: &str) -> Option<ConnectionInfo> {
    let info = url.into_connection_info().ok()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Some(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Options> {
        let start = Settings::new("redis");
        Options::read(settings.iter().fold(start, |all, (key, value)| all.with(*key, *value)))
    }

    #[test]
    fn an_address_is_enough_and_the_stream_has_a_usual_name() {
        let options = read(&[("url", "redis://ha:pw@redis.example:6380/3")]).unwrap();
        assert_eq!(options.stream, "ha_replication");
        assert_eq!(options.server.addr().to_string(), "redis.example:6380");
        assert_eq!(options.server.redis_settings().db(), 3);
        assert!(!options.is_encrypted());
        let options = read(&[("url", "rediss://redis.example"), ("stream", "s")]).unwrap();
        assert!(options.is_encrypted());
        assert_eq!(options.stream, "s");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_told() {
        let wrong = |settings: &[(&str, &str)]| read(settings).err().unwrap().to_string();
        assert_eq!(wrong(&[]), "redis.url: has to be set");
        let told = wrong(&[("url", "http://ha:secret@h")]);
        assert!(told.starts_with("redis.url: redis://") && !told.contains("secret"), "{told}");
        assert!(wrong(&[("url", "redis://h"), ("strem", "s")]).starts_with("redis.strem: "));
        assert_eq!(wrong(&[("url", "redis://h"), ("stream", "")]), "redis.stream: is empty");
    }
}
