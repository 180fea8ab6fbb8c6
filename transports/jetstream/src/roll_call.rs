use std::time::Duration;

use futures::StreamExt;
use ha_core::{Error, Result, Token};
use serde::{Deserialize, Serialize};

use crate::JetStream;
use crate::subscription::until;

/// How far a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub node: String,
    /// What it has applied.
    pub position: Token,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    node: String,
    position: String,
}

impl JetStream {
    /// Tells nodes that call the roll of this stream what `standing` gives then, until that is
    /// nothing or the transport is closed. It must not block.
    ///
    /// # Errors
    /// [`Error::Closed`] or [`Error::Transport`].
    pub async fn answer_roll_calls(
        &self,
        standing: impl Fn() -> Option<Standing> + Send + 'static,
    ) -> Result<()> {
        let client = self.client()?.clone();
        let mut calls = client.subscribe(self.subject()).await.map_err(|e| self.failed(e))?;
        let closed = self.closed();
        tokio::spawn(async move {
            while let Some(Some(call)) = until(closed.clone(), calls.next()).await {
                let Some(reply) = call.reply else { continue };
                let Some(Standing { node, position }) = standing() else { return };
                let wire = Wire { node, position: position.to_string() };
                let Ok(answer) = serde_json::to_vec(&wire) else { continue };
                if let Err(error) = client.publish(reply, answer.into()).await {
                    tracing::debug!("a roll call was not answered: {error}");
                }
            }
        });
        Ok(())
    }

    /// How far the nodes of this stream are that answer within `patience`, which is always
    /// waited for. Who is down, hangs or is cut off is not among them.
    ///
    /// # Errors
    /// [`Error::Closed`] or [`Error::Transport`].
    pub async fn call_roll(&self, patience: Duration) -> Result<Vec<Standing>> {
        let client = self.client()?;
        let inbox = client.new_inbox();
        let answers = client.subscribe(inbox.clone()).await.map_err(|e| self.failed(e))?;
        let called = client.publish_with_reply(self.subject(), inbox, Vec::new().into()).await;
        called.map_err(|e| self.failed(e))?;
        let in_time = answers.take_until(tokio::time::sleep(patience));
        Ok(in_time.filter_map(async |answer| standing(&answer.payload)).collect().await)
    }

    fn subject(&self) -> String {
        format!("ha.nodes.{}", self.name())
    }

    fn failed(&self, reason: impl ToString) -> Error {
        Error::transport(self.to_string(), reason)
    }
}

fn standing(answer: &[u8]) -> Option<Standing> {
    let Wire { node, position } = serde_json::from_slice(answer).ok()?;
    Some(Standing { node, position: position.parse().ok()? })
}
