//! A Redis stream, reached over a network, keeps the promises of a transport.

mod support;

use support::fixture::Fixture;

ha_conformance::transport_suite!(Fixture(None));
