//! Clients that ask for too much, send garbage or leave, and a disk that is full: each time
//! the node goes on, and the next good request works.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use support::report::outcome;
use support::tools::{curl, psql};
use support::{Node, PATIENCE, home, http, until};

const ENDLESS: &str =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

/// A read and a write over both front-ends, and a new connection to the NATS server.
fn still_works(node: &Node) {
    node.run(&["CREATE TABLE IF NOT EXISTS good(a)", "INSERT INTO good VALUES(1)"]);
    let printed =
        psql(node, &["-Atc", "INSERT INTO good VALUES(2); SELECT count(*) > 1 FROM good"]);
    assert!(printed.success && printed.out.starts_with("INSERT 0 1\n"), "{printed:?}");
    let mut server = connect(node.url().trim_start_matches("nats://").parse().unwrap());
    let mut hello = [0; 5];
    server.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"INFO ");
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What the other side sends until it closes the connection, which it must do.
fn reply_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let mut reply = Vec::new();
    // The other side may close before everything is sent, and reset then.
    let _ = stream.write_all(bytes);
    match stream.read_to_end(&mut reply) {
        Ok(_) => reply,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => reply,
        Err(error) => panic!("the connection is left open: {error}"),
    }
}

#[test]
fn endless_statements_end() {
    let home = home();
    let node = Node::start(home.path(), &["-m", "--statement-timeout", "300ms"]);
    node.run(&["CREATE TABLE t(a)"]);
    for sql in [ENDLESS.to_owned(), format!("INSERT INTO t {ENDLESS}")] {
        let answer = node.query(&sql);
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(answer.body.contains("statement timeout"), "{answer:?}");
        let printed = psql(&node, &["-v", "VERBOSITY=sqlstate", "-c", &sql]);
        assert_eq!(printed.err.trim(), "ERROR:  57014");
        still_works(&node);
    }
    assert_eq!(node.select("SELECT count(*) FROM t"), "[[0]]");
}

#[test]
fn statements_of_clients_that_leave_end() {
    let home = home();
    let node =
        Node::start(home.path(), &["-m", "--statement-timeout", "0", "--concurrent-queries", "1"]);
    node.run(&["CREATE TABLE t(a)"]);
    for sql in [ENDLESS.to_owned(), format!("INSERT INTO t {ENDLESS}")] {
        let body = json!([{ "sql": sql }]).to_string();
        let mut stream = connect(node.http);
        let head = http::head(node.http, "POST", "/v1/query", &[], body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        drop(stream);
        still_works(&node);
    }
}

#[test]
fn large_bodies_are_refused() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let file = home.path().join("large");
    fs::File::create(&file).unwrap().set_len(100 << 20).unwrap();
    let url = format!("http://{}/v1/query", node.http);
    for chunked in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let upload = ["-o", "reply", "-w", "%{http_code}", "-X", "POST", "-T", "large", &url];
        let sent = curl(home.path(), &[&upload[..], chunked].concat());
        assert_eq!(sent.out, "413", "{chunked:?}: {sent:?}");
        let reply = fs::read_to_string(home.path().join("reply")).unwrap();
        assert!(reply.contains("--max-body"), "{reply}");
        still_works(&node);
    }
}

#[test]
fn large_results_are_refused() {
    let home = home();
    let limits = ["--max-rows", "1000", "--max-result-bytes", "1MiB"];
    let node = Node::start(home.path(), &[&["-m"], &limits[..]].concat());
    let rows = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
    for (sql, flag) in [
        (rows.to_owned(), "--max-rows"),
        (format!("{rows} LIMIT 1001"), "--max-rows"),
        ("SELECT zeroblob(2000000)".to_owned(), "--max-result-bytes"),
    ] {
        let answer = node.query(&sql);
        assert_eq!(answer.status, 413, "{sql}: {answer:?}");
        assert!(answer.body.contains(flag), "{sql}: {answer:?}");
        still_works(&node);
    }
    assert_eq!(node.run(&[&format!("{rows} LIMIT 1000")]).len(), 1000);
}

#[test]
fn malformed_bodies_are_refused() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let deep = "[".repeat(1_000_000);
    let deep_params = format!(r#"[{{"sql":"SELECT 1","params":{{"a":{}"#, "[".repeat(100_000));
    let bodies: [&[u8]; 8] = [
        b"",
        b"\xff\xfe",
        b"[{\"sql\":\"SELECT '\xc3(' \"}]",
        br#"[{"sql":"SELECT 1""#,
        br#"[{"sql":"SELECT 1\ud800"}]"#,
        br#"[{"sql":"SELECT :a","params":{"a":1e999999}}]"#,
        deep.as_bytes(),
        deep_params.as_bytes(),
    ];
    for body in bodies {
        let answer = node.post("/v1/query", body).unwrap();
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer.status, 400, "{start}: {answer:?}");
    }
    let nul = node.post("/v1/query", br#"[{"sql":"SELECT 1\u0000; DROP TABLE good"}]"#).unwrap();
    assert!([200, 400].contains(&nul.status), "{nul:?}");
    let nested = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(node.query(&nested).status, 400);
    still_works(&node);
}

#[test]
fn garbage_on_any_port_harms_nobody() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let nats = node.url().trim_start_matches("nats://").parse().unwrap();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for address in [node.http, node.pg, nats] {
        reply_to(address, &noise);
        reply_to(address, b"\r\n\r\n\0\0\0\0 GET / HTTP/9.9\r\n\r\n");
        // A client of another protocol each time.
        drop(connect(address));
        still_works(&node);
    }
    let long_head = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    let reply = reply_to(node.http, &long_head);
    assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 431"), "{reply:?}");
    still_works(&node);
}

#[test]
fn lengths_that_lie_are_refused() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    let startup = [0, 3, 0, 0].into_iter().chain(*b"user\0ha\0\0").collect::<Vec<u8>>();
    let with_length = |length: u32| [&length.to_be_bytes()[..], &startup].concat();
    let honest = with_length(4 + startup.len() as u32);
    for length in [0x7fff_ffff_u32, 0xffff_ffff, 0, 3, 1 << 30] {
        let password = [&honest[..], b"p", &length.to_be_bytes()].concat();
        for bytes in [with_length(length), password] {
            let reply = reply_to(node.pg, &bytes);
            assert!(!reply.windows(5).any(|five| five == b"Z\0\0\0\x05"), "it is let in");
        }
        still_works(&node);
    }
}

/// A file system of its own, unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nothing can be mounted.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at);
        mount.status().is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_under_the_database_is_an_error_that_passes() {
    full_disk(["disk/ha.db", "nats"]);
}

#[test]
fn a_full_disk_under_the_log_is_an_error_that_passes() {
    full_disk(["ha.db", "disk/nats"]);
}

/// Fills the disk that the database or the log is on, and makes room again.
#[allow(clippy::print_stderr, reason = "it tells that nothing was tested")]
fn full_disk([database, log]: [&str; 2]) {
    let home = home();
    let Some(disk) = SmallDisk::mount(home.path().join("disk"), "16m") else {
        eprintln!("not tested: a small file system cannot be mounted here");
        return;
    };
    let timeout = ["--replication-timeout", "2s"];
    let start = [&[database, "--nats-store-dir", log], &timeout[..]].concat();
    let node = Node::start(home.path(), &start);
    node.run(&["CREATE TABLE t(a)", "INSERT INTO t VALUES('before')"]);
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 12 << 20]).unwrap();
    let mut answers = Vec::new();
    let mut insert = |node: &Node| {
        let answer = node.query("INSERT INTO t VALUES(randomblob(500000))");
        let status = answer.status;
        answers.push(answer);
        status
    };
    let full = until("the disk is full", || Some(insert(&node)).filter(|status| *status != 200));
    assert!([400, 503, 504, 507].contains(&full), "{full}");
    let reads = node.query("SELECT a FROM t WHERE typeof(a) = 'text'");
    assert_eq!(reads.rows(0), [["before"]]);
    fs::remove_file(&ballast).unwrap();
    until("writes work again", || (insert(&node) == 200).then_some(()));
    node.wait_ready();
    still_works(&node);
    let stored = answers.iter().filter(|answer| match answer.header("x-ha-transaction") {
        Some(name) => outcome(&node, name),
        None => answer.status == 200,
    });
    let count = format!("[[{}]]", stored.count());
    assert_eq!(node.select("SELECT count(*) FROM t WHERE typeof(a) = 'blob'"), count);
}
