//! Who may come in: listeners, and members of a cluster.

use super::*;

#[test]
fn an_open_listener_needs_credentials_of_ones_own() {
    let open = ["--host=0.0.0.0", "--nats-port=0"];
    let with = |more: &[&'static str]| [&open[..], more].concat();
    assert!(refusal(&open, &[]).contains("--http-token"));
    assert!(refusal(&with(&["--http-token=t"]), &[]).contains("--pg-pass"));
    assert!(refusal(&with(&["--http-token=t", "--pg-pass="]), &[]).contains("--pg-pass"));
    config(&with(&["--http-token=t", "--pg-pass=p"]));
    config(&with(&["--http-token=t", "--pg-port=0"]));
    config(&with(&["--frontend=pg", "--pg-pass=p"]));
    config(&with(&["--insecure"]));
    config(&["--host=::1", "--nats-host=127.0.0.2"]);
    refusal(&["--host=::"], &[]);
}

#[test]
fn an_open_embedded_server_needs_a_token_or_a_configuration() {
    assert!(refusal(&["--nats-host=*"], &[]).contains("--nats-token"));
    config(&["--nats-host=*", "--nats-token=t"]);
    config(&["--nats-host=*", "--nats-config=f"]);
    config(&["--nats-host=*", "--nats-port=0"]);
    config(&["--nats-host=*", "--insecure"]);
}

#[test]
fn a_member_of_a_cluster_names_all_servers_and_itself() {
    let member = server(config(&MEMBER)).cluster.unwrap();
    assert_eq!((member.name.as_str(), member.listen), ("ha", address("127.0.0.1:6222")));
    assert_eq!(member.peers.len(), 3);
    for wrong in [
        &["--cluster-peers=a:1,b:2,c:3"][..],
        &["--name=a", "--cluster-listen=127.0.0.1:6222"],
        &["--name=a", "--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2"],
        &["--name=a", "--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2,c"],
        &["--name=a", "--cluster-listen=127.0.0.1:0", "--cluster-peers=a:1,b:2,c:3"],
        &["--cluster-listen=127.0.0.1:6222", "--cluster-peers=a:1,b:2,c:3"],
        &[
            "--name=a",
            "--cluster-listen=127.0.0.1:6222",
            "--cluster-peers=a:1,b:2,c:3",
            "--nats-port=0",
        ],
    ] {
        refusal(wrong, &[]);
    }
}

#[test]
fn others_may_only_join_a_cluster_with_a_secret() {
    let open = ["--name=a", "--cluster-listen=10.0.0.1:6222", "--cluster-peers=a:1,b:2,c:3"];
    assert!(refusal(&open, &[]).contains("--cluster-secret"));
    let secret = [&open[..], &["--cluster-secret=s"]].concat();
    assert!(configured(&secret, &[]).is_ok());
}
