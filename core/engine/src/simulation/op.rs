//! What clients do: as SQL for a node, and as its effect on the model.

use std::time::Duration;

use ha_core::{
    Batch, Error, IdempotencyKey, ReadLevel, Reply, Statement, Token, TransactionName, Value,
};

use super::state::State;

/// How many accounts there are, and what is on each at first.
pub(super) const ACCOUNTS: i64 = 4;
pub(super) const BALANCE: i64 = 25;
/// How many lists there are.
pub(super) const LISTS: i64 = 3;

/// What makes the tables.
pub(super) fn schema() -> Batch {
    let mut statements = vec![
        Statement::new("CREATE TABLE marks(op INTEGER)"),
        Statement::new(
            "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK(balance >= 0))",
        ),
        Statement::new("CREATE TABLE lists(k INTEGER PRIMARY KEY, v TEXT NOT NULL)"),
    ];
    for account in 1..=ACCOUNTS {
        statements.push(with("INSERT INTO accounts VALUES(?, ?)", &[account, BALANCE]));
    }
    for list in 1..=LISTS {
        statements.push(with("INSERT INTO lists VALUES(?, '')", &[list]));
    }
    Batch { statements, ..Batch::default() }
}

/// What a transaction is to do.
#[derive(Debug, Clone)]
pub(super) enum Spec {
    /// Leaves its mark.
    Mark,
    /// Moves money, if there is enough.
    Transfer { from: i64, to: i64, amount: i64 },
    /// Appends its number to a list, and reads it.
    Append { list: i64 },
    /// Leaves its mark if no money is lost.
    Guarded,
    /// Makes a table with a row.
    Create,
    /// Drops a table, if there is one.
    Drop { table: i64 },
    /// Takes a part of its work back.
    Partly,
    /// Fails after it has written.
    Fails,
    /// Changes nothing.
    Nothing,
    /// Reads a list and the sum of all balances, thinks, and appends to what it has read.
    Interactive(Option<Plan>),
}

/// What an interactive transaction was shown and has written when it commits.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) list: i64,
    pub(super) shown: String,
    pub(super) total: i64,
}

/// A transaction and what clients were told of it.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) spec: Spec,
    pub(super) keyed: bool,
    pub(super) told: Vec<Told>,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// It is in the log at this place.
    Committed(Token),
    /// It is in no log.
    Failed(Error),
    /// It is everywhere or nowhere.
    Unknown(TransactionName),
    /// The client or the node was gone before the answer.
    Gone,
}

impl Told {
    /// A word for it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::Gone => "gone",
        }
    }

    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::OutcomeUnknown(name) => Self::Unknown(name),
            other => Self::Failed(other),
        }
    }
}

impl Spec {
    /// The request for it.
    pub(super) fn batch(&self, op: i64, key: bool, strong: bool) -> Batch {
        let mark = with("INSERT INTO marks(op) VALUES(?)", &[op]);
        let statements = match self {
            Self::Mark | Self::Interactive(_) => vec![mark],
            Self::Transfer { from, to, amount } => vec![
                with(
                    "UPDATE accounts SET balance = balance + ?1 WHERE id = ?2 RETURNING balance",
                    &[*amount, *to],
                ),
                with(
                    "UPDATE accounts SET balance = balance - ?1 WHERE id = ?2 RETURNING balance",
                    &[*amount, *from],
                ),
                mark,
            ],
            Self::Append { list } => vec![
                with("UPDATE lists SET v = v || ',' || ?1 WHERE k = ?2", &[op, *list]),
                mark,
                with("SELECT v FROM lists WHERE k = ?", &[*list]),
            ],
            Self::Guarded => vec![with(
                "INSERT INTO marks(op) SELECT ?1 WHERE (SELECT sum(balance) FROM accounts) = ?2",
                &[op, ACCOUNTS * BALANCE],
            )],
            Self::Create => vec![
                Statement::new(format!("CREATE TABLE t{op}(a INTEGER PRIMARY KEY)")),
                with(&format!("INSERT INTO t{op} VALUES(?)"), &[op]),
                mark,
            ],
            Self::Drop { table } => vec![mark, Statement::new(format!("DROP TABLE t{table}"))],
            Self::Partly => vec![
                Statement::new("SAVEPOINT a"),
                with("INSERT INTO marks(op) VALUES(?)", &[-op]),
                with("UPDATE accounts SET balance = 0 WHERE id = ?", &[1]),
                Statement::new("ROLLBACK TO a"),
                mark,
                Statement::new("RELEASE a"),
            ],
            Self::Fails => vec![
                mark,
                with("UPDATE accounts SET balance = 7 WHERE id = ?", &[2]),
                with("INSERT INTO accounts VALUES(90, 0), (?, 0)", &[1]),
            ],
            Self::Nothing => vec![with("UPDATE accounts SET balance = 1 WHERE id = ?", &[77])],
        };
        let key = key.then(|| IdempotencyKey::new(format!("op {op}")).expect("it is printable"));
        let reads = if strong { ReadLevel::STRONG } else { ReadLevel::LOCAL };
        Batch { statements, key, reads, ..Batch::default() }
    }

    /// The state after it; `None` if it cannot be committed on `before`.
    pub(super) fn effect(&self, op: i64, before: &State) -> Option<State> {
        let mut after = before.clone();
        match self {
            Self::Mark | Self::Partly => {}
            Self::Transfer { from, to, amount } => {
                let left = before.balance(*from)? - if from == to { 0 } else { *amount };
                if left < 0 {
                    return None;
                }
                let more = before.balance(*to)? + amount;
                after.set_balance(*to, more);
                after.set_balance(*from, left);
            }
            Self::Append { list } => {
                after.set_list(*list, format!("{},{op}", before.list(*list)));
            }
            Self::Guarded => {
                if before.total() != ACCOUNTS * BALANCE {
                    return None;
                }
            }
            Self::Create => {
                let row = [(op, vec![Value::Integer(op)])];
                let rows = std::rc::Rc::new(row.into());
                if after.tables.insert(format!("t{op}"), rows).is_some() {
                    return None;
                }
            }
            Self::Drop { table } => drop(after.tables.remove(&format!("t{table}"))?),
            Self::Fails => return None,
            // With a key it ships its key.
            Self::Nothing => return Some(after),
            Self::Interactive(plan) => {
                let Plan { list, shown, total } = plan.as_ref()?;
                if before.list(*list) != *shown || before.total() != *total {
                    return None;
                }
                after.set_list(*list, format!("{shown},{op}"));
            }
        }
        after.mark(op);
        Some(after)
    }

    /// Whether the reply is what it gives between these states.
    pub(super) fn fits(&self, reply: &Reply, after: &State) -> bool {
        let cell = |place: usize| reply.results.get(place)?.rows.first()?.first().cloned();
        match self {
            Self::Transfer { from, to, .. } if from != to => {
                cell(0) == after.balance(*to).map(Value::Integer)
                    && cell(1) == after.balance(*from).map(Value::Integer)
            }
            Self::Append { list } => cell(2) == Some(Value::Text(after.list(*list))),
            _ => true,
        }
    }
}

/// What a reader asks.
pub(super) fn question(reads: ReadLevel) -> Batch {
    let statements = vec![
        Statement::new("SELECT sum(balance) FROM accounts"),
        Statement::new("SELECT v FROM lists ORDER BY k"),
        Statement::new("SELECT op FROM marks ORDER BY rowid"),
    ];
    Batch { statements, reads, ..Batch::default() }
}

/// What a reader must be answered.
pub(super) fn answers(reply: &Reply, state: &State) -> bool {
    let column = |place: usize| -> Option<Vec<Value>> {
        let rows = &reply.results.get(place)?.rows;
        rows.iter().map(|row| row.first().cloned()).collect()
    };
    let lists = (1..=LISTS).map(|list| Value::Text(state.list(list))).collect();
    let marks = state.rows(super::state::MARKS).values().map(|row| row[0].clone()).collect();
    column(0) == Some(vec![Value::Integer(state.total())])
        && column(1) == Some(lists)
        && column(2) == Some(marks)
}

pub(super) fn with(sql: &str, params: &[i64]) -> Statement {
    Statement::with(sql, params.iter().map(|number| Value::Integer(*number)).collect())
}

/// A time between.
pub(super) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
