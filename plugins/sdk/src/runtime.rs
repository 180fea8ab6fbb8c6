use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// The plugin's own runtime: the host's cannot be used, as each library has its own copy of tokio
/// with its own thread-locals. It lives as long as the process.
pub(crate) fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("ha-plugin").enable_all();
        builder.build().expect("the system has room for two threads")
    };
    RUNTIME.get_or_init(start).handle()
}
