use async_nats::jetstream::stream::Config;
use parking_lot::Mutex;

/// What of a stream's configuration must not get worse, as it was seen since the start.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<Seen>);

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    now: Settings,
    best: Settings,
}

#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    replicas: usize,
    allows_batches: bool,
}

impl Watched {
    /// Notes the configuration as it is now, and logs what became worse or well again.
    pub(crate) fn note(&self, config: &Config) {
        let before = self.warnings();
        self.0.lock().see(Settings {
            replicas: config.num_replicas,
            allows_batches: config.allow_atomic_publish,
        });
        let after = self.warnings();
        if before != after {
            match &after[..] {
                [] => tracing::info!("stream {}: its configuration is well again", config.name),
                warnings => tracing::warn!("stream {}: {}", config.name, warnings.join("; ")),
            }
        }
    }

    /// How many servers are to keep the stream.
    pub(crate) fn replicas(&self) -> usize {
        self.0.lock().now.replicas
    }

    /// Whether several servers have kept the stream at any time.
    pub(crate) fn is_replicated(&self) -> bool {
        self.0.lock().best.replicas > 1
    }

    /// What is worse now than it was.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let Seen { now, best } = *self.0.lock();
        let mut warnings = Vec::new();
        if now.replicas < best.replicas {
            let (now, best) = (now.replicas, best.replicas);
            warnings.push(format!("the stream's replicas fell from {best} to {now}"));
        }
        if best.allows_batches && !now.allows_batches {
            warnings.push("the stream takes no entries of several parts any more".to_owned());
        }
        warnings
    }
}

impl Seen {
    fn see(&mut self, now: Settings) {
        self.now = now;
        self.best.replicas = self.best.replicas.max(now.replicas);
        self.best.allows_batches |= now.allows_batches;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(num_replicas: usize, allow_atomic_publish: bool) -> Config {
        Config { num_replicas, allow_atomic_publish, ..Config::default() }
    }

    #[test]
    fn only_what_fell_is_reported_and_only_until_it_is_back() {
        let watched = Watched::default();
        watched.note(&config(1, false));
        assert!(watched.warnings().is_empty(), "it never was better");
        assert!(!watched.is_replicated());
        watched.note(&config(3, true));
        assert!(watched.warnings().is_empty());
        watched.note(&config(1, false));
        assert_eq!(watched.warnings().len(), 2);
        assert!(watched.is_replicated(), "one of them may not have heard of it");
        watched.note(&config(1, true));
        assert_eq!(watched.warnings(), ["the stream's replicas fell from 3 to 1"]);
        watched.note(&config(5, true));
        assert!(watched.warnings().is_empty());
    }
}
