//! How a start fails: the exit code, and one line that says what to do.

mod support;

use std::net::TcpListener;

use support::home;
use support::node::run_to_end;

/// The line that a start with these arguments is refused with.
fn refused(args: &[&str]) -> String {
    let home = home();
    let (code, out, err) = run_to_end(home.path(), args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{args:?}: {err}");
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "{args:?} has left something behind");
    err
}

#[test]
fn usage_errors_are_one_line_and_exit_code_2() {
    for (args, part) in [
        (&["--bogus"][..], "--bogus"),
        (&["--prot", "1"], "did you mean --port?"),
        (&["--port", "abc"], "--port"),
        (&["--port", "70000"], "--port"),
        (&["--replication-timeout", "soon"], "--replication-timeout"),
        (&["--replication-policy", "bogus"], "--replication-policy"),
        (&["--config", "/nonexistent.cfg"], "/nonexistent.cfg"),
        (&["--frontend", "gopher"], "gopher"),
        (&["--concurrent-queries", "0"], "--concurrent-queries"),
        (&["-n", "bad.name"], "bad.name"),
        (&["--transport", "jetstream"], "--replication-url"),
        (&["--pg-cert", "only.pem"], "--pg-key"),
        (&["one.db", "two.db"], "two.db"),
    ] {
        let line = refused(args);
        assert!(line.starts_with("ha: ") && line.contains(part), "{args:?}: {line}");
    }
}

#[test]
fn help_and_version_are_printed() {
    let home = home();
    let (code, out, err) = run_to_end(home.path(), &["--version"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("ha\nVersion: "), "{out}");
    for flag in ["-h", "--help"] {
        let (code, out, err) = run_to_end(home.path(), &[flag]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains("--replication-url"), "{out}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--pg-port", "--nats-port"] {
        let mut args = vec!["-m", flag, &port];
        for (other, free) in [("--port", "0"), ("--pg-port", "any"), ("--nats-port", "any")] {
            if other != flag {
                args.extend([other, free]);
            }
        }
        let (code, _, err) = run_to_end(home.path(), &args);
        assert_eq!(code, 1, "{flag}: {err}");
        let last = err.lines().last().unwrap();
        assert!(last.contains("ERROR") && last.contains(&port), "{flag}: {err}");
    }
}

#[test]
fn servers_that_do_not_answer_are_named() {
    let home = home();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", closed.local_addr().unwrap());
    drop(closed);
    let ports = ["--port", "0", "--pg-port", "any", "--replication-timeout", "1s"];
    let (code, _, err) =
        run_to_end(home.path(), &[&ports[..], &["-m", "--replication-url", &url]].concat());
    assert_eq!(code, 1, "{err}");
    let last = err.lines().last().unwrap();
    assert!(last.contains("ERROR") && last.contains(url.trim_start_matches("nats://")), "{err}");
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let home = home();
    let ports = ["--port", "0", "--pg-port", "any", "--nats-port", "any"];
    let (code, _, err) = run_to_end(home.path(), &[&ports[..], &["no/such/ha.db"]].concat());
    assert_eq!(code, 1, "{err}");
    assert!(err.lines().last().unwrap().contains("no/such"), "{err}");
}
