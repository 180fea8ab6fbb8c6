//! How far the nodes of a stream are.

use std::sync::Arc;
use std::time::Duration;

use ha_core::{Engine, Error, Token};
use ha_engine::{Found, Node};
use ha_jetstream::{JetStream, Standing};

/// So long are answers waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets other nodes know how far this one is.
pub(super) async fn answer(log: &JetStream, node: &Arc<Node>) {
    let node = Arc::downgrade(node);
    let standing = move || node.upgrade().map(|node| standing(&node));
    if let Err(error) = log.answer_roll_calls(standing).await {
        tracing::warn!("other nodes cannot ask how far this one is: {error}");
    }
}

/// Says how far this node is and those that can be reached, so that nobody begins a new log from
/// a node that lags.
///
/// # Errors
/// [`Error::Config`] if one of them is further.
pub(super) async fn before_new_lineage(log: &JetStream, found: Found) -> Result<(), Error> {
    let Found::Position(ours) = found else { return Ok(()) };
    tracing::warn!("--new-lineage: this node is at {ours}");
    let reached = log.call_roll(PATIENCE).await?;
    for Standing { node, position } in &reached {
        tracing::warn!("--new-lineage: node {node} is at {position}");
    }
    if reached.is_empty() {
        tracing::warn!(
            "--new-lineage: no other node was reached; what others have beyond {ours} will not be part of the new log"
        );
    }
    match furthest(&reached, ours) {
        Some(Standing { node, position }) => Err(Error::config(
            "--new-lineage",
            format!(
                "node {node} is at {position}, which is further than this one at {ours}: start that one with \
                 --new-lineage instead, or stop it if what it has is to be given up"
            ),
        )),
        None => Ok(()),
    }
}

fn standing(node: &Node) -> Standing {
    let status = node.status();
    Standing { node: status.node, position: status.position }
}

/// The node of the same log that is furthest, if it is further.
fn furthest(reached: &[Standing], ours: Token) -> Option<&Standing> {
    let of_our_log = reached.iter().filter(|other| other.position.lineage == ours.lineage);
    of_our_log.max_by_key(|other| other.position.seq).filter(|other| other.position.seq > ours.seq)
}

#[cfg(test)]
mod tests {
    use ha_core::{Lineage, Seq};

    use super::*;

    #[test]
    fn only_who_is_further_in_the_same_log_is_in_the_way() {
        let at = |lineage, seq| Token { lineage: Lineage([lineage; 8]), seq: Seq(seq), n: 0 };
        let standing = |node: &str, position| Standing { node: node.to_owned(), position };
        let others = [
            standing("same", at(1, 5)),
            standing("behind", at(1, 4)),
            standing("strange", at(2, 9)),
        ];
        assert_eq!(furthest(&others, at(1, 5)), None);
        assert_eq!(furthest(&others, at(1, 4)), Some(&others[0]));
    }
}
