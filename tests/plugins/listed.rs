//! `ha plugins`.

use super::support::home;
use super::support::node::run_to_end;
use super::{refused, testing};

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

#[test]
fn plugins_that_a_configuration_file_names_are_listed() {
    let home = home();
    let list = |text: String, flags: &[&str]| {
        std::fs::write(home.path().join("ha.toml"), text).unwrap();
        run_to_end(home.path(), &[&["plugins", "-c", "ha.toml"], flags].concat())
    };
    let text = format!("port = 8081\nplugins = [\"{}\"]\n[testing]\nport = 0\n", testing());
    let (code, out, err) = list(text.clone(), &[]);
    assert!(code == 0 && err.is_empty() && out.lines().count() == 2, "{out}{err}");
    let (code, out, err) = list(text, &["--plugin", "/nonexistent.so"]);
    assert!(code == 1 && out.is_empty() && err.contains("/nonexistent.so"), "a flag wins: {err}");
    let (code, _, err) = list("plugin-dir = \"/nonexistent\"\n".to_owned(), &[]);
    assert!(code == 2 && err.contains("/nonexistent"), "{err}");
    let (code, _, err) = list("colour = \"blue\"\n".to_owned(), &[]);
    assert!(code == 2 && err.contains("ha.toml: unknown setting"), "{err}");
    assert!(refused(&["plugins", "--port", "1"]).contains("'--port'"));
    let (code, help, _) = run_to_end(home.path(), &["plugins", "--help"]);
    assert!(code == 0 && help.contains("--plugin-dir") && !help.contains("--set"), "{help}");
}
