//! What is proposed on machines of several kinds, and what is not.

#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::super::container::Rate;
use super::super::report::Report;
use super::*;
use crate::remedy::OperationId;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "5c1f2a10-93f1-4a5e-8e0b-6f2f7c0b1d11";
const GROUP: &str = "sagetop-0123456789ab";

const MACHINE: &str = "=tools\n flock\n systemd-run\n systemctl\n tc\n=controllers\n cpuset cpu io memory\n\
=cpu-manager\n {\"policyName\":\"none\"}\n=filesystem\n nodev\tresctrl\n\
=mount\n resctrl /sys/fs/resctrl resctrl rw 0 0\n=vendor\n vendor_id\t: GenuineIntel\n\
=info/L3/cbm_mask\n 7ff\n=info/L3/min_cbm_bits\n 1\n=info/L3/shareable_bits\n 600\n=info/L3/num_closids\n 4\n\
=info/MB/min_bandwidth\n 10\n=info/MB/bandwidth_gran\n 10\n=info/MB/thread_throttle_mode\n max\n\
=schemata\n     MB:0=100;1=100\n     L3:0=7ff;1=7ff\n=disks\n 8:0    disk\n 8:1    part\n 259:0  disk\n";

fn machine(more: &str) -> Machine {
    Machine::of(&Report::read(&format!("{MACHINE}{more}")))
}

fn tenant() -> Tenant {
    let slice = UID.replace('-', "_");
    let cgroup = format!("/kubepods.slice/kubepods-pod{slice}.slice/cri-containerd-{ID}.scope");
    let target = NodeTarget {
        context: Clean::new("shop"),
        node: Clean::new("node-1"),
        pod: Some((Clean::new("batch"), Clean::new("analytics-1"))),
        container: Some(Clean::new(ID)),
    };
    let seat = Seat { container: ID.to_owned(), uid: UID.to_owned(), cgroup };
    let report = Report::read(
        "=cpu.max\n max 100000\n=io.max\n=io.stat\n 259:0 rbytes=50 wbytes=900 rios=1\n 253:0 rbytes=9999 wbytes=0\n",
    );
    let mut tenant = Tenant::of(target, seat, BTreeMap::new(), &report);
    tenant.rate = Some(Rate { cores: 4.0, read: 1e6, written: 2e8 });
    tenant
}

fn refusals(draft: &NodeDraft) -> Vec<&str> {
    let refusing = draft.obstacles.iter().filter(|obstacle| obstacle.weight == Weight::Refusal);
    refusing.map(|obstacle| obstacle.text.as_str()).collect()
}

/// Its deed, if the script would take its words.
fn deed(draft: NodeDraft) -> Deed {
    let op = OperationId(Clean::new("op1"));
    assert!(draft.write.apply(&op).is_ok() && draft.write.read().is_ok(), "{draft:?}");
    assert!(draft.obstacles.iter().any(|obstacle| obstacle.text.as_str().starts_with("experimental")));
    draft.write.deed
}

#[test]
fn a_neighbour_is_capped_in_the_cache() {
    let draft = cache_ways(&machine(""), &tenant()).unwrap();
    assert_eq!((refusals(&draft), draft.risk), (vec![], Risk::R2));
    let after = "L3:0=7;1=7".to_owned();
    assert_eq!(deed(draft), Deed::Schemata { group: GROUP.into(), before: None, after: after.clone() });
    // In a group that is there already: from its lines, and only where that is less.
    let wide = machine(&format!("=group/{GROUP}/schemata\n L3:0=01f;1=003\n MB:0=50;1=50\n"));
    let draft = cache_ways(&wide, &tenant()).unwrap();
    let expected = Deed::Schemata {
        group: GROUP.into(),
        before: Some("L3:0=1f;1=3".into()),
        after: "L3:0=7;1=3".into(),
    };
    assert_eq!(deed(draft), expected);
    let narrow = machine(&format!("=group/{GROUP}/schemata\n L3:0=7;1=7\n MB:0=100;1=100\n"));
    assert!(cache_ways(&narrow, &tenant()).is_err());
}

#[test]
fn whoever_shares_the_cache_out_already_is_left_to_do_it() {
    let foreign = machine("=group/gold/schemata\n L3:0=f;1=f\n");
    assert!(refusals(&cache_ways(&foreign, &tenant()).unwrap())[0].contains("groups gold"));
    for key in [
        "io.kubernetes.cri.rdt-class",
        "rdt.resources.beta.kubernetes.io/pod",
        "closid.rdt.noderesource.dev/x",
    ] {
        let mut managed = tenant();
        managed.annotations.insert(key.to_owned(), "gold".to_owned());
        assert!(refusals(&memory_bandwidth(&machine(""), &managed, None).unwrap())[0].contains(key));
    }
    let groups: String = (0..3).map(|i| format!("=group/sagetop-{i}/schemata\n L3:0=f;1=f\n")).collect();
    assert!(refusals(&cache_ways(&machine(&groups), &tenant()).unwrap())[0].contains("no class of service"));
    assert!(
        cache_ways(&Machine::of(&Report::read("")), &tenant()).unwrap_err().as_str().contains("no resctrl")
    );
}

#[test]
fn memory_bandwidth_goes_down_where_its_unit_is_known() {
    let draft = memory_bandwidth(&machine(""), &tenant(), None).unwrap();
    assert!(draft.obstacles.iter().any(|obstacle| obstacle.text.as_str().contains("thread_throttle_mode")));
    assert_eq!(
        deed(draft),
        Deed::Schemata { group: GROUP.into(), before: None, after: "MB:0=50;1=50".into() }
    );
    let lower = machine(&format!("=group/{GROUP}/schemata\n L3:0=7ff;1=7ff\n MB:0=50;1=50\n"));
    let expected = Deed::Schemata {
        group: GROUP.into(),
        before: Some("MB:0=50;1=50".into()),
        after: "MB:0=30;1=30".into(),
    };
    assert_eq!(deed(memory_bandwidth(&lower, &tenant(), None).unwrap()), expected);
    let lowest = machine(&format!("=group/{GROUP}/schemata\n L3:0=7ff;1=7ff\n MB:0=30;1=30\n"));
    assert!(memory_bandwidth(&lowest, &tenant(), None).is_err());
    // AMD counts in eighths of a GB/s: only what was measured can be halved.
    let amd = machine("=vendor\n vendor_id\t: AuthenticAMD\n=schemata\n L3:0=7ff\n MB:0=2048\n");
    assert!(memory_bandwidth(&amd, &tenant(), None).unwrap_err().as_str().contains("not measured"));
    let draft = memory_bandwidth(&amd, &tenant(), Some(8e9)).unwrap();
    assert_eq!(deed(draft), Deed::Schemata { group: GROUP.into(), before: None, after: "MB:0=32".into() });
    let unclear = machine("=vendor\n");
    assert!(memory_bandwidth(&unclear, &tenant(), None).unwrap_err().as_str().contains("not clear"));
}

#[test]
fn a_share_of_the_link_is_kept() {
    let sender = Sender { address: Ipv4Addr::new(10, 244, 0, 7), busiest: 4e8 };
    let link = |text: &str| Uplink::of("eth0", &Report::read(text));
    let free = link("=speed\n 10000\n=qdisc\n [{\"kind\":\"mq\",\"handle\":\"0:\",\"root\":true}]\n");
    let draft = host_bandwidth(&machine(""), &tenant(), &free, sender).unwrap();
    assert_eq!((draft.risk, refusals(&draft)), (Risk::R3, vec![]));
    let Deed::Link { before, shares, .. } = deed(draft) else { panic!() };
    assert_eq!((before.as_str(), shares.victim, shares.management), ("mq", 501_000_000, 500_000_000));
    let shaped = link("=speed\n 10000\n=qdisc\n [{\"kind\":\"tbf\",\"handle\":\"1:\",\"root\":true}]\n");
    assert!(
        host_bandwidth(&machine(""), &tenant(), &shaped, sender).unwrap_err().as_str().contains("tbf 1:")
    );
    for text in ["", "=speed\n -1\n=qdisc\n [{\"kind\":\"mq\",\"handle\":\"0:\",\"root\":true}]\n"] {
        assert!(host_bandwidth(&machine(""), &tenant(), &link(text), sender).is_err());
    }
}

#[test]
fn processors_and_disks_are_halved() {
    let scope = format!("cri-containerd-{ID}.scope");
    let expected =
        Deed::Cpu { before: "max 100000".into(), after: "200000 100000".into(), unit: Some(scope) };
    assert_eq!(deed(cpu_max(&machine(""), &tenant()).unwrap()), expected);
    // What systemd cannot give back as it was is written by hand.
    let mut odd = tenant();
    odd.cpu_max = Some("350500 100000".to_owned());
    assert!(matches!(deed(cpu_max(&machine(""), &odd).unwrap()), Deed::Cpu { unit: None, .. }));
    odd.cpu_max = Some("150000 100000".to_owned());
    assert!(cpu_max(&machine(""), &odd).is_err());
    for state in ["{\"policyName\":\"static\"}", "{}", "nonsense"] {
        let fixed = machine(&format!("=cpu-manager\n {state}\n"));
        assert_eq!(refusals(&cpu_max(&fixed, &tenant()).unwrap()).len(), 1, "{state}");
    }
    // The disk it uses, of the whole ones; reads are too few to be limited.
    let after = "259:0 rbps=max wbps=100000000 riops=max wiops=max".to_owned();
    assert_eq!(
        deed(io_max(&machine(""), &tenant()).unwrap()),
        Deed::Disk { before: None, after: after.clone() }
    );
    let mut limited = tenant();
    limited.io_max = Some(BTreeMap::from([("259:0".to_owned(), after)]));
    assert!(io_max(&machine(""), &limited).is_err());
    limited.io_max = None;
    assert!(io_max(&machine(""), &limited).is_err());
    let mut quiet = tenant();
    quiet.rate = None;
    assert!(io_max(&machine(""), &quiet).is_err() && cpu_max(&machine(""), &quiet).is_err());
}

#[test]
fn without_a_way_back_nothing_is_done() {
    for (tool, contained) in [("systemd-run", "no systemd-run"), ("flock", "no flock")] {
        let mut bare = machine("");
        bare.tools = bare.tools.iter().filter(|other| *other != tool).cloned().collect::<BTreeSet<_>>();
        for draft in [cache_ways(&bare, &tenant()), cpu_max(&bare, &tenant()), io_max(&bare, &tenant())] {
            assert!(refusals(&draft.unwrap())[0].contains(contained));
        }
    }
    let old = machine("=controllers\n");
    assert!(refusals(&io_max(&old, &tenant()).unwrap())[0].contains("cgroup v2"));
}
