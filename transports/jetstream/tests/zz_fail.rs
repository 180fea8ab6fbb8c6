mod support;
use ha_core::{AppendError, ChangeTransport, Seq};
use ha_jetstream::{JetStream, Options};
use ha_nats_embedded::Server;
use std::time::{Duration, Instant};
#[tokio::test(flavor = "multi_thread")]
async fn failover() {
    let dir = tempfile::TempDir::new().unwrap();
    let hs: Vec<_> = (0..3).map(|i| {
        let conf = dir.path().join(format!("n{i}.conf"));
        std::fs::write(&conf, format!("server_name: n{i}\nlisten: 127.0.0.1:{}\njetstream {{ store_dir: '{}', sync_interval: 60s }}\ncluster {{ name: c, listen: 127.0.0.1:{}, routes: [nats://127.0.0.1:17230, nats://127.0.0.1:17231, nats://127.0.0.1:17232] }}\n", 15230+i, dir.path().join(format!("js{i}")).display(), 17230+i)).unwrap();
        std::thread::spawn(move || Server::start(ha_nats_embedded::Options { config_file: Some(conf), ..Default::default() }).unwrap())
    }).collect();
    let servers: Vec<Server> = hs.into_iter().map(|h| h.join().unwrap()).collect();
    let urls = servers.iter().map(|s| s.client_url().to_owned()).collect::<Vec<_>>().join(",");
    let o = Options { url: urls.clone(), replicas: 3, timeout: Duration::from_secs(30), ..Options::default() };
    drop(JetStream::connect(o.clone()).await.unwrap());
    let node = JetStream::connect(Options { timeout: Duration::from_millis(1500), ..o.clone() }).await.unwrap();
    let admin = async_nats::jetstream::new(async_nats::connect(urls.split(',').map(|s| s.to_owned()).collect::<Vec<_>>()).await.unwrap());
    let leader = admin.get_stream("ha_replication").await.unwrap().cached_info().cluster.clone().unwrap().leader.unwrap();
    let idx: usize = leader[1..].parse().unwrap();
    let mut sub = node.subscribe(Seq(1)).await.unwrap();
    let reader = tokio::spawn(async move { for i in 1..=3000u64 { assert_eq!(support::next_entry(&mut sub).await.seq, Seq(i)); } });
    let (mut refused, mut unknown, mut notsent, mut worst) = (0, 0, 0, Duration::ZERO);
    let mut last = Seq(0); let mut counter = 0;
    let mut servers = servers.into_iter().map(Some).collect::<Vec<_>>();
    while last.0 < 3000 {
        if last.0 == 1000 && let Some(s) = servers[idx].take() { std::thread::spawn(move || drop(s)); }
        counter += 1;
        let d = support::draft(last.0, counter, &format!("{counter}"));
        let t = Instant::now();
        loop {
            match node.append(d.clone()).await {
                Ok(a) => { assert_eq!(a.last, last.next()); break }
                Err(AppendError::Refused { last: l }) => { refused += 1; eprintln!("refused {l:?} at {last} {:?}", node.bounds().await); }
                Err(AppendError::Unknown { reason }) => { unknown += 1; if unknown < 20 { eprintln!("unknown {reason}"); }
                    if let Ok(Some(s)) = node.read(last.next()).await { assert_eq!(s.payload, format!("{counter}")); break } }
                Err(AppendError::NotSent { reason }) => { notsent += 1; if notsent < 5 { eprintln!("notsent {reason}"); } tokio::time::sleep(Duration::from_millis(20)).await }
                Err(e) => panic!("{e}"),
            }
        }
        worst = worst.max(t.elapsed());
        last = last.next();
    }
    reader.await.unwrap();
    eprintln!("refused {refused} unknown {unknown} notsent {notsent} worst {worst:?}");
}
