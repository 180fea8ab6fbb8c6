//! Nodes of both kinds that get the same messages.

use ha_changes::{Change, Form, PartApplier, decode_part, encode, encode_for};
use ha_core::Value;

use super::go::GoNode;
use super::origin::{Origin, table_names};
use super::{Sqlite, entry};

/// A database that is written to, a node of `ha`, and a node of v0.0.7.
pub struct Cluster {
    pub origin: Origin,
    ours: Sqlite,
    go: GoNode,
}

impl Cluster {
    pub fn new() -> Self {
        Self { origin: Origin::new(), ours: Sqlite::new(""), go: GoNode::new("") }
    }

    /// Executes the statement, sends what it did, and compares the three databases.
    pub fn execute(&mut self, sql: &str, params: &[&Value]) {
        let triggers = self.origin.triggers();
        let changes = self.origin.execute(sql, params);
        self.send(sql, changes, Form::V007Exact(&triggers));
    }

    pub fn send(&mut self, what: &str, changes: Vec<Change>, form: Form<'_>) {
        let alters =
            |change: &Change| matches!(change, Change::Sql(sql) if sql.starts_with("ALTER"));
        let alters = changes.iter().any(alters);
        let bytes = encode_for(&entry(changes), form).unwrap();
        self.ours.apply_bytes(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        // v0.0.7 may get a message more than once; nothing can make ALTER bear that.
        for _ in 0..if alters { 1 } else { 2 } {
            self.go.apply(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            let expected = contents(&mut self.origin.0);
            assert_eq!(contents(&mut self.go.0), expected, "v0.0.7 after {what}");
            assert_eq!(contents(&mut self.ours), expected, "ha after {what}");
        }
        assert_eq!(schema(&self.go.0), schema(&self.origin.0), "after {what}");
    }

    /// Delivers the parts of an entry, and compares the three databases after the last.
    pub fn follow(&mut self, what: &str, parts: &[Vec<u8>]) {
        let mut applier = PartApplier::default();
        for part in parts {
            applier.push(&mut self.ours, decode_part(part).unwrap()).unwrap();
            self.go.apply(part).unwrap();
        }
        let expected = contents(&mut self.origin.0);
        assert_eq!(contents(&mut self.go.0), expected, "v0.0.7 after {what}");
        assert_eq!(contents(&mut self.ours), expected, "ha after {what}");
    }

    /// Whether v0.0.7 has the same after it got the plain form of the message, twice.
    pub fn plain_form_is_exact(&mut self, sql: &str) -> bool {
        let changes = self.origin.execute(sql, &[]);
        let bytes = encode(&entry(changes)).unwrap();
        let applied = self.go.apply(&bytes).and_then(|()| self.go.apply(&bytes));
        applied.is_ok() && contents(&mut self.go.0) == contents(&mut self.origin.0)
    }
}

/// All rows, with types: 0.0 and -0.0 differ. The rowids of `sqlite_sequence` say nothing.
fn contents(db: &mut Sqlite) -> Vec<String> {
    let names = table_names(db).into_iter();
    let rows = names.map(|name| {
        let mut rows = db.rows(&name);
        if name == "sqlite_sequence" {
            rows.iter_mut().for_each(|(rowid, _)| *rowid = 0);
            rows.sort_by_key(|(_, row)| format!("{row:?}"));
        }
        format!("{name}: {rows:?}")
    });
    rows.collect()
}

fn schema(db: &Sqlite) -> String {
    let sql = "SELECT group_concat(type || name || coalesce(sql, ''), ';' ORDER BY name)
        FROM sqlite_schema";
    format!("{:?}", db.one(sql))
}
