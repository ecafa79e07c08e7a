//! Cache ways and memory bandwidth on a fixture tree.

use std::path::PathBuf;

use crate::remedy_node::tree::{CONTAINER, POD, Ran, Tree, cgroup, ended};

const GROUP: &str = "sys/fs/resctrl/sagetop-x";
const FULL: &str = "absent";
const THREE: &str = "L3:0=7;1=7";

fn ran(code: i32, out: &str) -> Ran {
    Ran { code, out: format!("{out}\n"), err: String::new() }
}

#[test]
fn a_container_gets_a_group_of_its_own_and_leaves_it_again() {
    for shell in ["sh", "bash"] {
        let tree = Tree::with_shell(shell);
        let applied = tree.ways("op1", FULL, THREE);
        assert_eq!(applied, ran(0, "L3:0=7;1=7; 4 threads moved, 0 not"), "{shell}");
        assert!(tree.text(&format!("{GROUP}/schemata")).contains("L3:0=7;1=7\n"));
        assert!(tree.text(&format!("{GROUP}/schemata")).contains("MB:0=100;1=100\n"));
        assert_eq!(tree.text(&format!("{GROUP}/tasks")), "11\n12\n13\n14\n");
        assert_eq!(tree.names("timers"), ["sagetop-revert-op1"]);

        // Once more is no more: the old result is told.
        tree.put(&tree.seat("cgroup.threads"), "11\n12\n13\n14\n15\n");
        assert_eq!(tree.ways("op1", FULL, THREE), applied);
        assert_eq!(tree.text(&format!("{GROUP}/tasks")), "11\n12\n13\n14\n");

        assert_eq!(tree.ways_undo("op2", "op1", FULL, THREE), ran(0, "absent"));
        assert!(tree.is_untouched(), "{:?}", tree.names("sys/fs/resctrl"));
        assert_eq!(tree.ways_undo("op3", "op1", FULL, THREE), ran(0, "absent"));
    }
}

#[test]
fn what_nobody_keeps_takes_itself_back() {
    let tree = Tree::new();
    tree.ways("op1", FULL, THREE);
    assert_eq!(tree.fire("op1"), ran(0, "absent"));
    assert!(tree.is_untouched());
    let outcome = tree.run(&["operation", "outcome", "op1"]);
    assert_eq!(
        outcome.out,
        "=begun\n begun\n=result\n 0\n L3:0=7;1=7; 4 threads moved, 0 not\n=reverted\n 0\n absent\n"
    );
    assert_eq!(tree.run(&["operation", "keep", "op2", "op1"]), ran(76, "it has taken itself back"));
}

#[test]
fn what_is_kept_stays() {
    let tree = Tree::new();
    tree.ways("op1", FULL, THREE);
    assert!(tree.run(&["operation", "outcome", "op1"]).out.ends_with("=timer\n active\n"));
    assert_eq!(tree.run(&["operation", "keep", "op2", "op1"]), ran(0, "kept"));
    assert_eq!(tree.names("timers"), [""; 0]);
    assert!(tree.has(GROUP));
    assert_eq!(tree.run(&["operation", "keep", "op3", "op1"]), ran(0, "kept"));
    assert_eq!(tree.ways_undo("op4", "op1", FULL, THREE), ran(0, "absent"));
    assert!(tree.is_untouched());
}

#[test]
fn two_changes_share_a_group_and_are_undone_in_any_order() {
    for first_first in [true, false] {
        let tree = Tree::new();
        tree.ways("op1", FULL, THREE);
        let applied = tree.ways("op2", "MB:0=100;1=100", "MB:0=50;1=50");
        assert_eq!(applied, ran(0, "MB:0=50;1=50; 0 threads moved, 0 not"));
        let cache = || tree.ways_undo("op3", "op1", FULL, THREE);
        let memory = || tree.ways_undo("op4", "op2", "MB:0=100;1=100", "MB:0=50;1=50");
        if first_first {
            assert_eq!(cache(), ran(0, "L3:0=fff;1=fff,MB:0=50;1=50"));
            assert_eq!(memory(), ran(0, "absent"));
        } else {
            assert_eq!(memory().code, 0);
            assert!(tree.has(GROUP));
            assert_eq!(cache(), ran(0, "absent"));
        }
        assert!(tree.is_untouched());
    }
}

#[test]
fn what_is_not_as_it_was_is_left_alone() {
    let tree = Tree::new();
    assert_eq!(tree.ways("op1", "L3:0=fff;1=fff", THREE), ran(76, "absent"));
    assert!(tree.is_untouched());
    tree.ways("op2", FULL, THREE);
    assert_eq!(tree.ways("op3", FULL, "L3:0=3;1=3"), ran(76, "L3:0=7;1=7"));
    tree.put(&format!("{GROUP}/schemata"), "    MB:0=100;1=100\n    L3:0=01f;1=01f\n");
    assert_eq!(tree.ways_undo("op4", "op2", FULL, THREE), ran(76, "L3:0=1f;1=1f"));
    assert!(tree.has(GROUP));
    // The old refusal is told again even though it would be possible now.
    tree.put(&format!("{GROUP}/schemata"), "    MB:0=100;1=100\n    L3:0=7;1=7\n");
    assert_eq!(tree.ways_undo("op4", "op2", FULL, THREE).code, 76);
    assert_eq!(tree.ways_undo("op5", "op2", FULL, THREE), ran(0, "absent"));
}

#[test]
fn the_kernels_refusal_is_told_in_its_words_and_leaves_nothing() {
    let tree = Tree::new();
    tree.put("refuse", "=5 The mask 5 has non-consecutive 1-bits\n");
    let refused = tree.ways("op1", FULL, "L3:0=5;1=5");
    assert_eq!(refused.code, 78);
    assert!(refused.out.starts_with("The mask 5 has non-consecutive 1-bits (tee: "), "{refused:?}");
    assert!(tree.is_untouched());
    tree.put("sys/fs/resctrl/info/L3/num_closids", "1\n");
    let full = tree.ways("op2", FULL, THREE);
    assert_eq!(full.code, 78);
    assert!(full.out.starts_with("Out of CLOSIDs (mkdir: "), "{full:?}");
    assert!(tree.is_untouched());
    // A line that is refused in a group that was there keeps its old line.
    tree.put("sys/fs/resctrl/info/L3/num_closids", "8\n");
    tree.ways("op3", FULL, THREE);
    assert_eq!(tree.ways("op4", THREE, "L3:0=5;1=5").code, 78);
    assert!(tree.text(&format!("{GROUP}/schemata")).contains("L3:0=7;1=7\n"));
    assert_eq!(tree.names("timers"), ["sagetop-revert-op3"]);
}

#[test]
fn machines_that_cannot_say_so_and_are_left_alone() {
    let unsupported = |prepare: &dyn Fn(&Tree), said: &str| {
        let tree = Tree::new();
        prepare(&tree);
        let ran = tree.ways("op1", FULL, THREE);
        assert_eq!((ran.code, ran.out.trim_end()), (77, said), "{ran:?}");
        assert!(!tree.has(GROUP));
    };
    let root = |tree: &Tree| tree.root().to_owned();
    unsupported(
        &|tree| std::fs::remove_file(root(tree).join("sys/fs/resctrl/schemata")).unwrap(),
        "resctrl is not mounted",
    );
    unsupported(
        &|tree| std::fs::remove_file(root(tree).join("sys/fs/cgroup/cgroup.controllers")).unwrap(),
        "this machine has no cgroup v2",
    );
    unsupported(
        &|tree| std::fs::create_dir(root(tree).join("sys/fs/resctrl/gold")).unwrap(),
        "group gold is somebody else's: change the class of the container there",
    );
    // Without a way to take itself back nothing is changed.
    let tree = Tree::new();
    let tools = tree.root().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["cat", "cut", "mkdir", "mv", "rm", "tee", "tr", "flock", "mktemp"] {
        std::os::unix::fs::symlink(PathBuf::from("/usr/bin").join(tool), tools.join(tool)).unwrap();
    }
    let place = cgroup();
    let words = ["resctrl", "apply", "op1", "sagetop-x", &place, CONTAINER, POD, FULL, THREE];
    assert_eq!(
        ended(tree.start_with(&words, std::slice::from_ref(&tools))),
        ran(77, "there is no systemd-run")
    );
    std::fs::remove_file(tools.join("flock")).unwrap();
    let words = ["resctrl", "apply", "op2", "sagetop-x", &place, CONTAINER, POD, FULL, THREE];
    assert_eq!(ended(tree.start_with(&words, &[tools])), ran(77, "there is no flock"));
    assert!(tree.is_untouched());
}

#[test]
fn processes_of_somebody_else_are_not_touched() {
    let tree = Tree::new();
    let run = |op: &str, place: &str, container: &str, pod: &str| {
        tree.run(&["resctrl", "apply", op, "sagetop-x", place, container, pod, FULL, THREE])
    };
    let other = CONTAINER.replace('0', "f");
    assert_eq!(run("op1", &cgroup(), &other, POD).code, 76);
    assert_eq!(run("op2", &cgroup(), CONTAINER, &POD.replace('5', "6")).code, 76);
    let gone = cgroup().replace("burstable", "besteffort");
    assert_eq!(run("op3", &gone, CONTAINER, POD), ran(76, "the container is gone"));
    for (place, container, pod) in [
        ("/../../etc", CONTAINER, POD),
        ("relative", CONTAINER, POD),
        ("/a b", CONTAINER, POD),
        ("/a", "short", POD),
    ] {
        assert_eq!(run("op4", place, container, pod).code, 64);
    }
    assert!(tree.is_untouched());
}

#[test]
fn one_at_a_time() {
    let tree = Tree::new();
    // The same operation twelve times at once is one operation.
    let place = cgroup();
    let words = ["resctrl", "apply", "op1", "sagetop-x", &place, CONTAINER, POD, FULL, THREE];
    let children: Vec<_> = (0..12).map(|_| tree.start(&words)).collect();
    for child in children {
        assert_eq!(ended(child), ran(0, "L3:0=7;1=7; 4 threads moved, 0 not"));
    }
    // Of different ones on the same line one wins.
    let names: Vec<String> = (0..8).map(|i| format!("race{i}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|op| {
            tree.start(&["resctrl", "apply", op, "sagetop-x", &place, CONTAINER, POD, THREE, "L3:0=3;1=3"])
        })
        .collect();
    let codes: Vec<i32> = children.into_iter().map(|child| ended(child).code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 76).count(), 7, "{codes:?}");
}

#[test]
fn who_holds_the_lock_is_waited_for_and_then_told_of() {
    let tree = Tree::new();
    let folder = std::fs::File::open(tree.root().join("sys/fs/resctrl")).unwrap();
    folder.lock().unwrap();
    assert_eq!(tree.ways("op1", FULL, THREE), ran(75, "another program holds resctrl"));
    drop(folder);
    // Nothing was decided, so that the same operation may be tried again.
    assert_eq!(tree.ways("op1", FULL, THREE).code, 0);
}
