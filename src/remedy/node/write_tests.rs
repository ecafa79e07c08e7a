//! Words of changes, and how a machine stands to them.

#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "5c1f2a10-93f1-4a5e-8e0b-6f2f7c0b1d11";

fn seat() -> Seat {
    let cgroup = format!("/kubepods/pod{UID}/{ID}");
    Seat { container: ID.to_owned(), uid: UID.to_owned(), cgroup }
}

fn op(name: &str) -> OperationId {
    OperationId(Clean::new(name))
}

fn write(deed: Deed) -> NodeWrite {
    NodeWrite { seat: seat(), deed }
}

fn ways() -> Deed {
    Deed::Schemata { group: "sagetop-x".into(), before: None, after: "L3:0=7;1=7".into() }
}

fn link() -> Deed {
    let shares =
        Shares { link: 1_000_000_000, victim: 600_000_000, rest: 350_000_000, management: 50_000_000 };
    Deed::Link { interface: "eth0".into(), before: "mq".into(), shares, address: Ipv4Addr::new(10, 0, 0, 7) }
}

fn cpu() -> Deed {
    Deed::Cpu { before: "max 100000".into(), after: "50000 100000".into(), unit: Some("a.scope".into()) }
}

fn disk() -> Deed {
    Deed::Disk { before: None, after: "8:0 rbps=max wbps=10000000 riops=max wiops=max".into() }
}

#[test]
fn words_are_what_the_script_takes() {
    let cgroup = seat().cgroup;
    let of = |deed: Deed| {
        let write = write(deed);
        let all = [write.apply(&op("o1")), write.undo(&op("o2"), &op("o1")), write.read()];
        all.map(|words| words.unwrap().join(" "))
    };
    assert_eq!(
        of(ways()),
        [
            format!("resctrl apply o1 sagetop-x {cgroup} {ID} {UID} absent L3:0=7;1=7"),
            "resctrl undo o2 o1 sagetop-x absent L3:0=7;1=7".to_owned(),
            "resctrl read sagetop-x L3:0=7;1=7".to_owned(),
        ]
    );
    assert_eq!(
        of(link()),
        [
            format!(
                "htb apply o1 eth0 {cgroup} {ID} {UID} mq 1000000000 600000000 350000000 50000000 src 10.0.0.7"
            ),
            "htb undo o2 o1 eth0".to_owned(),
            "htb read eth0".to_owned(),
        ]
    );
    let tail = format!("cpu.max {cgroup} {ID} {UID} max 100000 50000 100000 a.scope");
    assert_eq!(
        of(cpu()),
        [
            format!("cgroup apply o1 {tail}"),
            format!("cgroup undo o2 o1 {tail}"),
            format!("cgroup read {tail}")
        ]
    );
    let words = write(disk()).apply(&op("o1")).unwrap();
    assert_eq!(&words[7..], ["absent", "8:0 rbps=max wbps=10000000 riops=max wiops=max", "none"]);
    assert_eq!(keep(&op("a"), &op("b")).unwrap().join(" "), "operation keep a b");
    assert_eq!(outcome(&op("a")).unwrap().join(" "), "operation outcome a");
}

#[test]
fn a_machine_stands_before_after_or_neither() {
    let classes = "class htb 1a:1 root rate 1Gbit ceil 1Gbit burst 1375b\n\
        class htb 1a:5 parent 1a:1 prio 0 rate 50Mbit ceil 1Gbit\n\
        class htb 1a:10 parent 1a:1 prio 0 rate 600Mbit ceil 1Gbit\n\
        class htb 1a:20 parent 1a:1 prio 1 rate 350Mbit ceil 350Mbit\n";
    let neither = |said: &str| Standing::Neither(Clean::new(said));
    for (deed, said, standing) in [
        (ways(), "absent\n", Standing::Before),
        (ways(), "L3:0=7;1=7\n", Standing::After),
        (ways(), "L3:0=f;1=7\n", neither("L3:0=f;1=7")),
        (cpu(), "max 100000", Standing::Before),
        (cpu(), "50000 100000", Standing::After),
        (cpu(), "gone", Standing::Gone),
        (disk(), "absent", Standing::Before),
        (disk(), "8:0 rbps=max wbps=10000000 riops=max wiops=max", Standing::After),
        (link(), "mq\n", Standing::Before),
        (link(), "noqueue\n", neither("noqueue")),
        (link(), &format!("htb 1a:\n{classes}"), Standing::After),
    ] {
        assert_eq!(write(deed).standing(said), standing, "{said}");
    }
    for other in [classes.replace("350", "900"), classes.replace("1a:5", "1a:6"), String::new()] {
        assert!(matches!(write(link()).standing(&format!("htb 1a:\n{other}")), Standing::Neither(_)));
    }
}

#[test]
fn they_outlive_the_program() {
    for deed in [ways(), link(), cpu(), disk()] {
        let write = write(deed);
        let text = serde_json::to_string(&write).unwrap();
        assert_eq!(serde_json::from_str::<NodeWrite>(&text).unwrap(), write);
    }
}

/// Something that a shell, a path or a program might read as more than a name, or something harmless.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?s).{0,24}",
        "[a-z0-9:;=,./ -]{0,24}",
        Just("sagetop-x'; id; '".to_owned()),
        Just("-x".to_owned()),
        Just("$(id)".to_owned()),
        Just("L3:0=f;1=f\nMB:0=10".to_owned()),
        Just("sagetop-x".to_owned()),
        Just("L3:0=7".to_owned()),
        Just("max 100000".to_owned()),
        Just("8:0 rbps=1 wbps=1 riops=1 wiops=1".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever a change is made of, its words are plain ones, or there are none.
    #[test]
    fn no_name_gains_a_meaning(a in hostile(), b in hostile(), c in hostile(), id in hostile(), uid in hostile(), cgroup in hostile(), name in hostile()) {
        let deeds = [
            Deed::Schemata { group: a.clone(), before: Some(b.clone()), after: c.clone() },
            Deed::Link { interface: a.clone(), before: b.clone(), shares: Shares { link: 3, victim: 1, rest: 1, management: 1 }, address: Ipv4Addr::LOCALHOST },
            Deed::Cpu { before: a.clone(), after: b.clone(), unit: Some(c.clone()) },
            Deed::Disk { before: Some(a.clone()), after: b.clone() },
        ];
        let seats = [seat(), Seat { container: id, uid, cgroup }];
        for seat in seats {
            for deed in &deeds {
                let write = NodeWrite { seat: seat.clone(), deed: deed.clone() };
                for words in [write.apply(&op(&name)), write.undo(&op(&name), &op("o1")), write.read()].into_iter().flatten() {
                    for word in words {
                        prop_assert!(!word.is_empty() && !word.starts_with('-'), "{:?}", word);
                        prop_assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:/@-=;, ".contains(&byte)), "{:?}", word);
                    }
                }
            }
        }
    }
}
