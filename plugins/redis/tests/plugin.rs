//! The transport, loaded as the library that operators load, keeps the same promises.

mod support;

use std::sync::LazyLock;

use ha_conformance::transport::skips_nothing;
use ha_core::Error;
use ha_plugin_host::Plugin;
use support::fixture::Fixture;
use support::settings;

/// Built once, before the time of a check begins to count.
static PLUGIN: LazyLock<Plugin> =
    LazyLock::new(|| Plugin::load(&ha_conformance::library("ha-redis")).unwrap());

ha_conformance::transport_suite!(Fixture(Some(&PLUGIN)));

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_all_that_checks_are_skipped_without() {
    assert!(skips_nothing(&Fixture(Some(&PLUGIN))).await.exact_bounds);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_it_is_and_which_setting_is_wrong() {
    let plugin = &*PLUGIN;
    assert_eq!((plugin.name(), plugin.version()), ("redis", env!("CARGO_PKG_VERSION")));
    assert!(plugin.has_transport() && !plugin.has_frontend());
    let settings = settings("redis://localhost").with("topic", "x");
    let error = plugin.open_transport(settings).await.unwrap_err();
    assert!(matches!(&error, Error::Config { key, .. } if key == "redis.topic"), "{error}");
}
