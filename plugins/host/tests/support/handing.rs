use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use ha_core::{Engine, Frontend, Result, Settings, Shutdown};
use ha_plugin::async_trait::async_trait;
use ha_plugin_host::Plugin;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// The plugin's own runtime, once it serves.
pub(crate) static RUNTIME: OnceLock<Handle> = OnceLock::new();

static RECEIVER: Mutex<Option<UnboundedSender<Arc<dyn Engine>>>> = Mutex::new(None);
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Has a front-end of the plugin, opened by [`open`], serve an engine; gives the engine as the
/// front-end sees it.
pub(crate) async fn serve(
    plugin: &Plugin,
    engine: Arc<dyn Engine>,
    stop: Shutdown,
) -> Result<(Arc<dyn Engine>, JoinHandle<Result<()>>)> {
    let frontend = plugin.open_frontend(Settings::new(plugin.name())).await?;
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut engines = receiver();
    let serving = tokio::spawn(frontend.serve(engine, stop));
    let engine = engines.recv().await.expect("the sender is kept");
    Ok((engine, serving))
}

fn receiver() -> UnboundedReceiver<Arc<dyn Engine>> {
    let (sender, receiver) = unbounded_channel();
    *RECEIVER.lock().expect("nobody panics here") = Some(sender);
    receiver
}

/// Opens the front-end.
pub(crate) async fn open(settings: Settings) -> Result<Arc<Handing>> {
    settings.finish(&[])?;
    Ok(Arc::new(Handing))
}

/// A front-end that serves by handing its engine over.
#[derive(Debug)]
pub(crate) struct Handing;

impl fmt::Display for Handing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handing")
    }
}

#[async_trait]
impl Frontend for Handing {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        RUNTIME.get_or_init(Handle::current);
        if let Some(receiver) = &*RECEIVER.lock().expect("nobody panics here") {
            // Whoever asked may have gone.
            let _ = receiver.send(engine);
        }
        stop.requested().await;
        Ok(())
    }
}
