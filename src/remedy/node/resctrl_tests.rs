//! Reports of machines of several makes, as their kernels' documentation has them.

#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn report(sections: &[(&str, &str)]) -> Report {
    let text: String = sections
        .iter()
        .map(|(name, text)| {
            let lines: String = text.lines().map(|line| format!(" {line}\n")).collect();
            format!("={name}\n{lines}")
        })
        .collect();
    Report::read(&text)
}

const MOUNT: &str = "resctrl /sys/fs/resctrl resctrl rw,relatime 0 0";
const INTEL: [(&str, &str); 10] = [
    ("filesystem", "nodev\tresctrl"),
    ("mount", MOUNT),
    ("vendor", "vendor_id\t: GenuineIntel\nvendor_id\t: GenuineIntel"),
    ("schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff"),
    ("info/L3/cbm_mask", "7ff"),
    ("info/L3/min_cbm_bits", "1"),
    ("info/L3/shareable_bits", "600"),
    ("info/L3/num_closids", "16"),
    ("info/MB/min_bandwidth", "10"),
    ("info/MB/bandwidth_gran", "10"),
];

fn changed(name: &'static str, text: &'static str) -> Report {
    let mut sections = INTEL.to_vec();
    sections.retain(|(other, _)| *other != name);
    sections.push((name, text));
    report(&sections)
}

#[test]
fn an_intel_machine_is_read() {
    let seen = Resctrl::read(&report(&INTEL)).unwrap();
    let cache = Cache { resources: vec!["L3"], mask: 0x7ff, min_bits: 1, shareable: 0x600 };
    assert_eq!(seen.cache, Some(cache));
    assert_eq!(seen.bandwidth, Ok(Bandwidth::Percent { least: 10, step: 10 }));
    assert_eq!(
        (seen.groups_at_most, seen.root.to_string()),
        (Some(16), "L3:0=7ff;1=7ff,MB:0=100;1=100".to_owned())
    );
    let mut sections = INTEL.to_vec();
    sections.push(("group/gold/schemata", "L3:0=00f;1=00f"));
    sections.push(("group/gold/mode", "exclusive"));
    sections.push(("group/sagetop-a/schemata", "L3:0=003;1=003"));
    let seen = Resctrl::read(&report(&sections)).unwrap();
    assert_eq!(seen.foreign().collect::<Vec<_>>(), ["gold"]);
    assert_eq!(seen.groups["sagetop-a"].to_string(), "L3:0=3;1=3");
}

#[test]
fn code_and_data_apart() {
    let mut sections = INTEL.to_vec();
    sections.retain(|(name, _)| !name.starts_with("info/L3") && *name != "schemata");
    sections.extend([
        ("schemata", "L3DATA:0=fffff\nL3CODE:0=fffff"),
        ("info/L3CODE/cbm_mask", "fffff"),
        ("info/L3CODE/min_cbm_bits", "2"),
        ("info/L3CODE/num_closids", "8"),
    ]);
    let seen = Resctrl::read(&report(&sections)).unwrap();
    let cache = seen.cache.unwrap();
    assert_eq!((cache.resources.as_slice(), cache.min_bits), (&["L3CODE", "L3DATA"][..], 2));
    assert_eq!(
        seen.root.with(&cache.resources, |_, _| "1f".to_owned()).to_string(),
        "L3CODE:0=1f,L3DATA:0=1f"
    );
    assert_eq!(seen.bandwidth, Err(NoBandwidth::Absent));
}

#[test]
fn the_unit_of_bandwidth_is_known_or_not_used() {
    let of = |report: &Report| Resctrl::read(report).unwrap().bandwidth;
    let held = changed("mount", "resctrl /sys/fs/resctrl resctrl rw,mba_MBps 0 0");
    assert_eq!(of(&held), Ok(Bandwidth::Megabytes));
    let amd = |schemata: &'static str| {
        let mut sections = INTEL.to_vec();
        sections.retain(|(name, _)| !["vendor", "schemata"].contains(name));
        sections.extend([("vendor", "vendor_id\t: AuthenticAMD"), ("schemata", schemata)]);
        of(&report(&sections))
    };
    assert_eq!(amd("MB:0=2048;1=2048"), Ok(Bandwidth::Eighths));
    let unclear = Err(NoBandwidth::UnclearUnit);
    assert_eq!(amd("MB:0= 100;1= 100"), unclear);
    for (name, text) in [
        ("vendor", ""),
        ("vendor", "vendor_id\t: HygonGenuine"),
        ("vendor", "CPU implementer\t: 0x41"),
        ("mount", ""),
        ("schemata", "MB:0=2048"),
        ("schemata", "MB:0=x"),
        ("info/MB/bandwidth_gran", "0"),
        ("info/MB/min_bandwidth", ""),
    ] {
        assert_eq!(of(&changed(name, text)), unclear, "{name} {text:?}");
    }
}

#[test]
fn machines_without() {
    assert_eq!(Resctrl::read(&report(&[])), Err(NoResctrl::Absent));
    assert_eq!(Resctrl::read(&report(&[("filesystem", "nodev\tresctrl")])), Err(NoResctrl::NotMounted));
    assert_eq!(Resctrl::read(&changed("schemata", "nonsense")), Err(NoResctrl::Unreadable));
    assert_eq!(Resctrl::read(&changed("info/L3/cbm_mask", "0")).unwrap().cache, None);
}

proptest! {
    /// What kernels pad with noughts or blanks is the same line.
    #[test]
    fn lines_come_back(values in prop::collection::btree_map(0u32..64, 1u64..1 << 40, 1..6), pad in 0usize..4) {
        let domains: Vec<String> = values.iter().map(|(id, value)| format!("{id}={}{value:x}", "0".repeat(pad))).collect();
        let line = format!("    L3:{}", domains.join(";"));
        let read = Schemata::read([line.as_str()]).unwrap();
        let plain: Vec<String> = values.iter().map(|(id, value)| format!("{id}={value:x}")).collect();
        prop_assert_eq!(read.to_string(), format!("L3:{}", plain.join(";")));
        let text = read.to_string();
        prop_assert_eq!(Schemata::read([text.as_str()]).unwrap(), read);
    }

    #[test]
    fn any_report_is_read_or_refused(text in "(=(schemata|mount|vendor|info/(L3|MB)/[a-z_]{1,12}|group/[a-z]{1,4}/schemata)\n( [ -~]{0,30}\n){0,3}){0,8}") {
        let _ = Resctrl::read(&Report::read(&text));
    }
}
