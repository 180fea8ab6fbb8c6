//! What a server must be, and what it has less than the log deserves.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};

/// The oldest version that has all we use (`XTRIM MINID`).
const OLDEST: (u32, u32) = (6, 2);

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Server {
    info: HashMap<String, String>,
    /// `appendfsync` and `no-appendfsync-on-rewrite`; empty if we may not ask.
    config: HashMap<String, String>,
}

impl Server {
    /// Asks it.
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let info: String = cmd("INFO").query_async(connection).await?;
        let mut config = HashMap::new();
        for name in ["appendfsync", "no-appendfsync-on-rewrite"] {
            let told = cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
            match told {
                Ok(told) => config.extend::<HashMap<String, String>>(told),
                Err(error) if error.is_io_error() => return Err(error),
                // Often forbidden where somebody else runs the server.
                Err(_) => {}
            }
        }
        Ok(Self { info: parse(&info), config })
    }

    /// Why no log can be kept on it, if that is so.
    pub(crate) fn refusal(&self) -> Option<String> {
        let version = self.info("redis_version");
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let numbers = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if numbers < OLDEST {
            return Some(format!("it is version {version}, 6.2 or newer is needed"));
        }
        if self.info("cluster_enabled") == "1" {
            return Some("it is part of a Redis Cluster; a server of its own is needed".to_owned());
        }
        if self.info("role") != "master" {
            return Some("it is a replica; give the address of its master".to_owned());
        }
        let policy = self.info("maxmemory_policy");
        (self.is_bounded() && policy.starts_with("allkeys"))
            .then(|| format!("it evicts the log when its memory is full (maxmemory-policy {policy}); set noeviction"))
    }

    /// Why an acknowledged entry may be lost when its machine loses power; `None` if it may not.
    pub(crate) fn unsynced(&self) -> Option<String> {
        if self.info("aof_enabled") != "1" {
            return Some("appendonly is not yes".to_owned());
        }
        match (self.config("appendfsync"), self.config("no-appendfsync-on-rewrite")) {
            (Some("always"), Some("no")) => None,
            (Some("always"), Some(_)) => Some("no-appendfsync-on-rewrite is not no".to_owned()),
            (Some(other), _) => Some(format!("appendfsync is {other}, not always")),
            (None, _) => Some("CONFIG GET is not allowed, so appendfsync is not known".to_owned()),
        }
    }

    /// What should be looked after, in words.
    pub(crate) fn lacks(&self) -> Vec<String> {
        let unsynced = self.unsynced().map(|why| {
            format!("acknowledged writes may be lost when the machine or Redis crashes: {why}")
        });
        let policy = self.info("maxmemory_policy");
        let evicts = (policy != "noeviction").then(|| {
            format!("a full memory would delete keys: maxmemory-policy is {policy}, not noeviction")
        });
        unsynced.into_iter().chain(evicts).collect()
    }

    fn is_bounded(&self) -> bool {
        self.info("maxmemory") != "0"
    }

    fn info(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    fn config(&self, name: &str) -> Option<&str> {
        self.config.get(name).map(String::as_str)
    }
}

fn parse(info: &str) -> HashMap<String, String> {
    let pairs = info.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\naof_enabled:1\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";

    fn server(info: &str, fsync: &str, on_rewrite: &str) -> Server {
        let pairs = [("appendfsync", fsync), ("no-appendfsync-on-rewrite", on_rewrite)];
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let config = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Server { info: parse(info), config }
    }

    #[test]
    fn a_server_that_syncs_lacks_nothing() {
        let good = server(GOOD, "always", "no");
        assert_eq!((good.refusal(), good.unsynced(), good.lacks()), (None, None, Vec::new()));
    }

    #[test]
    fn what_it_lacks_is_named() {
        let without_aof = GOOD.replace("aof_enabled:1", "aof_enabled:0");
        for (info, fsync, on_rewrite, word) in [
            (&*without_aof, "always", "no", "appendonly"),
            (GOOD, "everysec", "no", "everysec"),
            (GOOD, "always", "yes", "no-appendfsync-on-rewrite"),
            (GOOD, "", "", "not allowed"),
        ] {
            let server = server(info, fsync, on_rewrite);
            assert!(server.lacks()[0].contains(word), "{:?}", server.lacks());
            assert_eq!(server.refusal(), None);
        }
        let volatile = GOOD.replace(":noeviction", ":volatile-lru");
        assert!(server(&volatile, "always", "no").lacks()[0].contains("volatile-lru"));
    }

    #[test]
    fn where_no_log_can_be_kept_it_is_refused() {
        let evicts = GOOD.replace(":noeviction", ":allkeys-lru").replace("memory:0", "memory:9");
        for (info, word) in [
            (GOOD.replace("role:master", "role:slave"), "replica"),
            (GOOD.replace("cluster_enabled:0", "cluster_enabled:1"), "Cluster"),
            (GOOD.replace("7.0.15", "6.0.16"), "6.2"),
            (evicts, "evicts"),
        ] {
            let refusal = server(&info, "always", "no").refusal().unwrap();
            assert!(refusal.contains(word), "{refusal}");
        }
    }
}
