//! What is loaded, and what is refused.

mod support;

use futures::StreamExt as _;
use ha_core::{AppendError, AttemptId, Draft, Error, Seq, Settings};
use ha_plugin_host::{LoadError, Plugin};
use support::{compiled, refused, testing};

const ENTRY: &str = "HaStatus ha_plugin_v1(const HaHost *host, HaPlugin *out)";

fn memory(log: &str) -> Settings {
    Settings::new("testing").with("log", log)
}

#[test]
fn a_plugin_says_what_it_is_and_is_loaded_once() {
    let plugin = testing();
    assert_eq!((plugin.name(), plugin.abi()), ("testing", (1, 0)));
    assert_eq!(plugin.version(), env!("CARGO_PKG_VERSION"));
    assert!(plugin.has_transport() && plugin.has_frontend());
    let opened = plugin.state().opened;
    assert_eq!(Plugin::load(plugin.path()).unwrap().state().opened, opened);
    let directory = plugin.path().parent().unwrap();
    let found = ha_plugin_host::in_dir(directory).unwrap();
    assert!(found.iter().any(|path| path == plugin.path()), "{found:?}");
}

#[test]
fn what_is_no_plugin_is_refused_with_its_name_and_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("libtext.so");
    std::fs::write(&text, "no library").unwrap();
    let error = Plugin::load(&text).unwrap_err();
    assert!(matches!(error, LoadError::NotALibrary { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("libtext.so: not a library") && !error.contains('\n'), "{error}");

    let error = refused("int nothing(void) { return 0; }").to_string();
    assert!(error.ends_with("it has no symbol ha_plugin_v1"), "{error}");

    let missing =
        format!("int not_there(void); {ENTRY} {{ (void)host; (void)out; return not_there(); }}");
    let error = refused(&missing).to_string();
    assert!(error.contains("not_there"), "{error}");
}

#[test]
fn another_major_version_is_refused_and_a_nameless_plugin_too() {
    let other = format!("{ENTRY} {{ (void)host; out->major = 2; return HA_ABI; }}");
    let error = refused(&other).to_string();
    assert!(error.contains("made for version 2.0") && error.contains("has 1.0"), "{error}");
    let silent = format!("{ENTRY} {{ (void)host; out->major = HA_MAJOR; return HA_OK; }}");
    assert!(matches!(refused(&silent), LoadError::Broken { .. }));
    let failing = format!("{ENTRY} {{ (void)host; (void)out; return HA_ERROR; }}");
    assert!(refused(&failing).to_string().contains("fails to start"));
}

/// A plugin of a newer minor version has more fields than this host knows.
#[tokio::test]
async fn a_newer_minor_version_is_loaded_and_leaves_what_is_not_ours_alone() {
    let newer = format!(
        "typedef struct {{ HaPlugin known; void *more[4]; }} Newer;
         static HaStatus open(HaSlice s, HaFrontend *out, HaBuf *error) {{
           (void)s; (void)out;
           static const char text[] = \"{{\\\"message\\\": \\\"not today\\\"}}\";
           error->ptr = (const uint8_t *)text; error->len = sizeof text - 1;
           return HA_ERROR;
         }}
         {ENTRY} {{
           if (host->major != HA_MAJOR) return HA_ABI;
           Newer mine = {{0}};
           size_t room = out->size, filled = room < sizeof mine ? room : sizeof mine;
           mine.known.size = filled; mine.known.major = 1; mine.known.minor = 7;
           mine.known.name = (HaSlice){{(const uint8_t *)\"newer\", 5}};
           mine.known.version = (HaSlice){{(const uint8_t *)\"9\", 1}};
           mine.known.open_frontend = open;
           __builtin_memcpy(out, &mine, filled);
           return HA_OK;
         }}"
    );
    let directory = tempfile::tempdir().unwrap();
    let plugin = Plugin::load(&compiled(directory.path(), &newer)).unwrap();
    assert_eq!((plugin.name(), plugin.abi()), ("newer", (1, 7)));
    let error = plugin.open_frontend(Settings::new("newer")).await.unwrap_err();
    assert_eq!(error, Error::transport("newer", "not today"));
    let error = plugin.open_transport(Settings::new("newer")).await.unwrap_err().to_string();
    assert!(error.contains("has no transport"), "{error}");
}

/// A plugin of an older minor version fills less than there is room for.
#[tokio::test]
async fn an_older_plugin_that_fills_less_is_loaded() {
    let older = format!(
        "{ENTRY} {{
           (void)host;
           out->size = offsetof(HaPlugin, open_transport);
           out->major = 1;
           out->name = (HaSlice){{(const uint8_t *)\"older\", 5}};
           return HA_OK;
         }}"
    );
    let directory = tempfile::tempdir().unwrap();
    let plugin = Plugin::load(&compiled(directory.path(), &older)).unwrap();
    assert!(!plugin.has_transport() && !plugin.has_frontend());
}

#[tokio::test]
async fn what_an_opener_says_arrives() {
    let plugin = testing();
    let open = |settings| plugin.open_transport(settings);
    let error = open(Settings::new("testing")).await.unwrap_err().to_string();
    assert_eq!(error, "testing.log: has to be set");
    let error = open(memory("a").with("lgo", "b")).await.unwrap_err().to_string();
    assert!(error.starts_with("testing.lgo: there is no such setting"), "{error}");
    let error = open(memory("unreachable")).await.unwrap_err();
    assert_eq!(error, Error::transport("testing", "nobody answers"));
    let error = open(memory("a").with("panic", "open")).await.unwrap_err().to_string();
    assert!(error.contains("opening was told to panic"), "{error}");
    for call in ["display", "capabilities"] {
        let error = open(memory("a").with("panic", call)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{call} was told to panic")), "{error}");
    }
    let error = open(memory("verbose")).await.unwrap_err();
    assert_eq!(error, Error::transport("testing", "nobody answers because: - reasons"));
    let opened = open(memory("of two\n\nlines")).await.unwrap();
    assert_eq!(opened.to_string(), "memory log of two lines");
    assert_eq!(opened.health().await.name, "memory log of two lines");
}

fn draft() -> Draft {
    let attempt = AttemptId { boot: 1, counter: 1 };
    Draft { expect: Some(Seq::ZERO), attempt, parts: vec!["x".into()] }
}

/// A library of its own: what panicked is not used any more.
fn copied(directory: &tempfile::TempDir) -> Plugin {
    let copy = directory.path().join("libcopy.so");
    std::fs::copy(testing().path(), &copy).unwrap();
    Plugin::load(&copy).unwrap()
}

#[tokio::test]
async fn a_panic_where_there_is_no_status_to_say_it_with_is_one_too() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = copied(&directory);
    let flawed = plugin.open_transport(memory("w").with("panic", "warnings")).await.unwrap();
    assert_eq!(plugin.state().panicked, None);
    let told = flawed.warnings();
    assert!(told.len() == 1 && told[0].contains("warnings was told to panic"), "{told:?}");
    assert_eq!(plugin.panicked().await, told[0]);
    assert!(flawed.bounds().await.is_err());
}

#[tokio::test]
async fn a_transport_that_panics_fails_that_call_and_all_later_ones() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = copied(&directory);
    let sound = plugin.open_transport(memory("p")).await.unwrap();
    sound.append(draft()).await.unwrap();
    let mut entries = sound.subscribe(Seq(1)).await.unwrap();
    entries.next().await.unwrap().unwrap();
    let next = tokio::spawn(async move { (entries.next().await, entries.next().await) });
    let flawed = plugin.open_transport(memory("p").with("panic", "append")).await.unwrap();
    assert_eq!(plugin.state().panicked, None);
    assert!(matches!(flawed.append(draft()).await, Err(AppendError::Unknown { .. })));
    let told = plugin.panicked().await;
    assert!(told.contains("append was told to panic"), "{told}");
    assert_eq!(flawed.append(draft()).await, Err(AppendError::Closed));
    assert!(flawed.bounds().await.is_err() && sound.subscribe(Seq(1)).await.is_err());
    assert!(matches!(next.await.unwrap(), (Some(Err(_)), None)));
    assert_eq!(flawed.warnings(), [told]);
}
