//! The HTTP front-end, loaded from a library, keeps the same promises as the built-in one.

#[path = "support/connection.rs"]
mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use connection::{Bind, Fixture};
use ha_conformance::frontend::{FrontendFixture as _, Served};
use ha_core::{Error, Frontend, Params, Result, Settings};
use ha_http::{Http, Options};
use ha_plugin_host::Plugin;

/// Made before the time of a check begins, as building it takes long.
fn http() -> Fixture<Plugin> {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| ha_conformance::library("ha-http-library"));
    Fixture(Plugin::load(&BUILT).unwrap())
}

#[async_trait]
impl Bind for Plugin {
    async fn bind(&self, port: u16) -> Result<(Arc<dyn Frontend>, SocketAddr)> {
        let settings = Settings::new(self.name()).with("port", port.to_string());
        let http = self.open_frontend(settings).await?;
        let address = http.to_string().replace("http on ", "").parse().unwrap();
        Ok((http, address))
    }
}

ha_conformance::frontend_suite!(http());

/// What a front-end tells of an error needs the whole of it.
#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_the_errors_that_the_built_in_one_tells() {
    let http = http();
    let served = Served::new(&http).await;
    let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let built_in = Http::bind(Options { listen, ..Options::default() }).unwrap();
    let address = built_in.local_addr();
    let direct = Served::start(built_in, address).await;
    let mut clients = [http.connect(served.address).await, http.connect(direct.address).await];
    let statements = ["INSERT INTO t VALUES(1), (1)", "SELEC", "ATTACH 'x' AS x", "COMMIT"];
    for client in &mut clients {
        client.run("CREATE TABLE t(a UNIQUE)", Params::None).await.unwrap();
    }
    for sql in statements {
        let [across, direct] = &mut clients;
        let told = across.run(sql, Params::None).await.unwrap_err();
        assert_eq!(told, direct.run(sql, Params::None).await.unwrap_err(), "{sql}");
    }
    served.stop().await;
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let http = http();
    let (_bound, address) = http.bind(0).await.unwrap();
    let taken = http.bind(address.port()).await.unwrap_err();
    assert!(matches!(&taken, Error::Io { .. }), "{taken:?}");
    assert!(taken.to_string().contains(&address.to_string()), "{taken}");
}
