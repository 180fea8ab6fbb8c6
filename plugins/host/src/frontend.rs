use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ha_abi::HaFrontend;
use ha_bridge::{Asked, ask, take};
use ha_core::{Engine, Error, Frontend, Result, Shutdown};
use tokio::runtime::Handle;

use crate::engine;
use crate::text::{in_one_line, one_line};

/// How long a front-end may serve once it was told to stop. Those of our own cut off after 15 s
/// what is in flight then.
const GRACE: Duration = Duration::from_secs(20);

/// A front-end behind the boundary.
pub(crate) struct PluginFrontend {
    table: HaFrontend,
    name: String,
    display: String,
    /// `serve` was called and is not answered.
    serving: AtomicBool,
}

impl PluginFrontend {
    pub(crate) fn new(table: HaFrontend, name: &str) -> Result<Self> {
        let HaFrontend { display, serve, stop, drop, .. } = &table;
        let (Some(display), Some(_), Some(_), Some(_)) = (display, serve, stop, drop) else {
            if let Some(drop) = drop {
                // SAFETY: nobody has used it.
                unsafe { drop(table.ctx) };
            }
            return Err(Error::transport(name, "its front-end lacks a function"));
        };
        // SAFETY: the front-end is there, and gives the text away.
        let told = unsafe { take(display(table.ctx)) };
        let display = one_line(&String::from_utf8_lossy(&told));
        Ok(Self { table, name: name.to_owned(), display, serving: AtomicBool::new(false) })
    }

    fn stop(&self) {
        if let Some(stop) = self.table.stop {
            // SAFETY: the front-end is there until it is dropped.
            unsafe { stop(self.table.ctx) };
        }
    }
}

#[async_trait]
impl Frontend for PluginFrontend {
    async fn serve(self: Arc<Self>, engine: Arc<dyn Engine>, stop: Shutdown) -> Result<()> {
        let Some(serve) = self.table.serve else {
            return Err(Error::Unsupported(format!("{} does not serve", self.display)));
        };
        if self.serving.swap(true, Ordering::SeqCst) {
            return Err(Error::Unsupported(format!("{} serves already", self.display)));
        }
        let asked = {
            let engine = engine::export(engine);
            // SAFETY: it is called once; the table is lent and the engine given away.
            ask(|done| unsafe { serve(self.table.ctx, &raw const engine, done) })
        };
        let mut serving = Serving { frontend: self, asked: Some(asked) };
        tokio::select! {
            biased;
            answer = serving.answer() => return answer,
            () = stop.requested() => serving.frontend.stop(),
        }
        if let Ok(answer) = tokio::time::timeout(GRACE, serving.answer()).await {
            return answer;
        }
        let (frontend, name) = (&serving.frontend, &serving.frontend.name);
        tracing::warn!("{name}: {frontend} does not stop; the node ends without waiting for it");
        Ok(())
    }
}

/// A front-end that serves. If this is dropped it stops, and is kept until it has.
struct Serving {
    frontend: Arc<PluginFrontend>,
    asked: Option<Asked>,
}

impl Serving {
    async fn answer(&mut self) -> Result<()> {
        let Some(asked) = &mut self.asked else { return Ok(()) };
        let answer = asked.await;
        self.asked = None;
        self.frontend.serving.store(false, Ordering::SeqCst);
        in_one_line(answer).done(&self.frontend.name).map(drop)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        self.frontend.stop();
        let frontend = Arc::clone(&self.frontend);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // Nobody is left who asks how it went.
                asked.await;
                frontend.serving.store(false, Ordering::SeqCst);
            });
        }
    }
}

impl Drop for PluginFrontend {
    fn drop(&mut self) {
        // While `serve` is unanswered it may not be given back. Only the end of the runtime, and
        // thus of the process, can bring that about: it is left alone.
        let serving = self.serving.load(Ordering::SeqCst);
        if let Some(drop) = self.table.drop.filter(|_| !serving) {
            // SAFETY: nobody else has it, and it does not serve.
            unsafe { drop(self.table.ctx) };
        }
    }
}

impl fmt::Display for PluginFrontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl fmt::Debug for PluginFrontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginFrontend").field("name", &self.name).finish_non_exhaustive()
    }
}
