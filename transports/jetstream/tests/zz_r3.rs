mod support;
use async_trait::async_trait;
use ha_conformance::TransportFixture;
use ha_core::ChangeTransport;
use ha_jetstream::{JetStream, Options};
use ha_nats_embedded::Server;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
struct Cluster {
    servers: Vec<Server>,
    _dir: tempfile::TempDir,
}
fn cluster() -> &'static Cluster {
    static C: OnceLock<Cluster> = OnceLock::new();
    C.get_or_init(|| {
        let dir = tempfile::TempDir::new().unwrap();
        let hs: Vec<_> = (0..3).map(|i| {
            let conf = dir.path().join(format!("n{i}.conf"));
            std::fs::write(&conf, format!("server_name: n{i}\nlisten: 127.0.0.1:{}\njetstream {{ store_dir: '{}', sync_interval: 60s }}\ncluster {{ name: c, listen: 127.0.0.1:{}, routes: [nats://127.0.0.1:16230, nats://127.0.0.1:16231, nats://127.0.0.1:16232] }}\n", 14230+i, dir.path().join(format!("js{i}")).display(), 16230+i)).unwrap();
            std::thread::spawn(move || Server::start(ha_nats_embedded::Options { config_file: Some(conf), ..Default::default() }).unwrap())
        }).collect();
        Cluster { servers: hs.into_iter().map(|h| h.join().unwrap()).collect(), _dir: dir }
    })
}
struct Fixture;
#[async_trait]
impl TransportFixture for Fixture {
    type Guard = (String, AtomicU64);
    async fn open(&self) -> (Self::Guard, Arc<dyn ChangeTransport>) {
        static N: AtomicU64 = AtomicU64::new(0);
        let g = (format!("s{}", N.fetch_add(1, Ordering::Relaxed)), AtomicU64::new(0));
        let node = self.join(&g).await;
        (g, node)
    }
    async fn join(&self, g: &Self::Guard) -> Arc<dyn ChangeTransport> {
        let c = cluster();
        let url =
            c.servers[g.1.fetch_add(1, Ordering::Relaxed) as usize % 3].client_url().to_owned();
        let o = Options {
            url,
            stream: g.0.clone(),
            replicas: 3,
            timeout: std::time::Duration::from_secs(30),
            ..Options::default()
        };
        JetStream::connect(o).await.unwrap()
    }
}
ha_conformance::transport_suite!(Fixture);
