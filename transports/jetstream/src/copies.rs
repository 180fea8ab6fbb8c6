use async_nats::jetstream::stream::ClusterInfo;
use ha_core::LogCopy;
use parking_lot::Mutex;

/// Which servers keep the stream, as its leader said last.
#[derive(Debug, Default)]
pub(crate) struct Copies(Mutex<Vec<LogCopy>>);

impl Copies {
    /// Notes what the leader says; a server without a cluster says nothing.
    pub(crate) fn note(&self, cluster: Option<&ClusterInfo>) {
        let copies = cluster.map_or_else(Vec::new, |cluster| {
            let leader = cluster.leader.iter().cloned();
            let leader = leader.map(|server| LogCopy { server, is_current: true });
            let others = cluster.replicas.iter().map(|replica| LogCopy {
                server: replica.name.clone(),
                is_current: replica.current && !replica.offline,
            });
            leader.chain(others).collect()
        });
        *self.0.lock() = copies;
    }

    pub(crate) fn known(&self) -> Vec<LogCopy> {
        self.0.lock().clone()
    }
}
