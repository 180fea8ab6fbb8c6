use super::*;

fn parse(text: &str) -> Dsn {
    Dsn::parse(text).unwrap()
}

fn path(text: &str) -> String {
    parse(text).path.to_str().unwrap().to_owned()
}

#[test]
fn nothing_is_the_default_file() {
    let dsn = parse("");
    assert_eq!(dsn.path, PathBuf::from("ha.db"));
    assert_eq!(dsn.options, OpenOptions::default());
    assert!(dsn.warnings.is_empty());
}

#[test]
fn paths_are_cut_and_uris_are_decoded() {
    for (text, expected) in [
        ("mydatabase.db", "mydatabase.db"),
        ("a%20b#c.db?_fk=0", "a%20b#c.db"),
        ("2026-01-02 03:04:05_ha.db", "2026-01-02 03:04:05_ha.db"),
        ("file:a%20b.db#fragment", "a b.db"),
        ("file:/data/ha.db?mode=rwc", "/data/ha.db"),
        ("file:///data/ha.db", "/data/ha.db"),
        ("file://localhost/data/ha.db", "/data/ha.db"),
        ("file:a%3Fb.db", "a?b.db"),
    ] {
        assert_eq!(path(text), expected, "{text}");
    }
}

#[test]
fn parameters_set_options() {
    let dsn = parse("file:a.db?_fk=0&_cache_size=-2000&_timeout=500&mode=rw#x");
    let expected = OpenOptions {
        foreign_keys: false,
        cache_size: Some(-2000),
        busy_timeout: Duration::from_millis(500),
        read_only: false,
        create: false,
    };
    assert_eq!((dsn.options, dsn.warnings), (expected, vec![]));
    assert!(!parse("a.db?_foreign_keys=OFF").options.foreign_keys);
    assert_eq!(parse("a.db?_busy_timeout=7").options.busy_timeout, Duration::from_millis(7));
    assert!(parse("a.db?_query_only=yes").options.read_only);
    let read_only = parse("file:a.db?mode=ro").options;
    assert!(read_only.read_only && !read_only.create);
}

#[test]
fn what_ha_decides_itself_is_a_warning() {
    for parameter in [
        "_journal=DELETE",
        "_journal_mode=off",
        "_sync=FULL",
        "_synchronous=0",
        "_txlock=exclusive",
        "_locking_mode=EXCLUSIVE",
        "cache=shared",
        "_loc=auto",
        "_rt=1",
        "_bogus=1",
    ] {
        let dsn = parse(&format!("file:a.db?{parameter}"));
        assert_eq!(dsn.warnings.len(), 1, "{parameter}");
        assert!(dsn.warnings[0].starts_with(parameter), "{}", dsn.warnings[0]);
    }
    let agreed = parse("file:a.db?_journal=WAL&_txlock=immediate&cache=private&_mutex=full");
    assert!(agreed.warnings.is_empty(), "{:?}", agreed.warnings);
}

#[test]
fn what_would_change_meaning_is_refused() {
    for text in [
        "file:a.db?_journal=bogus",
        "file:a.db?_fk=maybe",
        "file:a.db?_timeout=5s",
        "file:a.db?_timeout=-1",
        "file:a.db?_cache_size=big",
        "file:a.db?_txlock=never",
        "file:a.db?mode=memory",
        "file:a.db?mode=x",
        "file:a.db?cache=x",
        "file:/a.db?vfs=memdb",
        "file:a.db?vfs=unix-none",
        "file:a.db?immutable=1",
        "file:a.db?nolock=1",
        "file:a.db?_cslike=1",
        "file:a.db?_defer_fk=1",
        "file:a.db?_ignore_check_constraints=1",
        "file:a.db?_writable_schema=1",
        "file:a.db?_auth_user=x",
        "file://elsewhere/a.db",
        "file:a%FF.db",
        "file:a%00.db",
        "file:",
        "file::memory:",
        ":memory:",
        "?_fk=1",
    ] {
        let error = Dsn::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("DATABASE: ") && !error.contains('\n'), "{text}: {error}");
    }
}
