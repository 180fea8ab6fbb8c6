//! The front-end as the library that a node loads.

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ha_core::{Settings, Shutdown};
use ha_plugin_host::Plugin;

/// The library that was built together with this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().join("libha_mysql.so")
}

#[tokio::test]
async fn a_node_loads_it_and_clients_get_in() {
    let plugin = Plugin::load(&library()).unwrap();
    assert!(plugin.has_frontend() && !plugin.has_transport());
    let wrong = Settings::new("mysql").with("prot", "1");
    let error = plugin.open_frontend(wrong).await.unwrap_err().to_string();
    assert!(error.starts_with("mysql.prot: there is no such setting"), "{error}");

    let mut server = support::server().await;
    let settings = Settings::new("mysql").with("port", "0");
    let front = plugin.open_frontend(settings).await.unwrap();
    let address = front.to_string().replace("MySQL on ", "");
    server.port = address.parse::<SocketAddr>().unwrap().port();
    let (stop, stopped) = Shutdown::new();
    let serving = tokio::spawn(front.serve(Arc::clone(&server.node) as _, stopped));
    let mut client = server.client().await;
    assert_eq!(support::rows(&mut client, "SELECT 1 + 1").await, ["2"]);
    stop.trigger();
    serving.await.unwrap().unwrap();
}
