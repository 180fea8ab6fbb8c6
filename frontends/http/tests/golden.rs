//! The answers of v0.0.7, and where ours are others on purpose.

mod support;

use support::memory::Memory;
use support::{golden, options, serve};

#[tokio::test]
async fn answers_are_those_of_v0_0_7_but_for_the_listed_ones() {
    let server = serve(Memory::new(), options());
    golden::replay(&server.url("")).await;
}
