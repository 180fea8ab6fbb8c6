use super::*;

#[test]
fn names_that_nats_refuses_are_refused() {
    for name in ["", "bad.name", "a b", "a*", "a>", "a/b", "a\\b", "a\tb"] {
        assert!(name.parse::<Name>().is_err(), "{name:?}");
    }
    assert_eq!("node-1_é".parse::<Name>().unwrap().as_str(), "node-1_é");
}

#[test]
fn ports_can_be_off_and_any() {
    assert_eq!("4222".parse(), Ok(Port::Number(4222)));
    assert_eq!("0".parse(), Ok(Port::Off));
    assert_eq!("-1".parse(), Ok(Port::Off));
    assert_eq!("any".parse(), Ok(Port::Any));
    assert!("65536".parse::<Port>().is_err());
    assert!("http".parse::<Port>().is_err());
}

#[test]
fn hosts_are_addresses() {
    assert_eq!(host("localhost"), Ok(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(host("*"), Ok(Ipv4Addr::UNSPECIFIED.into()));
    assert!(host("[::1]").unwrap().is_loopback());
    assert!(host("example.org").is_err());
}

#[test]
fn counts_begin_at_1() {
    assert_eq!(count("50"), Ok(NonZeroUsize::new(50).unwrap()));
    assert!(count("0").is_err());
    assert!(count("-1").is_err());
}

#[test]
fn sync_is_always_or_an_interval() {
    assert_eq!("always".parse(), Ok(NatsSync::Always));
    assert_eq!("2m".parse(), Ok(NatsSync::Every(Duration::from_secs(120))));
    assert!("0s".parse::<NatsSync>().is_err());
    assert!("never".parse::<NatsSync>().is_err());
}

#[test]
fn servers_hide_their_credentials() {
    let text = "nats://user:p@ss@a:4222, tok@b:4222,tls://c";
    let servers: Servers = text.parse().unwrap();
    assert_eq!(servers.to_string(), "nats://***@a:4222,***@b:4222,tls://c");
    assert!(!format!("{servers:?}").contains("p@ss"));
    assert_eq!(servers.urls()[0], "nats://user:p@ss@a:4222");
    assert!("http://a".parse::<Servers>().is_err());
    assert!(",".parse::<Servers>().is_err());
}

#[test]
fn empty_text_leaves_out() {
    assert_eq!("".parse(), Ok(Optional::<Name>(None)));
    assert!("a.b".parse::<Optional<Name>>().is_err());
}
