//! Processor time and disk traffic on a fixture tree.

use crate::remedy_node::tree::{Ran, Tree, cgroup};

fn ran(code: i32, out: &str) -> Ran {
    Ran { code, out: format!("{out}\n"), err: String::new() }
}

const TWO: &str = "200000 100000";
const ONE: &str = "100000 100000";
const DISK: &str = "8:0 rbps=max wbps=10000000 riops=max wiops=max";

#[test]
fn processor_time_is_limited_and_given_back() {
    let scope = cgroup().rsplit('/').next().unwrap().to_owned();
    for unit in ["none", &scope] {
        let tree = Tree::new();
        let file = tree.seat("cpu.max");
        assert_eq!(tree.limit("op1", "cpu.max", TWO, ONE, unit), ran(0, ONE));
        assert_eq!(tree.text(&file), format!("{ONE}\n"));
        assert_eq!(tree.limit("op1", "cpu.max", TWO, ONE, unit), ran(0, ONE));
        assert_eq!(tree.limit("op2", "cpu.max", TWO, "50000 100000", unit), ran(76, ONE));
        assert_eq!(tree.limit_undo("op3", "op1", "cpu.max", TWO, ONE, unit), ran(0, TWO));
        assert!(tree.is_untouched());
        // No limit at all, before and after.
        tree.put(&file, "max 100000\n");
        assert_eq!(tree.limit("op4", "cpu.max", "max 100000", ONE, unit), ran(0, ONE));
        assert_eq!(tree.fire("op4"), ran(0, "max 100000"));
        assert_eq!(tree.text(&file), "max 100000\n");
    }
}

#[test]
fn disk_traffic_is_limited_on_one_disk_only() {
    let tree = Tree::new();
    let (file, other) = (tree.seat("io.max"), "8:16 rbps=1000000 wbps=max riops=max wiops=max\n");
    tree.put(&file, other);
    assert_eq!(tree.limit("op1", "io.max", "absent", DISK, "none"), ran(0, DISK));
    assert_eq!(tree.text(&file), format!("{other}{DISK}\n"));
    let tighter = "8:0 rbps=max wbps=5000000 riops=max wiops=max";
    assert_eq!(tree.limit("op2", "io.max", DISK, tighter, "none"), ran(0, tighter));
    assert_eq!(tree.limit_undo("op3", "op1", "io.max", "absent", DISK, "none"), ran(76, tighter));
    assert_eq!(tree.limit_undo("op4", "op2", "io.max", DISK, tighter, "none"), ran(0, DISK));
    assert_eq!(tree.limit_undo("op5", "op1", "io.max", "absent", DISK, "none"), ran(0, "absent"));
    assert_eq!(tree.text(&file), other);
}

#[test]
fn refusals() {
    let tree = Tree::new();
    let refused = tree.limit("op1", "cpu.max", TWO, "500 100000", "none");
    assert_eq!(refused.code, 78);
    assert!(refused.out.ends_with("cpu.max: Invalid argument\n"), "{refused:?}");
    let absent = tree.limit("op2", "cpu.max", TWO, ONE, "other.scope");
    assert_eq!(absent, ran(78, "Failed to set unit properties on other.scope: Unit other.scope not found."));
    assert!(tree.is_untouched());
    std::fs::remove_file(tree.root().join(tree.seat("io.max"))).unwrap();
    let off = tree.limit("op3", "io.max", "absent", DISK, "none");
    assert_eq!(off, ran(77, "the container's cgroup has no io.max: its controller is not on"));
    tree.put("var/lib/kubelet/cpu_manager_state", "{\"policyName\": \"static\",\"defaultCpuSet\":\"0-1\"}");
    let fixed = tree.limit("op4", "cpu.max", TWO, ONE, "none");
    assert_eq!(fixed, ran(77, "the kubelet hands out processors itself (static CPU manager)"));
    // With the container its limits are gone: there is nothing to take back.
    assert_eq!(tree.limit_undo("op5", "op0", "io.max", "absent", DISK, "none"), ran(0, "absent"));
    for (file, before, after, unit) in [
        ("memory.max", TWO, ONE, "none"),
        ("cpu.max", TWO, "1", "none"),
        ("cpu.max", TWO, "1 2 3", "none"),
        ("cpu.max", TWO, "x 100000", "none"),
        ("cpu.max", TWO, ONE, "ssh.service"),
        ("cpu.max", TWO, ONE, "-H.scope"),
        ("io.max", "absent", "8:0", "none"),
        ("io.max", "absent", "8:0 rbps=$(id) wbps=max riops=max wiops=max", "none"),
    ] {
        assert_eq!(tree.limit("op6", file, before, after, unit).code, 64, "{file} {after} {unit}");
    }
}
