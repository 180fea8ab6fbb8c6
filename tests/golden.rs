//! The answers of v0.0.7 over HTTP, from a node with everything in it.

#[path = "../frontends/http/tests/support/client.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used here")]
mod client;
#[path = "../frontends/http/tests/support/golden.rs"]
#[allow(unreachable_pub, reason = "it is a part of another crate's tests too")]
mod golden;
mod support;

use support::{Node, home};

#[tokio::test]
async fn answers_are_those_of_v0_0_7_but_for_the_listed_ones() {
    let home = home();
    let node = Node::start(home.path(), &["-m"]);
    golden::replay(&format!("http://{}", node.http)).await;
}
