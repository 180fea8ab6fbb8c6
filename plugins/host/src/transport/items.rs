use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ha_abi::HaStatus;
use ha_bridge::{Answer, Asked, AskedStream, Imported};
use ha_core::{Error, Result};

use crate::Plugin;
use crate::text::in_one_line;

/// Waits for an answer, which may never come once the transport has panicked.
pub(super) async fn answer(plugin: &Plugin, asked: Asked) -> Result<Answer> {
    tokio::select! {
        biased;
        answer = asked => checked(plugin, answer),
        error = ended(plugin) => Err(error),
    }
}

/// As [`answer`], for a stream; a panic ends that too.
pub(super) async fn streamed(
    plugin: &Plugin,
    asked: AskedStream,
) -> Result<BoxStream<'static, Result<Answer>>> {
    let (stream, answer) = tokio::select! {
        biased;
        answer = asked => answer,
        error = ended(plugin) => return Err(error),
    };
    // SAFETY: it was given away.
    let items = unsafe { Imported::new(stream, plugin.name().into()) };
    checked(plugin, answer)?;
    let state = Some((items, plugin.clone()));
    Ok(stream::unfold(state, |state| async { next(state?).await }).boxed())
}

type Items = (Imported, Plugin);

/// The next item. What comes after a panic of the transport is not believed.
async fn next((mut items, plugin): Items) -> Option<(Result<Answer>, Option<Items>)> {
    let item = match plugin.alive() {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            biased;
            item = items.next() => item?.and_then(|answer| checked(&plugin, answer)),
            error = ended(&plugin) => Err(error),
        },
    };
    let rest = item.is_ok().then_some((items, plugin));
    Some((item, rest))
}

/// Waits for a panic of the transport.
pub(super) async fn ended(plugin: &Plugin) -> Error {
    Error::transport(plugin.name(), plugin.panicked().await)
}

/// The answer, or its error; of a panic a note is made.
pub(super) fn checked(plugin: &Plugin, answer: Answer) -> Result<Answer> {
    let panicked = answer.status == HaStatus::PANICKED;
    let checked = in_one_line(answer).done(plugin.name());
    if let (true, Err(error)) = (panicked, &checked) {
        plugin.note_panic(&error.to_string());
    }
    checked
}
