//! The server's log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ha_nats_embedded::{Options, Server};
use tempfile::TempDir;

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn contains(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.0.lock().unwrap()).contains(text)
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_goes_to_tracing_from_the_start_to_the_end() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let store = TempDir::new().unwrap();
    let options = Options { store_dir: store.path().to_owned(), ..Options::default() };
    let server = Server::start(options).unwrap();
    server.shutdown();
    for line in ["INFO nats: Starting nats-server", "Server is ready", "Server Exiting"] {
        // Another thread copies the lines.
        while !lines.contains(line) {
            std::thread::yield_now();
        }
    }
}
