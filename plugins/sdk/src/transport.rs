use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use ha_abi::{
    HaBuf, HaCapabilities, HaCompletion, HaDraft, HaSlice, HaStatus, HaStream, HaStreamCompletion,
    HaTransport, delivery,
};
use ha_bridge::{
    Answer, Imported, Item, export_bytes, export_stream, fill, give, guarded, respond,
    respond_stream,
};
use ha_core::{
    AttemptId, ChangeTransport, Delivery, Draft, Error, Result, Seq, SnapshotMeta, json,
};

use crate::runtime;

type Transport = Arc<dyn ChangeTransport>;

/// A transport as the host sees it.
pub(crate) fn export(transport: Transport) -> HaTransport {
    HaTransport {
        ctx: Box::into_raw(Box::new(transport)).cast(),
        display: Some(display),
        capabilities: Some(capabilities),
        append: Some(append),
        subscribe: Some(subscribe),
        read: Some(read),
        bounds: Some(bounds),
        trim: Some(trim),
        put_snapshot: Some(put_snapshot),
        snapshots: Some(snapshots),
        get_snapshot: Some(get_snapshot),
        remove_snapshot: Some(remove_snapshot),
        warnings: Some(warnings),
        health: Some(health),
        remove_member: Some(remove_member),
        close: Some(close),
        drop: Some(drop_transport),
        ..HaTransport::EMPTY
    }
}

unsafe fn exported<'a>(ctx: *mut c_void) -> &'a Transport {
    // SAFETY: `export` made the pointer, and the host drops it last.
    unsafe { &*ctx.cast::<Transport>() }
}

/// Answers with what the work gives.
unsafe fn answer<F: Future<Output = Answer> + Send + 'static>(
    ctx: *mut c_void,
    done: HaCompletion,
    work: impl FnOnce(Transport) -> F,
) {
    // SAFETY: the host gives back what it got.
    let transport = Arc::clone(unsafe { exported(ctx) });
    respond(runtime::handle(), done, work(transport));
}

unsafe extern "C" fn display(ctx: *mut c_void) -> HaBuf {
    // SAFETY: the host gives back what it got.
    let transport = unsafe { exported(ctx) };
    guarded(HaBuf::EMPTY, || give(transport.to_string()))
}

unsafe extern "C" fn capabilities(ctx: *mut c_void, out: *mut HaCapabilities) {
    // SAFETY: the host gives back what it got.
    let transport = unsafe { exported(ctx) };
    let none = HaCapabilities { size: size_of::<HaCapabilities>(), ..HaCapabilities::default() };
    let all = guarded(none, || {
        let all = transport.capabilities();
        HaCapabilities {
            max_part_bytes: all.max_part_bytes as u64,
            max_parts: all.max_parts,
            replicated: all.replicated.into(),
            synced: all.synced.into(),
            snapshots: all.snapshots.into(),
            trim: all.trim.into(),
            readable: all.readable.into(),
            exact_bounds: all.exact_bounds.into(),
            ..none
        }
    });
    // SAFETY: `out` says how much room there is.
    unsafe { fill(out, &all) };
}

unsafe extern "C" fn append(ctx: *mut c_void, draft: *const HaDraft, done: HaCompletion) {
    // SAFETY: the draft is lent for this call.
    let draft = unsafe { copied(&*draft) };
    let store = |transport: Transport| async move {
        match transport.append(draft).await {
            Ok(appended) => Answer::numbers(appended.first.0, appended.last.0),
            Err(error) => Answer::failed(json::append_error(&error)),
        }
    };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, store) };
}

/// # Safety
/// The parts are lent.
unsafe fn copied(draft: &HaDraft) -> Draft {
    // SAFETY: so many parts are lent.
    let parts = unsafe { std::slice::from_raw_parts(draft.parts, draft.parts_len as usize) };
    // SAFETY: so are their bytes.
    let copy = |part: &HaSlice| Bytes::copy_from_slice(unsafe { part.as_bytes() });
    Draft {
        expect: (draft.has_expect != 0).then_some(Seq(draft.expect)),
        attempt: AttemptId { boot: draft.attempt_boot, counter: draft.attempt_counter },
        parts: parts.iter().map(copy).collect(),
    }
}

unsafe extern "C" fn subscribe(ctx: *mut c_void, from: u64, done: HaStreamCompletion) {
    // SAFETY: the host gives back what it got.
    let transport = Arc::clone(unsafe { exported(ctx) });
    respond_stream(runtime::handle(), done, async move {
        let deliveries = transport.subscribe(Seq(from)).await.map_err(failed)?;
        let items = deliveries.map(|delivery| delivery.map(item)).boxed();
        Ok((export_stream(runtime::handle().clone(), items), Answer::ok()))
    });
}

fn item(delivery: Delivery) -> Item {
    match delivery {
        Delivery::Entry(stored) => {
            Item { a: stored.seq.0, b: delivery::ENTRY, body: stored.payload }
        }
        Delivery::Reconnected(bounds) => {
            Item { a: 0, b: delivery::RECONNECTED, body: json::write(&bounds).into() }
        }
    }
}

fn failed(error: Error) -> Answer {
    Result::<()>::Err(error).into()
}

unsafe extern "C" fn read(ctx: *mut c_void, seq: u64, done: HaCompletion) {
    let read = |transport: Transport| async move {
        match transport.read(Seq(seq)).await {
            Ok(Some(stored)) => Answer { a: stored.seq.0, ..Answer::body(stored.payload) },
            Ok(None) => Answer::status(HaStatus::NONE),
            Err(error) => failed(error),
        }
    };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, read) };
}

unsafe extern "C" fn bounds(ctx: *mut c_void, done: HaCompletion) {
    let tell = |transport: Transport| async move {
        transport.bounds().await.map(|bounds| Answer::body(json::write(&bounds))).into()
    };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, tell) };
}

unsafe extern "C" fn trim(ctx: *mut c_void, before: u64, done: HaCompletion) {
    let trim = |transport: Transport| async move { transport.trim(Seq(before)).await.into() };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, trim) };
}

unsafe extern "C" fn put_snapshot(
    ctx: *mut c_void,
    meta: HaSlice,
    body: HaStream,
    done: HaCompletion,
) {
    // SAFETY: the body is given away.
    let body = unsafe { Imported::new(body, "snapshot".into()) }.bytes();
    // SAFETY: the meta is lent for this call.
    let meta = json::read::<SnapshotMeta>(unsafe { meta.as_bytes() });
    let put = |transport: Transport| async move {
        match meta {
            Ok(meta) => transport.put_snapshot(meta, body).await.into(),
            Err(error) => failed(error),
        }
    };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, put) };
}

unsafe extern "C" fn snapshots(ctx: *mut c_void, done: HaCompletion) {
    let list = |transport: Transport| async move {
        transport.snapshots().await.map(|list| Answer::body(json::write(&list))).into()
    };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, list) };
}

unsafe extern "C" fn get_snapshot(ctx: *mut c_void, meta: HaSlice, done: HaStreamCompletion) {
    // SAFETY: the meta is lent for this call.
    let meta = json::read::<SnapshotMeta>(unsafe { meta.as_bytes() });
    // SAFETY: the host gives back what it got.
    let transport = Arc::clone(unsafe { exported(ctx) });
    respond_stream(runtime::handle(), done, async move {
        let body = transport.get_snapshot(&meta.map_err(failed)?).await.map_err(failed)?;
        Ok((export_bytes(runtime::handle().clone(), body), Answer::ok()))
    });
}

unsafe extern "C" fn remove_snapshot(ctx: *mut c_void, meta: HaSlice, done: HaCompletion) {
    // SAFETY: the meta is lent for this call.
    let meta = json::read::<SnapshotMeta>(unsafe { meta.as_bytes() });
    let remove = |transport: Transport| async move {
        match meta {
            Ok(meta) => transport.remove_snapshot(&meta).await.into(),
            Err(error) => failed(error),
        }
    };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, remove) };
}

unsafe extern "C" fn warnings(ctx: *mut c_void) -> HaBuf {
    // SAFETY: the host gives back what it got.
    let transport = unsafe { exported(ctx) };
    let told = catch_unwind(AssertUnwindSafe(|| json::write(&transport.warnings())));
    give(told.map_or_else(|thrown| Answer::panicked(&*thrown).body, Into::into))
}

unsafe extern "C" fn health(ctx: *mut c_void, done: HaCompletion) {
    let tell =
        |transport: Transport| async move { Answer::body(json::write(&transport.health().await)) };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, tell) };
}

unsafe extern "C" fn remove_member(ctx: *mut c_void, name: HaSlice, done: HaCompletion) {
    // SAFETY: the name is lent for this call.
    let name = String::from_utf8_lossy(unsafe { name.as_bytes() }).into_owned();
    let remove = |transport: Transport| async move { transport.remove_member(&name).await.into() };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, remove) };
}

unsafe extern "C" fn close(ctx: *mut c_void, done: HaCompletion) {
    let close = |transport: Transport| async move { transport.close().await.into() };
    // SAFETY: as the host called.
    unsafe { answer(ctx, done, close) };
}

unsafe extern "C" fn drop_transport(ctx: *mut c_void) {
    // SAFETY: `export` made the box, and the host drops it once.
    let transport = unsafe { Box::from_raw(ctx.cast::<Transport>()) };
    let _inside = runtime::handle().enter();
    guarded((), move || drop(transport));
}
