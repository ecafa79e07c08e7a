//! A share of the link by the real tc, on a real interface in a network namespace of its own.

use std::process::{Child, Command, Stdio};

use sagetop::remedy::node::machine::Uplink;
use sagetop::remedy::node::report::Report;
use sagetop::remedy::node::traffic::{Class, classes};

use crate::remedy_node::tree::{CONTAINER, POD, Ran, Tree, cgroup};

/// A network namespace with a pair of interfaces; `None`, with the reason told, where none can be made.
struct Network(Child);

impl Network {
    fn new() -> Option<Self> {
        let made = Command::new("unshare").args(["-n", "sleep", "300"]).stdin(Stdio::null()).spawn();
        let mut network = Self(made.ok()?);
        // It is in a namespace of its own once it sleeps: before that it is in ours, where nothing is done.
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let of_child = || std::fs::read_link(format!("/proc/{}/ns/net", network.0.id()));
        for _ in 0..500 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            if of_child().is_ok_and(|child| child != own) {
                break;
            }
        }
        let apart = of_child().is_ok_and(|child| child != own);
        let up = apart
            && network.run(&["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"]).0
            && network.run(&["ip", "link", "set", "v0", "up"]).0;
        if up {
            return Some(network);
        }
        let _ = network.0.try_wait();
        None
    }

    fn run(&self, words: &[&str]) -> (bool, String) {
        let process = self.0.id().to_string();
        let output = Command::new("nsenter").args(["-n", "-t", &process]).args(words).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    fn show(&self, what: &str) -> String {
        self.run(&["tc", what, "show", "dev", "v0"]).1
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network and a machine in it, or the word that neither can be had here.
fn network() -> Option<(Network, Tree)> {
    let network = Network::new();
    if network.is_none() {
        assert!(
            std::env::var_os("SAGETOP_CI").is_none(),
            "no network namespace can be made (root, iproute2)"
        );
        eprintln!("skipped: no network namespace can be made (root, iproute2)");
    }
    let network = network?;
    let tree = Tree::in_namespace(network.0.id());
    Some((network, tree))
}

fn apply(tree: &Tree, op: &str, victim: &str, rest: &str) -> Ran {
    let place = cgroup();
    let shares = ["noqueue", "1000000000", victim, rest, "50000000", "src", "10.0.0.7"];
    let words = [&["htb", "apply", op, "v0", &place, CONTAINER, POD][..], &shares].concat();
    tree.run(&words)
}

fn ran(code: i32, out: &str) -> Ran {
    Ran { code, out: format!("{out}\n"), err: String::new() }
}

#[test]
fn queues_are_added_read_back_and_taken_away() {
    let Some((network, tree)) = network() else { return };
    let applied = apply(&tree, "op1", "600000000", "350000000");
    assert_eq!(applied.code, 0, "{applied:?}");
    let class = |id: &str, rate: u64, ceil: u64| Class {
        id: id.to_owned(),
        rate: rate * 1_000_000,
        ceil: ceil * 1_000_000,
    };
    let mut found = classes(&applied.out).unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let expected = [
        class("1a:1", 1000, 1000),
        class("1a:10", 600, 1000),
        class("1a:20", 350, 350),
        class("1a:5", 50, 1000),
    ];
    assert_eq!(found, expected);
    let filters = network.show("filter");
    // 10.0.0.7 at the source's place, the ports of ssh, API server and kubelet on either side.
    assert!(filters.contains("match 0a000007/ffffffff at 12"), "{filters}");
    for port in ["00160000/ffff0000", "00000016/0000ffff", "192b0000/ffff0000", "0000280a/0000ffff"] {
        assert!(filters.contains(&format!("match {port} at 20")), "{port}: {filters}");
    }
    let read = tree.run(&["htb", "read", "v0"]);
    assert!(read.code == 0 && read.out.starts_with("htb 1a:\nclass htb 1a:"), "{read:?}");
    let uplink = Uplink::of("v0", &Report::read(&tree.run(&["probe", "interface", "v0"]).out));
    assert_eq!(uplink.queues, Err("htb 1a:".to_owned()));

    assert_eq!(apply(&tree, "op1", "600000000", "350000000"), applied);
    assert_eq!(apply(&tree, "op2", "500000000", "450000000"), ran(76, "htb 1a:"));
    assert_eq!(tree.run(&["htb", "undo", "op3", "op1", "v0"]), ran(0, "noqueue"));
    assert!(network.show("qdisc").starts_with("qdisc noqueue 0: root"));
    assert_eq!(tree.run(&["htb", "undo", "op4", "op1", "v0"]), ran(0, "noqueue"));
    let uplink = Uplink::of("v0", &Report::read(&tree.run(&["probe", "interface", "v0"]).out));
    assert_eq!(uplink.queues, Ok("noqueue".to_owned()));
    assert_eq!(tree.names("timers"), [""; 0]);
}

#[test]
fn queues_of_others_are_never_touched() {
    let Some((network, tree)) = network() else { return };
    for (words, found) in [
        (&["htb", "default", "1"][..], "htb 1:"),
        (&["tbf", "rate", "1mbit", "burst", "32kbit", "latency", "25ms"], "tbf 1:"),
        (&["pfifo", "limit", "10"], "pfifo 1:"),
    ] {
        let add = [&["tc", "qdisc", "add", "dev", "v0", "root", "handle", "1:"][..], words].concat();
        assert!(network.run(&add).0, "{words:?}");
        let before = network.show("qdisc");
        assert_eq!(apply(&tree, &format!("op-{}", words[0]), "600000000", "350000000"), ran(76, found));
        assert_eq!(tree.run(&["htb", "undo", &format!("undo-{}", words[0]), "op1", "v0"]), ran(76, found));
        assert_eq!(network.show("qdisc"), before);
        assert!(network.run(&["tc", "qdisc", "del", "dev", "v0", "root"]).0);
    }
    // A filter of a network plugin hangs beside the root.
    assert!(network.run(&["tc", "qdisc", "add", "dev", "v0", "clsact"]).0);
    assert_eq!(apply(&tree, "op9", "600000000", "350000000"), ran(76, "clsact ffff:"));
    assert_eq!(tree.names("timers"), [""; 0]);
}

#[test]
fn a_failure_in_the_middle_leaves_nothing() {
    let Some((network, tree)) = network() else { return };
    // The kernel takes no class without a rate.
    let refused = apply(&tree, "op1", "0", "350000000");
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.out.contains("tc class add dev v0 parent 1a:1 classid 1a:10"), "{refused:?}");
    assert!(network.show("qdisc").starts_with("qdisc noqueue 0: root"));
    assert_eq!(tree.names("timers"), [""; 0]);
    let words = ["htb", "read", "nowhere"];
    assert!(tree.run(&words).code == 77 && tree.run(&words).out.contains("Cannot find device"));
}

#[test]
fn nobody_keeps_it_and_it_goes() {
    let Some((network, tree)) = network() else { return };
    assert_eq!(apply(&tree, "op1", "600000000", "350000000").code, 0);
    assert_eq!(tree.fire("op1"), ran(0, "noqueue"));
    assert!(network.show("qdisc").starts_with("qdisc noqueue 0: root"));
}
