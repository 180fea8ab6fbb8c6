//! Plugins in a node: libraries that are loaded, named, told something and served, and every way
//! in which that goes wrong.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;
use support::node::run_to_end;
use support::{Node, PATIENCE, home};

/// A plugin with a transport in memory and a front-end that takes a statement a line.
static TESTING: LazyLock<PathBuf> = LazyLock::new(|| ha_conformance::library("ha-testing-plugin"));

const ALONE: [&str; 6] = ["-m", "--port", "0", "--pg-port", "any", "--nats-port=0"];
const SERVED: [&str; 4] = ["--frontend", "http,pg,testing", "--set", "testing.port=0"];

fn testing() -> &'static str {
    TESTING.to_str().unwrap()
}

/// The line that a start with these arguments and the testing plugin is refused with, and the
/// exit code. Nothing was changed.
fn fails(args: &[&str]) -> (i32, String) {
    let home = home();
    let (code, out, err) =
        run_to_end(home.path(), &[&["--plugin", testing()], &ALONE[1..], args].concat());
    assert_eq!(out, "", "{args:?}: {err}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{args:?} leaves something");
    (code, err.lines().last().unwrap_or_default().to_owned())
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
    assert!(cc.status().unwrap().success());
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
    node.wait_log("the transport testing panicked, so the node ends: ");
    assert_eq!(node.terminate().code(), Some(1));
    let early = ["--transport=testing", "--set=testing.log=c", "--set=testing.panic=subscribe"];
    let (code, line) = fails(&[&["-m"], &early[..]].concat());
    assert!(code == 1 && line.contains("subscribe was told to panic"), "{line}");
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
fn wrong_names_are_one_line_that_tells_which_there_are() {
    let plugin = ["-m", "--plugin", testing()];
    for (args, parts) in [
        (&["--frontend", "http,gopher"][..], &["\"gopher\"", "http, pg, testing"][..]),
        (&["--transport", "pigeon"], &["\"pigeon\"", "embedded, jetstream, local, testing"]),
        (&["--set", "testing.port=1"], &["testing.port: ", "not used", "--frontend testing"]),
        (&["--set", "other.port=1"], &["other.port: ", "\"other\"", "there are testing"]),
        (&["--set", "pg.port=1"], &["pg.port: ", "built in"]),
        (&["--set", "hunter2"], &["--set: expected NAME.KEY=VALUE"]),
        (&["--plugin-dir", "/nonexistent"], &["/nonexistent", "No such file"]),
        (&["--plugin", "/nonexistent.so"], &["/nonexistent.so", "No such file"]),
    ] {
        let line = refused(&[&plugin, args].concat());
        assert!(parts.iter().all(|part| line.contains(part)), "{args:?}: {line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    let line = refused(&["--frontend", "http,gopher"]);
    assert!(line.contains("http, pg") && line.contains("--plugin FILE"), "{line}");
}

#[test]
fn what_is_no_plugin_of_this_version_is_refused_with_the_cause() {
    const ENTRY: &str = "HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out)";
    let named = |name: &str| {
        format!(
            "{ENTRY} {{ (void)host; out->major = HA_MAJOR; \
             out->name.ptr = (const uint8_t *)\"{name}\"; out->name.len = {}; return HA_OK; }}",
            name.len()
        )
    };
    for (code, part) in [
        ("int nothing;".to_owned(), "no symbol ha_plugin_v1".to_owned()),
        (format!("{ENTRY} {{ out->major = 2; return HA_ABI; }}"), "version 2.0".into()),
        (named("http"), "\"http\", which is the name of a built-in part".into()),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let library = compiled(directory.path(), &code);
        let line = refused(&["-m", "--plugin", &library]);
        assert!(line.contains(&library) && line.contains(&part), "{line}");
    }
}

#[test]
fn a_file_that_is_no_library_and_one_that_others_can_write_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("libtext.so");
    std::fs::write(&text, "no library").unwrap();
    let text = text.to_str().unwrap();
    let line = refused(&["-m", "--plugin", text]);
    assert!(line.contains(text) && line.contains("not a library"), "{line}");

    let copy = directory.path().join("libcopy.so");
    std::fs::copy(&*TESTING, &copy).unwrap();
    let path = copy.to_str().unwrap();
    let line = refused(&["-m", "--plugin", testing(), "--plugin", path]);
    assert!(line.contains(path) && line.contains("both called \"testing\""), "{line}");
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o777)).unwrap();
    let line = refused(&["-m", "--plugin", path]);
    assert!(line.contains(path) && line.contains("chmod o-w"), "{line}");
}

#[test]
fn what_does_not_open_is_named_and_nothing_is_changed() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("testing.port={}", taken.local_addr().unwrap().port());
    let frontend = ["--frontend", "http,pg,testing", "--set"];
    let transport = ["-m", "--transport=testing", "--set"];
    for (args, parts) in [
        ([&frontend[..], &["testing.prot=0"]].concat(), ["testing.prot: ", "there are: port"]),
        ([&frontend[..], &["testing.port=x"]].concat(), ["testing.port: ", "\"x\""]),
        ([&frontend[..], &[&port]].concat(), ["open the front-end testing: ", "in use"]),
        ([&transport[..], &["testing.panic=x"]].concat(), ["testing.log: ", "has to be set"]),
        ([&transport[..], &["testing.log=unreachable"]].concat(), ["testing", "nobody answers"]),
        (
            [&transport[..], &["testing.log=d", "--set=testing.panic=open"]].concat(),
            ["open the transport testing: ", "told to panic"],
        ),
    ] {
        let (code, line) = fails(&args);
        assert_eq!(code, 1, "{line}");
        assert!(line.contains("ERROR"), "{line}");
        assert!(parts.iter().all(|part| line.contains(part)), "{args:?}: {line}");
    }
}

#[test]
fn plugins_are_listed_with_what_keeps_others_from_being_loaded() {
    let home = home();
    let (code, out, err) = run_to_end(home.path(), &["plugins", "--plugin", testing()]);
    assert_eq!((code, err.as_str()), (0, ""));
    let cells: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(cells[..5], ["testing", version, cells[2], "transport,", "front-end"], "{out}");
    assert!(cells[2].starts_with("1.") && cells[5] == testing(), "{out}");

    let both = format!("{},/nonexistent.so", testing());
    let (code, out, err) = run_to_end(home.path(), &["plugins", "--plugins", &both]);
    assert!(code == 1 && out.contains("testing") && err.contains("/nonexistent.so"), "{out}{err}");
    assert!(refused(&["plugins"]).contains("--plugin FILE"));
}
