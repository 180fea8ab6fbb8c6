use std::path::Path;
use std::str::FromStr;

use ha_core::Seq;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// Where in the log a node without a position of its own starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// At the beginning.
    #[default]
    All,
    /// At the last entry.
    Last,
    /// After the last entry.
    New,
    /// At this sequence.
    BySequence(Seq),
    /// At the first entry stored at this moment or later.
    ByTime(OffsetDateTime),
}

impl FromStr for Policy {
    type Err = String;

    /// Reads the form of v0.0.7: `all`, `last`, `new`, `by_start_sequence=N` or
    /// `by_start_time=YYYY-MM-DD HH:MM:SS`, which is UTC.
    fn from_str(text: &str) -> Result<Self, String> {
        let policy = match text.split_once('=') {
            None if text == "all" => Some(Self::All),
            None if text == "last" => Some(Self::Last),
            None if text == "new" => Some(Self::New),
            Some(("by_start_sequence", number)) => by_sequence(number),
            Some(("by_start_time", moment)) => utc(moment).map(Self::ByTime),
            None | Some(_) => None,
        };
        policy.ok_or_else(|| {
            "expected all, last, new, by_start_sequence=N (from 1) or \
             by_start_time=YYYY-MM-DD HH:MM:SS"
                .into()
        })
    }
}

/// A policy and whose wish it is. A position in the database file wins over both of the
/// others, but beside [`Self::Given`] it is a mistake of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartPolicy {
    /// Nobody's: [`Policy::All`].
    #[default]
    Default,
    /// `--replication-policy`.
    Given(Policy),
    /// The name of the file that is loaded, which is the one a backup over HTTP gets.
    FileName(Policy),
}

impl StartPolicy {
    /// The policy, whoever wished it.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Self::Default => Policy::All,
            Self::Given(policy) | Self::FileName(policy) => policy,
        }
    }

    pub(super) fn choose(given: Option<Policy>, loaded: Option<&Path>) -> Self {
        match (given, loaded.and_then(moment_in_name)) {
            (Some(policy), _) => Self::Given(policy),
            (None, Some(moment)) => Self::FileName(Policy::ByTime(moment)),
            (None, None) => Self::Default,
        }
    }
}

fn by_sequence(number: &str) -> Option<Policy> {
    number.parse().ok().filter(|&seq| seq > 0).map(|seq| Policy::BySequence(Seq(seq)))
}

fn moment_in_name(file: &Path) -> Option<OffsetDateTime> {
    utc(file.file_name()?.to_str()?.get(.."2026-01-02 03:04:05".len())?)
}

fn utc(moment: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(moment, MOMENT).ok().map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn every_policy_of_v0_0_7_is_read() {
        let moment = datetime!(2026-01-02 03:04:05 UTC);
        assert_eq!("all".parse(), Ok(Policy::All));
        assert_eq!("last".parse(), Ok(Policy::Last));
        assert_eq!("new".parse(), Ok(Policy::New));
        assert_eq!("by_start_sequence=7".parse(), Ok(Policy::BySequence(Seq(7))));
        assert_eq!("by_start_time=2026-01-02 03:04:05".parse(), Ok(Policy::ByTime(moment)));
    }

    #[test]
    fn other_policies_are_refused() {
        for text in [
            "",
            "bogus",
            "ALL",
            "all=1",
            "by_start_sequence",
            "by_start_sequence=0",
            "by_start_sequence=x",
            "by_start_time=2026-01-02",
            "by_start_time=2026-13-02 03:04:05",
        ] {
            assert!(text.parse::<Policy>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_backup_starts_at_the_moment_in_its_name_unless_a_policy_is_given() {
        let backup = Path::new("/backups/2026-01-02 03:04:05_ha.db");
        let by_name = Policy::ByTime(datetime!(2026-01-02 03:04:05 UTC));
        let choose = StartPolicy::choose;
        assert_eq!(choose(None, Some(backup)), StartPolicy::FileName(by_name));
        assert_eq!(choose(Some(Policy::New), Some(backup)), StartPolicy::Given(Policy::New));
        for plain in
            ["ha.db", "x2026-01-02 03:04:05", "2026-99-02 03:04:05_ha.db", "é2026-01-02 03:04"]
        {
            assert_eq!(choose(None, Some(Path::new(plain))), StartPolicy::Default, "{plain}");
        }
        assert_eq!(choose(None, None).policy(), Policy::All);
    }
}
