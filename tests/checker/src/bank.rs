//! Transfers between accounts: every read of all accounts shows the same sum.

use std::collections::BTreeMap;

use crate::Anomaly;

/// The balances of all accounts, as one transaction saw them.
pub type Balances = BTreeMap<u64, i64>;

/// What is wrong with `reads`, all of which must show `accounts` accounts with `total`
/// between them, none below zero. Names: `accounts`, `total`, `negative`.
pub fn check<'a>(
    accounts: usize,
    total: i64,
    reads: impl IntoIterator<Item = &'a Balances>,
) -> Vec<Anomaly> {
    reads.into_iter().filter_map(|read| judge(accounts, total, read)).collect()
}

/// Balances that the transfers do not explain. Name: `unexplained`.
pub fn unexplained(balances: impl Into<String>) -> Anomaly {
    Anomaly::new("unexplained", balances)
}

fn judge(accounts: usize, total: i64, read: &Balances) -> Option<Anomaly> {
    let name = if read.len() != accounts {
        "accounts"
    } else if read.values().sum::<i64>() != total {
        "total"
    } else if read.values().any(|balance| *balance < 0) {
        "negative"
    } else {
        return None;
    };
    Some(Anomaly::new(name, format!("{accounts} accounts with {total} are read as {read:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anomaly_is_found() {
        let read = |pairs: &[(u64, i64)]| Balances::from_iter(pairs.iter().copied());
        let names = |pairs: &[(u64, i64)]| {
            check(2, 10, [&read(pairs)]).into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert!(names(&[(1, 4), (2, 6)]).is_empty());
        assert_eq!(names(&[(1, 10)]), ["accounts"]);
        assert_eq!(names(&[(1, 4), (2, 7)]), ["total"]);
        assert_eq!(names(&[(1, -1), (2, 11)]), ["negative"]);
    }
}
