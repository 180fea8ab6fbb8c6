//! What [`crate::declare_plugin`] expands to. Not for authors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use futures::FutureExt as _;
use ha_bridge::{Answer, fill, give, guarded};
use ha_core::{ChangeTransport, Error, Frontend, Result, Settings, json};

pub use ha_abi::{HaBuf, HaFrontend, HaHost, HaPlugin, HaSlice, HaStatus, HaTransport};

use crate::{frontend, log, runtime, transport};

type OpenTransport = unsafe extern "C" fn(HaSlice, *mut HaTransport, *mut HaBuf) -> HaStatus;
type OpenFrontend = unsafe extern "C" fn(HaSlice, *mut HaFrontend, *mut HaBuf) -> HaStatus;

/// What a plugin says of itself.
#[derive(Debug)]
pub struct Declared {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Opens its transport.
    pub open_transport: Option<OpenTransport>,
    /// Opens its front-end.
    pub open_frontend: Option<OpenFrontend>,
}

/// The handshake.
///
/// # Safety
/// As a [`ha_abi::HaEntry`] is called.
pub unsafe fn enter(host: *const HaHost, out: *mut HaPlugin, declared: &Declared) -> HaStatus {
    // SAFETY: the host is there for as long as the process.
    let host: &'static HaHost = unsafe { &*host };
    let plugin = HaPlugin {
        size: size_of::<HaPlugin>(),
        major: ha_abi::MAJOR,
        minor: ha_abi::MINOR,
        name: HaSlice::new(declared.name.as_bytes()),
        version: HaSlice::new(declared.version.as_bytes()),
        open_transport: declared.open_transport,
        open_frontend: declared.open_frontend,
    };
    // SAFETY: `out` says how much room there is.
    unsafe { fill(out, &plugin) };
    // The host tells its user which versions do not fit.
    if host.major != ha_abi::MAJOR {
        return HaStatus::ABI;
    }
    guarded(HaStatus::PANICKED, || {
        log::forward_to(host);
        HaStatus::OK
    })
}

/// Opens a transport.
///
/// # Safety
/// As [`HaPlugin::open_transport`] is called.
pub unsafe fn open_transport<T, F>(
    name: &'static str,
    settings: HaSlice,
    out: *mut HaTransport,
    error: *mut HaBuf,
    open: impl FnOnce(Settings) -> F + Send + 'static,
) -> HaStatus
where
    T: ChangeTransport,
    F: Future<Output = Result<Arc<T>>> + Send + 'static,
{
    // SAFETY: the settings are lent for this call.
    let settings = unsafe { settings.as_bytes() };
    match opened(name, settings, open)
        .and_then(sound(|it: &T| drop((it.to_string(), it.capabilities()))))
    {
        // SAFETY: `out` says how much room there is.
        Ok(opened) => unsafe { fill(out, &transport::export(opened)) },
        // SAFETY: `error` is there to be written.
        Err(failed) => return unsafe { fail(error, failed) },
    }
    HaStatus::OK
}

/// Opens a front-end.
///
/// # Safety
/// As [`HaPlugin::open_frontend`] is called.
pub unsafe fn open_frontend<T, F>(
    name: &'static str,
    settings: HaSlice,
    out: *mut HaFrontend,
    error: *mut HaBuf,
    open: impl FnOnce(Settings) -> F + Send + 'static,
) -> HaStatus
where
    T: Frontend,
    F: Future<Output = Result<Arc<T>>> + Send + 'static,
{
    // SAFETY: the settings are lent for this call.
    let settings = unsafe { settings.as_bytes() };
    match opened(name, settings, open).and_then(sound(|it: &T| drop(it.to_string()))) {
        // SAFETY: `out` says how much room there is.
        Ok(opened) => unsafe { fill(out, &frontend::export(opened)) },
        // SAFETY: `error` is there to be written.
        Err(failed) => return unsafe { fail(error, failed) },
    }
    HaStatus::OK
}

/// What the opener gives, which runs on the plugin's runtime, whatever thread this is.
fn opened<T: Send + 'static, F>(
    name: &'static str,
    settings: &[u8],
    open: impl FnOnce(Settings) -> F + Send + 'static,
) -> Result<T, Answer>
where
    F: Future<Output = Result<T>> + Send + 'static,
{
    let settings = json::read_settings(name, settings).map_err(|error| failed(&error))?;
    let (answer, opened) = mpsc::sync_channel(1);
    runtime::handle().spawn(async move {
        let opening = AssertUnwindSafe(async move { open(settings).await });
        // Whoever asked is waiting.
        let _ = answer.send(opening.catch_unwind().await);
    });
    match opened.recv() {
        Ok(Ok(opened)) => opened.map_err(|error| failed(&error)),
        Ok(Err(thrown)) => Err(Answer::panicked(&*thrown)),
        Err(mpsc::RecvError) => Err(failed(&Error::Closed)),
    }
}

/// What was opened, if it can tell what it is: that has no answer to say a panic with.
fn sound<T>(tell: impl FnOnce(&T)) -> impl FnOnce(Arc<T>) -> Result<Arc<T>, Answer> {
    move |opened| {
        let told = catch_unwind(AssertUnwindSafe(|| tell(&opened)));
        told.map_err(|thrown| Answer::panicked(&*thrown)).map(|()| opened)
    }
}

fn failed(error: &Error) -> Answer {
    Answer::failed(json::error(error))
}

unsafe fn fail(error: *mut HaBuf, failed: Answer) -> HaStatus {
    // SAFETY: the caller says so.
    unsafe { error.write(give(failed.body)) };
    failed.status
}
