//! Transactions of two nodes, in every order of their calls, do what they would do one after
//! the other in some order.

mod support;

use ha_core::{Error, Session, Value};
use ha_memory::MemoryLog;
use support::{Running, batch, begin, start};

/// Two accounts.
type State = [i64; 2];

/// A call of a client.
#[derive(Clone, Copy)]
enum Call {
    /// Looks at both accounts.
    Read,
    /// Sets an account to what follows from what was read.
    Put(usize, fn(State) -> i64),
    /// Changes an account by so much, without a look.
    Add(usize, i64),
    /// Ends the transaction.
    Commit,
}

use Call::{Add, Commit, Put, Read};

const BEGINNING: State = [50, 50];

/// Both see enough in both accounts together and take from one.
const WRITE_SKEW: [&[Call]; 2] = [
    &[Read, Put(0, |[x, y]| if x + y >= 100 { x - 60 } else { x }), Commit],
    &[Read, Put(1, |[x, y]| if x + y >= 100 { y - 60 } else { y }), Commit],
];

const LOST_UPDATE: [&[Call]; 2] =
    [&[Read, Put(0, |[x, _]| x + 1), Commit], &[Read, Put(0, |[x, _]| x + 10), Commit]];

/// The one who only looks makes it visible that the other two had no order.
const READ_ONLY_ANOMALY: [&[Call]; 3] = [
    &[Read, Put(1, |[_, y]| y + 20), Commit],
    &[Read, Put(0, |[x, y]| if x + y < 110 { x - 101 } else { x - 100 }), Commit],
    &[Read, Commit],
];

/// First writes, then a look.
const CROSSED: [&[Call]; 2] = [&[Add(0, 1), Read, Add(1, 1), Commit], &[Add(1, 10), Read, Commit]];

const BLIND: [&[Call]; 2] = [&[Add(0, 1), Add(1, 1), Commit], &[Add(1, 10), Add(0, 10), Commit]];

/// What a client saw and what became of it.
#[derive(Debug, Default, Clone, PartialEq)]
struct Story {
    saw: Vec<State>,
    failed: bool,
}

struct Actor {
    session: Box<dyn Session>,
    story: Story,
}

impl Actor {
    async fn new(node: &Running) -> Self {
        let mut session = node.session().await;
        begin(&mut session).await;
        Self { session, story: Story::default() }
    }

    async fn make(&mut self, call: Call) {
        if self.story.failed {
            return;
        }
        let outcome = match call {
            Commit => self.session.commit().await.map(|_| Vec::new()),
            Read => self.run("SELECT v FROM s ORDER BY k".to_owned()).await,
            Put(account, value) => {
                let value = value(*self.story.saw.last().unwrap());
                self.run(format!("UPDATE s SET v = {value} WHERE k = {account}")).await
            }
            Add(account, by) => {
                self.run(format!("UPDATE s SET v = v + {by} WHERE k = {account}")).await
            }
        };
        match outcome {
            Ok(rows) if !rows.is_empty() => self.story.saw.push(state(&rows)),
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, Error::Conflict);
                self.story.failed = true;
            }
        }
    }

    async fn run(&mut self, sql: String) -> ha_core::Result<Vec<Vec<Value>>> {
        let reply = self.session.run(batch(&sql)).await?;
        Ok(reply.results.into_iter().next_back().unwrap().rows)
    }
}

fn state(rows: &[Vec<Value>]) -> State {
    let account = |index: usize| match rows[index][0] {
        Value::Integer(amount) => amount,
        ref other => panic!("{other:?}"),
    };
    [account(0), account(1)]
}

/// What a client sees and leaves that is alone.
fn alone(calls: &[Call], state: &mut State) -> Vec<State> {
    let mut saw = Vec::new();
    for call in calls {
        match call {
            Read => saw.push(*state),
            Put(account, value) => state[*account] = value(*saw.last().unwrap()),
            Add(account, by) => state[*account] += by,
            Commit => {}
        }
    }
    saw
}

/// All orders in which the calls can be made: whose turn it is.
fn schedules(left: &mut [usize], so_far: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
    if left.iter().all(|&calls| calls == 0) {
        return all.push(so_far.clone());
    }
    for actor in 0..left.len() {
        if left[actor] > 0 {
            left[actor] -= 1;
            so_far.push(actor);
            schedules(left, so_far, all);
            so_far.pop();
            left[actor] += 1;
        }
    }
}

fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    let mut left = vec![1; of.len()];
    schedules(&mut left, &mut Vec::new(), &mut all);
    all.into_iter().map(|order| order.into_iter().map(|index| of[index]).collect()).collect()
}

fn is_serial(programs: &[&[Call]], stories: &[Story], end: State) -> bool {
    let committed: Vec<usize> = (0..stories.len()).filter(|&i| !stories[i].failed).collect();
    permutations(&committed).iter().any(|order| {
        let mut state = BEGINNING;
        let agrees = |&actor: &usize| alone(programs[actor], &mut state) == stories[actor].saw;
        order.iter().all(agrees) && state == end
    })
}

async fn play(
    nodes: [&Running; 2],
    places: &[usize],
    programs: &[&[Call]],
    turns: &[usize],
) -> usize {
    nodes[0].run("UPDATE s SET v = 50").await;
    nodes[1].reach(nodes[0]).await;
    let mut actors = Vec::new();
    for &place in places {
        actors.push(Actor::new(nodes[place]).await);
    }
    let mut next = vec![0; programs.len()];
    for &turn in turns {
        actors[turn].make(programs[turn][next[turn]]).await;
        next[turn] += 1;
    }
    let stories: Vec<Story> = actors.into_iter().map(|actor| actor.story).collect();
    nodes[1].reach(nodes[0]).await;
    nodes[0].reach(nodes[1]).await;
    let [end, other] = [
        state(&nodes[0].rows("SELECT v FROM s ORDER BY k").await),
        state(&nodes[1].rows("SELECT v FROM s ORDER BY k").await),
    ];
    assert_eq!(end, other, "{turns:?} {stories:?}");
    assert!(
        is_serial(programs, &stories, end),
        "{turns:?} on {places:?}: {stories:?}, then {end:?}"
    );
    stories.iter().filter(|story| !story.failed).count()
}

/// Plays the programs in every order; the fewest and the most that could commit.
async fn play_all(programs: &[&[Call]]) -> (usize, usize) {
    let log = MemoryLog::new();
    let (a, b) = (start("a", &log).await, start("b", &log).await);
    a.run("CREATE TABLE s(k INTEGER PRIMARY KEY, v); INSERT INTO s VALUES(0, 50), (1, 50)").await;
    let mut turns = Vec::new();
    let mut lengths: Vec<usize> = programs.iter().map(|program| program.len()).collect();
    schedules(&mut lengths, &mut Vec::new(), &mut turns);
    let mut committed = Vec::new();
    for places in [[0, 1, 1], [0, 0, 1]] {
        for turns in &turns {
            committed.push(play([&a, &b], &places[..programs.len()], programs, turns).await);
        }
    }
    (*committed.iter().min().unwrap(), *committed.iter().max().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn write_skew() {
    assert_eq!(play_all(&WRITE_SKEW).await, (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_updates() {
    assert_eq!(play_all(&LOST_UPDATE).await, (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anomaly_that_a_reader_sees() {
    let (least, most) = play_all(&READ_ONLY_ANOMALY).await;
    assert!(least >= 2 && most == 3, "{least} to {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_then_a_look() {
    let (least, most) = play_all(&CROSSED).await;
    assert!(least >= 1 && most == 2, "{least} to {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_without_a_look_never_conflict() {
    assert_eq!(play_all(&BLIND).await, (2, 2));
}
