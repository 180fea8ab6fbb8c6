//! How old entries are, by what their makers' clocks said.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ha_core::{ChangeTransport, Result, Seq};

/// How many entries are looked at for one that tells its time.
const LOOK: u64 = 32;

/// When the entry at `from`, or one soon after it and not after `last`, was made. `None` if
/// none of them says so.
pub(super) async fn made(
    transport: &Arc<dyn ChangeTransport>,
    from: Seq,
    last: Seq,
) -> Result<Option<SystemTime>> {
    let mut seq = from;
    while seq <= last && seq.0 < from.0 + LOOK {
        let Some(stored) = transport.read(seq).await? else { return Ok(None) };
        let told = ha_changes::decode(&stored.payload).map_or(0, |entry| entry.timestamp_ns);
        if let Some(ns) = u64::try_from(told).ok().filter(|ns| *ns > 0) {
            return Ok(Some(UNIX_EPOCH + Duration::from_nanos(ns)));
        }
        seq = seq.next();
    }
    Ok(None)
}

/// The first entry of `first..=last` that was made after `moment`; `last + 1` if none was. One
/// that does not tell counts as made after it. About right if the makers' clocks are.
pub(crate) async fn first_after(
    transport: &Arc<dyn ChangeTransport>,
    moment: SystemTime,
    first: Seq,
    last: Seq,
) -> Result<Seq> {
    let (mut low, mut high) = (first, last.next());
    while low < high {
        let middle = Seq(low.0 + (high.0 - low.0) / 2);
        let is_after = made(transport, middle, last).await?.is_none_or(|made| made > moment);
        if is_after {
            high = middle;
        } else {
            low = middle.next();
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use ha_core::{AttemptId, Draft};
    use ha_memory::MemoryLog;

    use super::*;

    #[tokio::test]
    async fn the_first_entry_after_a_moment_is_found_among_some_that_do_not_tell() {
        let log = MemoryLog::new();
        let transport: Arc<dyn ChangeTransport> = log.open();
        let times = [10, 20, 0, 0, 30, 30, 0, 40_u64];
        for (counter, time) in (0..).zip(times) {
            let payload = format!("{{\"changes\":[],\"timestamp_ns\":{time}}}");
            let attempt = AttemptId { boot: 1, counter };
            let draft = Draft { expect: None, attempt, parts: vec![payload.into()] };
            transport.append(draft).await.unwrap();
        }
        let at = |ns| UNIX_EPOCH + Duration::from_nanos(ns);
        for (moment, found) in [(5, 1), (10, 2), (25, 3), (30, 7), (39, 7), (40, 9)] {
            let first = first_after(&transport, at(moment), Seq(1), Seq(8)).await.unwrap();
            assert_eq!(first, Seq(found), "after {moment}");
        }
        assert_eq!(made(&transport, Seq(3), Seq(8)).await.unwrap(), Some(at(30)));
        assert_eq!(made(&transport, Seq(3), Seq(4)).await.unwrap(), None);
    }
}
