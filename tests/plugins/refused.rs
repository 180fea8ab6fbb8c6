//! Starts that are refused, with a line that says why; nothing is changed then.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use super::support::home;
use super::support::node::run_to_end;
use super::{TESTING, compiled, refused, testing};

const ALONE: [&str; 6] = ["-m", "--port", "0", "--pg-port", "any", "--nats-port=0"];

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
fn a_panic_before_the_node_is_there_is_its_reason_to_end() {
    let early = ["--transport=testing", "--set=testing.log=c", "--set=testing.panic=subscribe"];
    let (code, line) = fails(&[&["-m"], &early[..]].concat());
    assert!(code == 1 && line.contains("subscribe was told to panic"), "{line}");
}
