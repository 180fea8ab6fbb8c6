use std::cell::Cell;
use std::fmt::{Debug, Write as _};

use ha_abi::{HaHost, HaSlice, level};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Sends what `tracing` is told in this library, panics included, to the host's log. Where the
/// library is linked into the host, the host's own subscriber has it already.
pub(crate) fn forward_to(host: &'static HaHost) {
    let forward = tracing_subscriber::registry().with(Forward(host));
    if tracing::subscriber::set_global_default(forward).is_ok() {
        let printed = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tracing::error!("{panic}");
            printed(panic);
        }));
    }
}

struct Forward(&'static HaHost);

impl<S: Subscriber> Layer<S> for Forward {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = number(*metadata.level());
        // SAFETY: the host's functions may be called at any time.
        once(|| unsafe { (self.0.log_enabled)(self.0.ctx, level) != 0 }).unwrap_or_default()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let message = line.message + &line.fields;
        let target = HaSlice::new(event.metadata().target().as_bytes());
        let message = HaSlice::new(message.as_bytes());
        let level = number(*event.metadata().level());
        // SAFETY: the host's functions may be called at any time; the texts live until it returns.
        once(|| unsafe { (self.0.log)(self.0.ctx, level, target, message) });
    }
}

thread_local! {
    static FORWARDING: Cell<bool> = const { Cell::new(false) };
}

/// In a program that has the library linked in and no subscriber, the host's log comes back here.
fn once<T>(forward: impl FnOnce() -> T) -> Option<T> {
    if FORWARDING.replace(true) {
        return None;
    }
    let forwarded = forward();
    FORWARDING.set(false);
    Some(forwarded)
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => level::ERROR,
        Level::WARN => level::WARN,
        Level::INFO => level::INFO,
        Level::DEBUG => level::DEBUG,
        Level::TRACE => level::TRACE,
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a text cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
