//! The ssh stand-in: commands for machines, and what they do to the lab.

use sagetop::lab::sim::Change;
use serde_json::{Value, json};

use crate::lab_operators::Lab;

/// Takes a lock, compares, writes, says what happened: how a careful operator sets a line.
const COMPARE_AND_SET: &str = r#"
set -eu
trap '' HUP PIPE
op=$1 group=$2 old=$3 new=$4
dir=/sys/fs/resctrl/$group
result=/run/sagetop/$op
if [ -e "$result" ]; then cat "$result"; exit 0; fi
[ -d "$dir" ] || mkdir "$dir"
now=$(grep 'L3:' "$dir/schemata" | tr -d ' ')
if [ "$now" != "$old" ]; then echo "now $now"; exit 76; fi
if ! echo "$new" > "$dir/schemata" 2>/dev/null; then
  cat /sys/fs/resctrl/info/last_cmd_status >&2
  exit 78
fi
for pid in $(cat "$5"); do
  echo "$pid" > "$dir/tasks" || true
done
mkdir -p /run/sagetop
printf 'done %s\n' "$new" > "$result.tmp"
mv "$result.tmp" "$result"
cat "$result"
"#;

/// As a shell or another program finds it: by its name, in the folder that comes first in `PATH`.
#[test]
fn it_finds_its_lab_through_the_path_it_was_found_in() {
    let lab = Lab::start();
    let path = std::env::join_paths([lab.installed.folder.as_path(), "/usr/bin".as_ref()]).unwrap();
    for (command, said) in
        [("ssh node-1 hostname", "node-1\n"), ("kubectl get nodes -o name", "node/node-1\nnode/node-2\n")]
    {
        let ran = std::process::Command::new("/bin/sh")
            .args(["-c", command])
            .env_clear()
            .env("PATH", &path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), said, "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

/// The file with the threads of a machine's other tenant.
fn threads_of_tenant(lab: &Lab, node: &str) -> String {
    let pod: Value = serde_json::from_str(
        &lab.kubectl(&["-n", "batch", "get", &format!("pods/analytics-{node}"), "-o", "json"]).out,
    )
    .unwrap();
    let id = pod["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .unwrap()
        .trim_start_matches("containerd://");
    let inspected = lab.ssh(node, &format!("sudo -n crictl inspect -o json '{id}'"), "");
    let inspected: Value = serde_json::from_str(&inspected.out).unwrap();
    assert_eq!(inspected["status"]["labels"]["io.kubernetes.pod.uid"], pod["metadata"]["uid"]);
    let cgroup = lab.ssh(node, &format!("cat '/proc/{}/cgroup'", inspected["info"]["pid"]), "").out;
    format!("/sys/fs/cgroup{}/cgroup.threads", cgroup.trim().strip_prefix("0::").unwrap())
}

#[test]
fn a_neighbours_cache_is_capped_once() {
    let lab = Lab::start();
    let threads = threads_of_tenant(&lab, "node-1");
    let run = |op: &str, old: &str, new: &str| {
        let words = ["sudo -n flock -w 5 -E 75 /sys/fs/resctrl sh -s --".to_owned()]
            .into_iter()
            .chain([op, "sagetop-x", old, new, &threads].map(|word| format!("'{word}'")))
            .collect::<Vec<_>>();
        lab.ssh("node-1", &words.join(" "), COMPARE_AND_SET)
    };
    let stale = run("op0", "L3:0=7", "L3:0=3");
    assert_eq!((stale.code, &*stale.out, lab.changes()), (76, "now L3:0=fff\n", vec![]));
    let refused = run("op1", "L3:0=fff", "L3:0=5");
    assert_eq!((refused.code, &*refused.err), (78, "The mask 5 has non-consecutive 1-bits\n"));
    let done = run("op2", "L3:0=fff", "L3:0=7");
    assert_eq!((done.code, &*done.out, &*done.err), (0, "done L3:0=7\n", ""));
    assert_eq!(lab.changes(), [Change::CacheWaysOfOthers(0, Some(3))]);
    let again = run("op2", "L3:0=fff", "L3:0=7");
    assert_eq!((again.code, &*again.out, lab.changes()), (0, "done L3:0=7\n", vec![]));

    assert_eq!(lab.ssh("node-1", "sudo -n rmdir /sys/fs/resctrl/sagetop-x", "").code, 0);
    assert_eq!(lab.changes(), [Change::CacheWaysOfOthers(0, None)]);
}

#[test]
fn limits_of_a_neighbour_reach_the_simulation() {
    let lab = Lab::start();
    let folder = threads_of_tenant(&lab, "node-2").replace("/cgroup.threads", "");
    let write = |file: &str, text: &str| {
        lab.ssh("node-2", &format!("echo '{text}' | sudo -n tee '{folder}/{file}' >/dev/null"), "")
    };
    assert_eq!(write("cpu.max", "150000 100000").code, 0);
    assert_eq!(write("io.max", "8:0 wbps=10000000").code, 0);
    let changes = [Change::CpuOfOthers(1, Some(1.5)), Change::DiskOfOthers(1, Some(1e7))];
    assert_eq!(lab.changes(), changes);
    let refused = write("cpu.max", "5 100000");
    assert_eq!((refused.code, &*refused.err), (1, &*format!("tee: {folder}/cpu.max: Invalid argument\n")));
    assert!(write("io.max", "8:1 wbps=1").err.contains("No such device"));
    let unit = folder.rsplit('/').next().unwrap();
    assert_eq!(
        lab.ssh("node-2", &format!("sudo systemctl set-property --runtime '{unit}' CPUQuota=50%"), "").code,
        0
    );
    assert_eq!(lab.changes(), [Change::CpuOfOthers(1, Some(0.5))]);
}

#[test]
fn shaping_is_added_shown_and_undoes_itself() {
    let lab = Lab::start();
    let run = |command: &str| lab.ssh("node-1", &format!("sudo -n {command}"), "");
    for command in [
        "systemd-run --unit=sagetop-revert-1 --on-active=900 tc qdisc del dev eth0 root handle 1a:",
        "tc qdisc add dev eth0 root handle 1a: htb default 20 r2q 100",
        "tc class add dev eth0 parent 1a: classid 1a:1 htb rate 10gbit ceil 10gbit",
        "tc class add dev eth0 parent 1a:1 classid 1a:10 htb rate 6gbit ceil 10gbit prio 0 quantum 60000",
        "tc class add dev eth0 parent 1a:1 classid 1a:20 htb rate 4gbit ceil 4gbit prio 1",
        "tc filter add dev eth0 parent 1a: protocol ip prio 1 u32 match ip dst 10.244.0.2/32 flowid 1a:10",
    ] {
        let ran = run(command);
        assert_eq!((ran.code, &*ran.out), (0, ""), "{command}: {ran:?}");
    }
    assert_eq!(lab.changes(), [Change::NetworkOfOthers(0, Some(5e8))]);
    let shown: Value = serde_json::from_str(&run("tc -j qdisc show dev eth0").out).unwrap();
    assert_eq!(
        (&shown[0]["kind"], &shown[0]["handle"], &shown[0]["options"]["default"]),
        (&json!("htb"), &json!("1a:"), &json!("0x20"))
    );
    let refused = run("tc qdisc add dev eth0 root handle 1a: htb default 20");
    assert_eq!((refused.code, &*refused.err), (2, "Error: Exclusivity flag on, cannot modify.\n"));
    lab.observe(899, &[0, 1], 0.0);
    assert_eq!(lab.changes(), []);
    lab.observe(901, &[0, 1], 0.0);
    assert_eq!(lab.changes(), [Change::NetworkOfOthers(0, None)]);
}

#[test]
fn failures_of_the_way_there_look_as_those_of_ssh() {
    let lab = Lab::start();
    assert_eq!(
        lab.ssh("nowhere", "true", "").err,
        "ssh: Could not resolve hostname nowhere: Name or service not known\n"
    );
    assert_eq!(lab.ssh("node-1", "frob", "").code, 127);
    assert_eq!(lab.ssh("node-1", "echo 1 > /sys/fs/resctrl/schemata", "").code, 1);
    let fail = |ssh: &str| lab.manners(serde_json::from_value(json!({ "ssh": ssh, "times": 1 })).unwrap());
    for (manner, code, text) in [
        ("host-key", 255, "Host key verification failed."),
        ("refused", 255, "ssh: connect to host node-1 port 22: Connection refused"),
        ("no-sudo", 1, "sudo: a password is required"),
        ("lost-before", 255, "closed by remote host"),
    ] {
        fail(manner);
        let ran = lab.ssh("node-1", "sudo -n mkdir /run/x", "");
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(text), "{ran:?}");
        assert_eq!(lab.ssh("node-1", "[ -d /run/x ]", "").code, 1, "{manner}");
    }
    fail("midway");
    assert_eq!(lab.ssh("node-1", "for i in 1 2 3 4; do sudo mkdir /run/$i; done", "").code, 255);
    assert_eq!(lab.ssh("node-1", "ls /run", "").out, "1\n2\n");
    fail("lost-after");
    assert_eq!(lab.ssh("node-1", "sudo mkdir /run/x", "").code, 255);
    assert_eq!(lab.ssh("node-1", "[ -d /run/x ]", "").code, 0);
}
