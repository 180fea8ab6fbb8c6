//! Log lines on standard error, as `--log`, `--log-format` and `--log-sql` say.

use std::io::{self, IsTerminal};

use ha_core::{Error, Result};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry, filter, fmt};

use crate::config::Logging;
use crate::values::LogFormat;

/// The target of events that hold the text of statements. They are dropped, whatever the
/// filter says, unless `--log-sql` is given. Emit them at the level info.
pub const SQL_TARGET: &str = "ha::sql";

/// Sends the process's events to standard error from now on. An error if the filter is wrong,
/// or if events are sent somewhere already.
pub fn init(logging: &Logging) -> Result<()> {
    let subscriber = subscriber(logging, io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| Error::config("--log", error.to_string()))
}

/// What [`init`] installs, with another writer.
fn subscriber<W>(logging: &Logging, writer: W, colors: bool) -> Result<impl Subscriber + use<W>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::try_new(&logging.filter).map_err(|error| {
        let reason = format!("{error}; expected a level such as info, or ha_pg=debug,info");
        Error::config("--log", reason)
    })?;
    let lines = fmt::layer().with_writer(writer).with_ansi(colors);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match logging.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let show_sql = logging.sql;
    let harmless =
        filter::filter_fn(move |event| show_sql || !(holds_sql(event) || holds_messages(event)));
    Ok(tracing_subscriber::registry().with(lines.with_filter(harmless)).with(wanted))
}

fn holds_sql(event: &Metadata<'_>) -> bool {
    event
        .target()
        .strip_prefix(SQL_TARGET)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The NATS client traces every message with its payload: rows, and the statements of a schema.
fn holds_messages(event: &Metadata<'_>) -> bool {
    event.target().starts_with("async_nats") && *event.level() == Level::TRACE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logging(filter: &str, format: LogFormat, sql: bool) -> Logging {
        Logging { filter: filter.into(), format, sql }
    }

    fn logged(logging: &Logging, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(logging, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn statement() {
        tracing::info!(target: SQL_TARGET, "INSERT INTO t VALUES ('canary')");
    }

    #[test]
    fn the_filter_chooses_events() {
        let events = || {
            tracing::info!("seen");
            tracing::debug!("hidden");
        };
        let text = logged(&logging("info", LogFormat::Text, false), events);
        assert!(text.contains("seen") && !text.contains("hidden"), "{text}");
        assert!(logged(&logging("debug", LogFormat::Text, false), events).contains("hidden"));
    }

    #[test]
    fn statements_are_logged_on_demand_only() {
        let message = || tracing::trace!(target: "async_nats::connection", "payload: ('canary')");
        for filter in ["info", "trace", "ha::sql=trace"] {
            for event in [statement, message] {
                let text = logged(&logging(filter, LogFormat::Text, false), event);
                assert_eq!(text, "", "{filter}");
            }
        }
        assert!(logged(&logging("info", LogFormat::Text, true), statement).contains("canary"));
        assert!(logged(&logging("trace", LogFormat::Text, true), message).contains("canary"));
    }

    #[test]
    fn json_lines_are_objects() {
        let events = || tracing::warn!(port = 8080, "listening");
        let text = logged(&logging("info", LogFormat::Json, false), events);
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((&line["level"], &line["port"]), (&"WARN".into(), &8080.into()));
        assert_eq!(line["message"], "listening");
    }

    #[test]
    fn a_wrong_filter_names_the_flag() {
        let wrong = logging("ha=loud", LogFormat::Text, false);
        let error = subscriber(&wrong, io::sink, false).err().unwrap().to_string();
        assert!(error.starts_with("--log: ") && !error.contains('\n'), "{error}");
    }
}
