//! What iproute2 6.1 prints, and what newer ones do.

#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

#[test]
fn only_what_the_kernel_made_is_default() {
    let of = |json: &str| standing(&qdiscs(json).unwrap());
    assert_eq!(
        of(r#"[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}}]"#),
        Ok("noqueue".into())
    );
    let mq = r#"[{"kind":"mq","handle":"0:","root":true,"options":{}},
        {"kind":"fq_codel","handle":"0:","parent":":1","options":{"limit":10240}}]"#;
    assert_eq!(of(mq), Ok("mq".into()));
    for (json, found) in [
        (r#"[{"kind":"htb","handle":"1:","root":true,"options":{"r2q":10}}]"#, "htb 1:"),
        (r#"[{"kind":"fq_codel","handle":"8001:","root":true,"options":{}}]"#, "fq_codel 8001:"),
        (
            r#"[{"kind":"noqueue","handle":"0:","root":true},{"kind":"clsact","handle":"ffff:","parent":"ffff:fff1"}]"#,
            "clsact ffff:",
        ),
        (r#"[{"kind":"fq","handle":"0:","root":true}]"#, "fq 0:"),
        ("[]", ""),
    ] {
        assert_eq!(of(json), Err(found.to_owned()), "{json}");
    }
    assert_eq!(qdiscs("qdisc noqueue 0: root refcnt 2"), None);
}

#[test]
fn classes_in_words_and_in_json() {
    let words = "class htb 1a:1 root rate 1Gbit ceil 1Gbit burst 1375b cburst 1375b \n\
        class htb 1a:10 parent 1a:1 prio 0 rate 600Mbit ceil 1Gbit burst 1500b cburst 1375b \n\
        class fq_codel 8:1 parent 8: \n";
    let class = |id: &str, rate: u64, ceil: u64| Class { id: id.to_owned(), rate, ceil };
    let expected =
        vec![class("1a:1", 1_000_000_000, 1_000_000_000), class("1a:10", 600_000_000, 1_000_000_000)];
    assert_eq!(classes(words), Some(expected.clone()));
    let json = r#"[{"class":"htb","handle":"1a:1","root":true,"rate":125000000,"ceil":125000000,"burst":1375},
        {"class":"htb","handle":"1a:10","parent":"1a:1","prio":0,"options":{"rate":75000000,"ceil":125000000}},
        {"class":"fq_codel","handle":"8:1","parent":"8:"}]"#;
    assert_eq!(classes(json), Some(expected));
    assert_eq!(classes(""), Some(Vec::new()));
    assert_eq!(classes("class htb 1a:1 root rate fast ceil 1Gbit"), None);
    assert_eq!(classes("[1]"), None);
}

#[test]
fn links_and_routes() {
    let links = r#"[{"ifindex":2,"ifname":"eth0","mtu":1500},{"ifindex":7,"link_index":3,"ifname":"veth5c1f","link_netnsid":0}]"#;
    assert_eq!(peer(links, "7\n").as_deref(), Some("veth5c1f"));
    assert_eq!(peer(links, "8"), None);
    assert_eq!(peer("", "7"), None);
    let routes = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        ens5\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        cni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    assert_eq!(way_out(&routes(table)), Some("ens5"));
    assert_eq!(
        way_out(&routes(&table.replace("cni0\t0000F40A", "eth1\t00000000").replace("00FFFFFF", "00000000"))),
        None
    );
    assert_eq!(way_out(&[]), None);
    for (text, bits) in [("=speed\n 25000\n", Some(25_000_000_000)), ("=speed\n -1\n", None), ("", None)] {
        assert_eq!(speed(&Report::read(text)), bits);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(class |htb |1a:1 |rate |ceil |[0-9]{1,30}|[KMG]?bit |\\[|\\{|\"|\n|.){0,30}") {
        let _ = (classes(&text), qdiscs(&text), peer(&text, "1"), rate(&text));
    }
}
