//! Clients: each makes its calls one after the other, on one node or another.

use std::future::Future;

use futures::future::abortable;
use ha_core::{
    Engine, Error, ReadLevel, Reply, Session, SessionOptions, Token, TransactionOptions, Value,
};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::fault::Fault;
use super::op::{self, Op, Plan, Spec, Told, millis, question, with};
use super::{World, replies, world};
use crate::Node;

/// Makes a client's calls until it has made them all.
pub(super) async fn live(home: usize, calls: u64) {
    let mut newest = None;
    for _ in 0..calls {
        let world = world();
        sleep(millis(draw(world.pause))).await;
        let node = if draw(4) == 0 { draw(world.slots.len() as u64) as usize } else { home };
        if draw(3) == 0 {
            read(node, &mut newest).await;
        } else {
            write(node, &mut newest).await;
        }
    }
}

/// Writes until it is told that it succeeded, for as long as it may take.
pub(super) async fn insist(node: usize) {
    for _ in 0..100 {
        let op = begin_op(Spec::Mark, false);
        if let Told::Committed(_) = attempt(node, op).await {
            return;
        }
        sleep(millis(100)).await;
    }
    panic!("node {node} takes no writes though nothing is wrong any more");
}

async fn write(node: usize, newest: &mut Option<Token>) {
    let spec = spec();
    let keyed = draw(3) == 0 && !matches!(spec, Spec::Interactive(_));
    let op = begin_op(spec, keyed);
    let mut node = node;
    for _ in 0..4 {
        let told = attempt(node, op).await;
        if let Told::Committed(token) = told {
            *newest = Some(token);
        }
        let may_repeat = match told {
            Told::Committed(_) => keyed && draw(3) == 0,
            Told::Failed(error) => error.is_retryable(),
            Told::Unknown(_) | Told::Gone => keyed,
        };
        if !may_repeat || draw(4) == 0 {
            return;
        }
        sleep(millis(draw(200))).await;
        node = draw(world().slots.len() as u64) as usize;
        world().note("repeated", op as u64, node as u64);
    }
}

/// Makes the transaction's number.
fn begin_op(spec: Spec, keyed: bool) -> i64 {
    let world = world();
    let mut ops = world.ops.borrow_mut();
    ops.push(Op { spec, keyed, told: Vec::new() });
    ops.len() as i64 - 1
}

/// Tries a transaction once.
async fn attempt(node: usize, op: i64) -> Told {
    let world = world();
    let floor = world.floor.get();
    let (spec, keyed) = {
        let ops = world.ops.borrow();
        (ops[op as usize].spec.clone(), ops[op as usize].keyed)
    };
    let told = if let Spec::Interactive(_) = spec {
        tell(call(node, move |node| interact(node, op)).await)
    } else {
        let strong = draw(5) == 0;
        let batch = spec.batch(op, keyed, strong);
        let reply = call(node, async move |node: std::sync::Arc<Node>| {
            node.session(SessionOptions::default()).await?.run(batch).await
        })
        .await;
        if let Some(Ok(reply)) = &reply {
            replies::written(op, &spec, keyed, strong, floor, reply);
        }
        tell(reply.map(|reply| reply.map(|reply| reply.position)))
    };
    world.note(told.name(), op as u64, node as u64);
    if let Told::Unknown(_) = told {
        world.note("gave up", op as u64, node as u64);
    }
    if let Told::Committed(token) = told {
        world.seen(token);
    }
    world.ops.borrow_mut()[op as usize].told.push(told.clone());
    told
}

fn tell(answer: Option<Result<Token, Error>>) -> Told {
    match answer {
        Some(Ok(token)) => Told::Committed(token),
        Some(Err(error)) => Told::of(error),
        None => Told::Gone,
    }
}

/// A transaction whose client thinks between its statements, and writes what it has computed
/// from what it has read.
async fn interact(node: std::sync::Arc<Node>, op: i64) -> Result<Token, Error> {
    let mut session = node.session(SessionOptions::default()).await?;
    session.begin(TransactionOptions::default()).await?;
    let list = draw(op::LISTS as u64) as i64 + 1;
    let shown = text(run(&mut session, "SELECT v FROM lists WHERE k = ?", &[list]).await?);
    think().await;
    let total = number(run(&mut session, "SELECT sum(balance) FROM accounts", &[]).await?);
    if draw(3) == 0 {
        // It goes on after a statement that fails in its middle.
        let failing = "INSERT INTO accounts VALUES(91, 0), (?, 0)";
        let failed = run(&mut session, failing, &[1]).await;
        match failed {
            Err(Error::Sql { .. }) => {}
            Err(error) => return Err(error),
            Ok(_) => panic!("the account is there already"),
        }
    }
    let update = ha_core::Statement::with(
        "UPDATE lists SET v = ?1 WHERE k = ?2",
        vec![Value::Text(format!("{shown},{op}")), Value::Integer(list)],
    );
    session.run(ha_core::Batch { statements: vec![update], ..Default::default() }).await?;
    think().await;
    run(&mut session, "INSERT INTO marks(op) VALUES(?)", &[op]).await?;
    if draw(4) == 0 {
        think().await;
    }
    if draw(10) == 0 {
        session.rollback().await?;
        return Err(Error::Conflict);
    }
    let plan = Plan { list, shown, total };
    world().ops.borrow_mut()[op as usize].spec = Spec::Interactive(Some(plan));
    session.commit().await
}

async fn run(session: &mut Box<dyn Session>, sql: &str, params: &[i64]) -> Result<Reply, Error> {
    let statements = vec![with(sql, params)];
    session.run(ha_core::Batch { statements, ..Default::default() }).await
}

fn first(reply: Reply) -> Value {
    reply.results.into_iter().flat_map(|result| result.rows).flatten().next().unwrap_or(Value::Null)
}

fn text(reply: Reply) -> String {
    match first(reply) {
        Value::Text(text) => text,
        other => panic!("a list is {other:?}"),
    }
}

fn number(reply: Reply) -> i64 {
    match first(reply) {
        Value::Integer(number) => number,
        other => panic!("a sum is {other:?}"),
    }
}

async fn think() {
    let idle = strikes(Fault::Idle);
    sleep(millis(if idle { 400 } else { draw(40) })).await;
}

async fn read(node: usize, newest: &mut Option<Token>) {
    let world = world();
    let floor = world.floor.get();
    let level = match draw(3) {
        0 => ReadLevel::LOCAL,
        1 => ReadLevel { min_position: *newest, strong: false },
        _ => ReadLevel::STRONG,
    };
    let reply = call(node, async move |node: std::sync::Arc<Node>| {
        node.session(SessionOptions::default()).await?.run(question(level)).await
    })
    .await;
    match reply {
        Some(Ok(reply)) => {
            replies::read(level, floor, &reply);
            world.note("read", reply.position.seq.0, node as u64);
            *newest = Some(reply.position);
        }
        Some(Err(error)) => replies::read_failed(&error),
        None => {}
    }
}

/// Calls a node as a front-end does. `None` if the node or the client was gone before the
/// answer.
async fn call<T: 'static, F: Future<Output = Result<T, Error>> + 'static>(
    node: usize,
    run: impl FnOnce(std::sync::Arc<Node>) -> F + 'static,
) -> Option<Result<T, Error>> {
    let world = world();
    let Some(at) = world.slots[node].node() else {
        return Some(Err(Error::NotSent("the node is down".to_owned())));
    };
    let (answer, answered) = oneshot::channel();
    let (task, cancel) = abortable(async move {
        let _ = answer.send(run(at.node).await);
    });
    world.dice.spawn_for(at.owner, async move {
        let _ = task.await;
    });
    if strikes(Fault::Cancel) {
        let wait = draw(30);
        let mut answered = answered;
        let early = tokio::time::timeout(millis(wait), &mut answered).await;
        cancel.abort();
        return early.ok()?.ok();
    }
    answered.await.ok()
}

fn spec() -> Spec {
    let world = world();
    let account = || draw(op::ACCOUNTS as u64) as i64 + 1;
    match draw(20) {
        0..4 => Spec::Mark,
        4..8 => Spec::Transfer { from: account(), to: account(), amount: draw(15) as i64 },
        8..11 => Spec::Append { list: draw(op::LISTS as u64) as i64 + 1 },
        11 => Spec::Guarded,
        12 => Spec::Create,
        13 => Spec::Drop { table: draw(world.ops.borrow().len() as u64) as i64 },
        14 => Spec::Partly,
        15 => Spec::Fails,
        16 => Spec::Nothing,
        _ => Spec::Interactive(None),
    }
}

fn strikes(fault: Fault) -> bool {
    let world = world();
    world.faults.strikes(&world.dice, fault)
}

fn draw(end: u64) -> u64 {
    World::draw(end)
}
