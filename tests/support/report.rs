//! Whether two nodes hold what the clients of a [`super::load::Load`] were told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::load::{Attempt, Told, Work};
use super::{Node, until};

/// What all clients were told.
#[derive(Debug)]
pub struct Report(Vec<Attempt>);

impl Report {
    pub fn new(attempts: Vec<Attempt>) -> Self {
        Self(attempts)
    }

    /// Waits until both nodes hold the same rows, and checks that these are what the clients
    /// were told.
    pub fn check(&self, nodes: [&Node; 2]) {
        let outcomes = self.outcomes(nodes);
        let tables = until("both nodes hold the same", || {
            let [first, second] = nodes.map(Tables::of);
            (first == second).then_some(first)
        });
        self.check_items(&tables, &outcomes);
        self.check_names(&tables, &outcomes);
        self.check_counter(&tables, &outcomes);
    }

    /// How many writes were acknowledged.
    pub fn written(&self) -> usize {
        self.0.iter().filter(|attempt| matches!(attempt.told, Told::Written(_))).count()
    }

    /// How many writes were not answered, or not with their outcome.
    pub fn interrupted(&self) -> usize {
        let open = |told: &Told| matches!(told, Told::Unknown(_) | Told::Nothing);
        self.0.iter().filter(|attempt| open(&attempt.told)).count()
    }

    /// Whether the transactions whose outcome was unknown are stored; both nodes must say so.
    fn outcomes(&self, nodes: [&Node; 2]) -> BTreeMap<String, bool> {
        let unknown = self.0.iter().filter_map(|attempt| match &attempt.told {
            Told::Unknown(name) => Some(name.clone()),
            _ => None,
        });
        unknown
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|name| {
                let [first, second] = nodes.map(|node| outcome(node, &name));
                assert_eq!(first, second, "{name}");
                (name, first)
            })
            .collect()
    }

    fn check_items(&self, tables: &Tables, outcomes: &BTreeMap<String, bool>) {
        for attempt in self.of(Work::Item) {
            let ids = tables.items.get(&attempt.key).map_or(&[][..], Vec::as_slice);
            let expected = match attempt.stored(outcomes) {
                Some(stored) => ids.len() == usize::from(stored),
                None => ids.len() <= 1,
            };
            let told_id = match &attempt.told {
                Told::Written(id) => id.as_i64(),
                _ => ids.first().copied(),
            };
            assert!(expected && told_id == ids.first().copied(), "{attempt:?}: {ids:?}");
        }
    }

    fn check_names(&self, tables: &Tables, outcomes: &BTreeMap<String, bool>) {
        for attempt in self.of(Work::Name) {
            let owner = tables.names.get(&format!("name {}", attempt.round));
            let has_it = owner == Some(&attempt.key);
            let expected = match (&attempt.told, attempt.stored(outcomes)) {
                (Told::Taken, _) => owner.is_some() && !has_it,
                // A refusal that was not confirmed in time is unknown too, with the name of
                // the others' transactions.
                (Told::Unknown(_), Some(true)) => owner.is_some(),
                (_, Some(stored)) => has_it == stored,
                (_, None) => true,
            };
            assert!(expected, "{attempt:?}: {owner:?}");
        }
    }

    fn check_counter(&self, tables: &Tables, outcomes: &BTreeMap<String, bool>) {
        let mut sums = BTreeSet::new();
        let (mut least, mut most) = (0, 0);
        for attempt in self.of(Work::Count) {
            let stored = attempt.stored(outcomes);
            least += i64::from(stored == Some(true));
            most += i64::from(stored != Some(false));
            if let Told::Written(sum) = &attempt.told {
                assert!(sums.insert(sum.as_i64()), "counted twice to the same: {attempt:?}");
            }
        }
        let n = tables.counter;
        assert!((least..=most).contains(&n), "{n} is not between {least} and {most}");
    }

    fn of(&self, work: Work) -> impl Iterator<Item = &Attempt> {
        self.0.iter().filter(move |attempt| attempt.work == work)
    }
}

impl Attempt {
    /// Whether it must be stored; `None` if nobody was told.
    fn stored(&self, outcomes: &BTreeMap<String, bool>) -> Option<bool> {
        match &self.told {
            Told::Written(_) => Some(true),
            Told::Taken | Told::Not => Some(false),
            Told::Unknown(name) => Some(outcomes[name]),
            Told::Nothing => None,
        }
    }
}

/// Waits until a node knows what became of a transaction: whether it is stored.
pub fn outcome(node: &Node, name: &str) -> bool {
    outcome_if_kept(node, name).unwrap_or_else(|| panic!("{name} is forgotten"))
}

/// As [`outcome`]; `None` if the node has another log than the one that the name is of.
pub fn outcome_if_kept(node: &Node, name: &str) -> Option<bool> {
    until(&format!("the outcome of {name} is known"), || {
        let answer = node.get(&format!("/v1/outcome/{name}"));
        if answer.status != 200 {
            return None;
        }
        match answer.json()["outcome"].as_str().unwrap() {
            "committed" => Some(Some(true)),
            "not_committed" => Some(Some(false)),
            "forgotten" => Some(None),
            "unknown" => None,
            other => panic!("{name} is {other}"),
        }
    })
}

/// All rows.
#[derive(Debug, PartialEq)]
struct Tables {
    /// The ids by key.
    items: BTreeMap<String, Vec<i64>>,
    /// The owners by name.
    names: BTreeMap<String, String>,
    counter: i64,
}

impl Tables {
    fn of(node: &Node) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut items = BTreeMap::<String, Vec<i64>>::new();
        for row in node.run(&["SELECT key, id FROM items"]) {
            items.entry(text(&row[0])).or_default().push(row[1].as_i64().unwrap());
        }
        let names = node.run(&["SELECT name, owner FROM names"]);
        let names = names.iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
        let counter = node.run(&["SELECT n FROM counter"])[0][0].as_i64().unwrap();
        Self { items, names, counter }
    }
}
