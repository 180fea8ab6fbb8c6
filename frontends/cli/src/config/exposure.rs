use std::net::SocketAddr;

use super::{Config, EmbeddedServer, Http, Pg, Transport};

/// Refuses a listener that others can reach and that asks for no credentials of the user's
/// own, unless `--insecure` was given. The error is one line that names the flag to set.
pub fn check_exposure(config: &Config) -> Result<(), String> {
    if config.insecure {
        return Ok(());
    }
    match listeners(config).into_iter().find(Listener::is_open) {
        None => Ok(()),
        Some(Listener { name, address, flag, .. }) => Err(format!(
            "{name} would listen on {address} without credentials of your own: set {flag}, \
             listen on 127.0.0.1, or allow it with --insecure"
        )),
    }
}

/// The address that a front-end of a plugin tells of itself, if others can reach it. Who may come in
/// there is up to the plugin: nothing that [`check_exposure`] knows says it.
pub fn reachable(told: &str) -> Option<SocketAddr> {
    let is_between = |c: char| c.is_whitespace() || ",;()/@".contains(c);
    let addresses = told.split(is_between).filter_map(|part| part.parse::<SocketAddr>().ok());
    addresses.into_iter().find(|address| !address.ip().to_canonical().is_loopback())
}

struct Listener {
    name: &'static str,
    address: SocketAddr,
    /// Sets its credentials.
    flag: &'static str,
    has_credentials: bool,
}

impl Listener {
    fn is_open(&self) -> bool {
        !self.address.ip().to_canonical().is_loopback() && !self.has_credentials
    }
}

fn listeners(config: &Config) -> Vec<Listener> {
    let Config { http, pg, transport, .. } = config;
    let (nats, cluster) = (of_nats(transport), of_cluster(transport));
    let listeners = [http.as_ref().map(of_http), pg.as_ref().map(of_pg), nats, cluster];
    listeners.into_iter().flatten().collect()
}

fn of_http(http: &Http) -> Listener {
    Listener {
        name: "HTTP",
        address: http.address,
        flag: "--http-token",
        has_credentials: http.token.is_some(),
    }
}

fn of_pg(pg: &Pg) -> Listener {
    Listener {
        name: "PostgreSQL",
        address: pg.address,
        flag: "--pg-pass",
        has_credentials: pg.has_own_password(),
    }
}

fn of_cluster(transport: &Transport) -> Option<Listener> {
    let Transport::Embedded { server: EmbeddedServer::Options(options), .. } = transport else {
        return None;
    };
    options.cluster.as_ref().map(|cluster| Listener {
        name: "the cluster of NATS servers",
        address: cluster.listen,
        flag: "--cluster-secret",
        has_credentials: cluster.secret.is_some(),
    })
}

/// A configuration file of one's own is taken for the user's decision.
fn of_nats(transport: &Transport) -> Option<Listener> {
    let Transport::Embedded { server: EmbeddedServer::Options(options), .. } = transport else {
        return None;
    };
    Some(Listener {
        name: "the embedded NATS server",
        address: options.address,
        flag: "--nats-token",
        has_credentials: options.token.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_is_found_in_what_a_front_end_says() {
        for (told, address) in [
            ("lines on 0.0.0.0:7001", Some("0.0.0.0:7001")),
            ("x on 127.0.0.1:1, [::]:2", Some("[::]:2")),
            ("tcp://192.0.2.1:3/", Some("192.0.2.1:3")),
            ("x on 127.0.0.1:1, [::1]:2, [::ffff:127.0.0.1]:3", None),
            ("x on /run/x.sock, 1.2 and 3:4", None),
        ] {
            assert_eq!(reachable(told), address.map(|address| address.parse().unwrap()), "{told}");
        }
    }
}
