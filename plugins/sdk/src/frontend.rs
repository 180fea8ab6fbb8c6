use std::ffi::c_void;
use std::sync::Arc;

use ha_abi::{HaBuf, HaCompletion, HaEngine, HaFrontend, HaStatus};
use ha_bridge::{Answer, fits, give, guarded, respond};
use ha_core::{Error, Frontend, Shutdown, ShutdownTrigger, json};

use crate::engine::Remote;
use crate::runtime;

struct Exported {
    frontend: Arc<dyn Frontend>,
    stop: ShutdownTrigger,
    stopping: Shutdown,
}

/// A front-end as the host sees it.
pub(crate) fn export(frontend: Arc<dyn Frontend>) -> HaFrontend {
    let (stop, stopping) = Shutdown::new();
    HaFrontend {
        ctx: Box::into_raw(Box::new(Exported { frontend, stop, stopping })).cast(),
        display: Some(display),
        serve: Some(serve),
        stop: Some(stop_serving),
        drop: Some(drop_frontend),
        ..HaFrontend::EMPTY
    }
}

unsafe fn exported<'a>(ctx: *mut c_void) -> &'a Exported {
    // SAFETY: `export` made the pointer, and the host drops it last.
    unsafe { &*ctx.cast::<Exported>() }
}

unsafe extern "C" fn display(ctx: *mut c_void) -> HaBuf {
    // SAFETY: the host gives back what it got.
    let frontend = unsafe { &exported(ctx).frontend };
    guarded(HaBuf::EMPTY, || give(frontend.to_string()))
}

unsafe extern "C" fn serve(ctx: *mut c_void, engine: *const HaEngine, done: HaCompletion) {
    // SAFETY: the host gives back what it got.
    let Exported { frontend, stopping, .. } = unsafe { exported(ctx) };
    // SAFETY: an engine begins with its size.
    if !fits::<HaEngine>(unsafe { (*engine).size }) {
        let older = Error::Unsupported("this plugin needs a newer ha".to_owned());
        let answer = Answer { status: HaStatus::ABI, ..Answer::failed(json::error(&older)) };
        return respond(runtime::handle(), done, async { answer });
    }
    // SAFETY: it has all its fields, and is given away.
    let engine = Arc::new(unsafe { Remote::new(engine) });
    let (frontend, stopping) = (Arc::clone(frontend), stopping.clone());
    respond(runtime::handle(), done, async move { frontend.serve(engine, stopping).await.into() });
}

unsafe extern "C" fn stop_serving(ctx: *mut c_void) {
    // SAFETY: the host gives back what it got.
    unsafe { exported(ctx) }.stop.trigger();
}

unsafe extern "C" fn drop_frontend(ctx: *mut c_void) {
    // SAFETY: `export` made the box, and the host drops it once.
    let exported = unsafe { Box::from_raw(ctx.cast::<Exported>()) };
    let _inside = runtime::handle().enter();
    guarded((), move || drop(exported));
}
