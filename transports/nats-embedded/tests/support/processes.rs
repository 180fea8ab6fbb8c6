use std::io::Read;
use std::process::{Child, Command, Stdio};

use ha_nats_embedded::Server;
use tokio::net::TcpStream;

use super::Plan;

/// Names the server that a process is to run.
const INDEX: &str = "HA_TEST_SERVER";

/// Servers in processes of their own, which can be killed.
pub(crate) struct Processes([Child; 3]);

impl Processes {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let processes = Self(std::array::from_fn(|index| spawn(plan, index)));
        for index in 0..3 {
            reachable(plan, index).await;
        }
        processes
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self, index: usize) {
        self.0[index].kill().unwrap();
        self.0[index].wait().unwrap();
    }

    pub(crate) async fn restart(&mut self, plan: &Plan, index: usize) {
        self.0[index] = spawn(plan, index);
        reachable(plan, index).await;
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // It may be dead already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Runs the server that [`INDEX`] names; ends with the process that started this one.
pub(crate) fn serve_until_killed() {
    let Ok(index) = std::env::var(INDEX) else { return };
    let plan = Plan::from_env();
    let _server = Server::start(plan.server(index.parse().unwrap())).unwrap();
    // The other end is closed when that process ends.
    let _ = std::io::stdin().read(&mut [0]);
    std::process::exit(0);
}

/// This test program again, as a server.
fn spawn(plan: &Plan, index: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_server_process"])
        .env(INDEX, index.to_string())
        .envs(plan.to_env())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn reachable(plan: &Plan, index: usize) {
    while TcpStream::connect(plan.client(index)).await.is_err() {
        tokio::task::yield_now().await;
    }
}
