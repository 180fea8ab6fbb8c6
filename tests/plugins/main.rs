//! Plugins in a node: libraries that are loaded, named, told something and served, and every way
//! in which that goes wrong.

#[path = "../support/mod.rs"]
mod support;

mod listed;
mod refused;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;
use support::node::run_to_end;
use support::{Node, PATIENCE, home};

/// A plugin with a transport in memory and a front-end that takes a statement a line.
static TESTING: LazyLock<PathBuf> = LazyLock::new(|| ha_conformance::library("ha-testing-plugin"));

const SERVED: [&str; 4] = ["--frontend", "http,pg,testing", "--set", "testing.port=0"];

fn testing() -> &'static str {
    TESTING.to_str().unwrap()
}

/// The one line that a start is refused with as wrongly used.
fn refused(args: &[&str]) -> String {
    let home = home();
    let (code, out, err) = run_to_end(home.path(), args);
    assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{args:?}: {err}");
    assert!(err.starts_with("ha: "), "{err}");
    err
}

/// A library of C code.
fn compiled(directory: &Path, code: &str) -> String {
    let (source, library) = (directory.join("plugin.c"), directory.join("libplugin.so"));
    std::fs::write(&source, format!("#include \"ha_plugin.h\"\n{code}\n")).unwrap();
    let header = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/abi/include");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-I", header, "-o"]).arg(&library).arg(&source);
    assert!(cc.status().expect("cc is installed").success());
    library.to_str().unwrap().to_owned()
}

/// A client of the plugin's front-end.
struct Lines(BufReader<TcpStream>);

impl Lines {
    fn connect(node: &Node) -> Self {
        let log = node.log();
        let address = log.split_once("testing: lines on ").unwrap().1.lines().next().unwrap();
        let stream = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// The answer to a line; empty if the connection ends.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.0.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer
    }
}

fn serves(node: &Node) {
    let mut lines = Lines::connect(node);
    let answer = lines.ask("CREATE TABLE IF NOT EXISTS t(x)");
    assert!(answer.contains("results"), "{answer}");
    lines.ask("DELETE FROM t");
    lines.ask("INSERT INTO t VALUES (7)");
    assert_eq!(node.select("SELECT x FROM t"), "[[7]]");
}

#[test]
fn a_front_end_serves_the_node_and_a_panic_in_a_request_is_that_requests_end() {
    let home = home();
    let mut node =
        Node::start(home.path(), &[&["-m", "--plugin", testing()], &SERVED[..]].concat());
    serves(&node);
    let mut lines = Lines::connect(&node);
    assert!(!lines.ask("nonsense").contains("results"));
    assert_eq!(lines.ask("panic"), "", "the connection ends");
    serves(&node);
    assert!(node.terminate().success());
}

#[test]
fn a_front_end_that_others_can_reach_is_warned_of() {
    let home = home();
    let warned = |more: &[&str]| {
        let args = [&["-m", "--plugin", testing()], &SERVED[..], more].concat();
        let mut node = Node::start(home.path(), &args);
        assert!(node.terminate().success());
        node.log().contains("testing listens on 0.0.0.0:")
    };
    assert!(warned(&["--set", "testing.public=true"]));
    assert!(!warned(&["--set", "testing.public=true", "--insecure"]) && !warned(&[]));
}

#[test]
fn a_transport_that_panics_while_it_tells_what_is_wrong_ends_the_node() {
    let home = home();
    let transport = ["-m", "--plugin", testing(), "--transport=testing", "--nats-port", "0"];
    let flaw = ["--set=testing.log=e", "--set=testing.panic=warnings"];
    let ports = ["--port", "0", "--pg-port", "any"];
    let (code, _, log) = run_to_end(home.path(), &[&transport[..], &flaw, &ports].concat());
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the transport testing panicked, so the node ends: "), "{log}");
}

#[test]
fn a_transport_carries_the_log_and_its_name_is_told() {
    let home = home();
    let args = ["-m", "--plugin", testing(), "--transport=testing", "--set", "testing.log=a"];
    let mut node = Node::start(home.path(), &[&args[..], &["--nats-port", "0"]].concat());
    node.run(&["CREATE TABLE t(x)", "INSERT INTO t VALUES (1)"]);
    assert_eq!(node.select("SELECT x FROM t"), "[[1]]");
    let name = node.get("/v1/status").json()["transport"]["name"].clone();
    assert!(node.log().contains(&format!("replication by {}", name.as_str().unwrap())), "{name}");
    assert!(node.terminate().success());
}

#[test]
fn a_transport_that_panics_ends_the_node_and_says_so() {
    let home = home();
    let transport = ["-m", "--plugin", testing(), "--transport=testing", "--nats-port", "0"];
    let flaw = ["--set=testing.log=b", "--set=testing.panic=append"];
    let mut node = Node::launch(home.path(), &[&transport[..], &flaw].concat());
    let _ = node.post("/v1/query", json!([{ "sql": "CREATE TABLE t(x)" }]).to_string());
    assert_eq!(node.wait_end().code(), Some(1));
    let log = node.log();
    assert!(log.contains("the transport testing panicked, so the node ends: "), "{log}");
}

#[test]
fn a_directory_and_a_configuration_file_name_plugins_too() {
    let (home, libraries) = (home(), tempfile::tempdir().unwrap());
    std::fs::copy(&*TESTING, libraries.path().join("libtesting.so")).unwrap();
    std::fs::write(libraries.path().join("readme.txt"), "no library").unwrap();
    let directory = libraries.path().to_str().unwrap();
    let node =
        Node::start(home.path(), &[&["-m", "--plugin-dir", directory], &SERVED[..]].concat());
    serves(&node);

    let file = home.path().join("ha.toml");
    let library = testing();
    let text =
        format!("plugins = [\"{library}\"]\nfrontend = \"http,pg,testing\"\n[testing]\nport = 0\n");
    std::fs::write(&file, text).unwrap();
    let node = Node::start(home.path(), &["-m", "-c", file.to_str().unwrap()]);
    serves(&node);
}

#[test]
fn a_transport_and_a_front_end_of_one_plugin_are_used_at_once() {
    let home = home();
    let file = home.path().join("ha.toml");
    let text = format!(
        "plugins = [\"{}\"]\ntransport = \"testing\"\nfrontend = \"http,pg,testing\"\n\
         [testing.transport]\nlog = \"both\"\n[testing.frontend]\nport = 0\n",
        testing()
    );
    std::fs::write(&file, text).unwrap();
    let mut node =
        Node::start(home.path(), &["-m", "--nats-port", "0", "-c", file.to_str().unwrap()]);
    serves(&node);
    assert!(node.terminate().success());
}

#[test]
fn a_plugin_that_hangs_while_it_opens_does_not_keep_the_node_from_ending() {
    let hangs = "#include <signal.h>\n#include <unistd.h>\n\
        static HaStatus open(HaSlice s, void *out, HaBuf *error) {\n\
            (void)s; (void)out; (void)error; kill(getpid(), SIGTERM); for (;;) pause();\n\
        }\n\
        HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out) {\n\
            (void)host; out->major = HA_MAJOR; out->name.ptr = (const uint8_t *)\"hangs\";\n\
            out->name.len = 5; out->open_transport = (void *)open;\n\
            out->open_frontend = (void *)open; return HA_OK;\n\
        }";
    let (home, directory) = (home(), tempfile::tempdir().unwrap());
    let library = compiled(directory.path(), hangs);
    for use_it in [["--transport", "hangs"], ["--frontend", "hangs"]] {
        let ports = ["-m", "--port=0", "--pg-port=any", "--nats-port=0", "--plugin", &library];
        let (code, _, log) = run_to_end(home.path(), &[&ports[..], &use_it].concat());
        assert_eq!(code, 0, "{log}");
    }
}
