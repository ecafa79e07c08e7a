//! The shell against a real one, and what a machine allows.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Machine, SshRequest, SshResponse};
use crate::lab::cluster::Node;
use crate::lab::standin::kube::SshManner;

fn machine() -> Machine {
    let node = Node { name: "n".into(), cores: 4, memory: 1 << 33, nic: 1e9, disk: 1e8, llc: (12 << 20, 12) };
    Machine::new(&node, 0)
}

fn run(machine: &mut Machine, user: &str, command: &str) -> SshResponse {
    let request =
        SshRequest { host: "n".into(), user: user.into(), command: command.into(), stdin: String::new() };
    machine.run(&request, SshManner::Normal, 0)
}

/// Scripts that touch no files: a real shell may run them.
const SCRIPTS: [&str; 31] = [
    "echo a  'b  c' \"d $((1 + 2 * 3))\" \\$x",
    "x='a b'; for i in $x \"$x\"; do echo \"[$i]\"; done",
    "set -- 1 '2 3'; for i; do echo \"[$i]\"; done; echo $# \"$@\" \"$*\"",
    "f() { echo \"$1-$#\"; return 3; }; f a b; echo $?",
    "set -e; false || echo kept; if false; then :; fi; ! true; echo on; false; echo never",
    "set -u; echo ${unset:-default} ${unset-x}; y=1; echo ${y:+set} ${#y}; echo $nothing; echo never",
    "x=/a/b/c.txt; echo ${x##*/} ${x%/*} ${x%.txt} ${x#*/}",
    "x='max a:b*c'; echo \"${x% *}\" \"${x#* }\" \"${x%%:*}:\" \"${x%'*'c}\" \"${x%\"*c\"}\" \"${x:-*}\"; y=' a'; echo \"${x#max\"$y\"}\"",
    "case foo.bar in *.baz) echo no;; f*|g) echo yes;; esac",
    "i=0; while [ $i -lt 5 ]; do i=$((i + 1)); [ $i = 2 ] && continue; [ $i -eq 4 ] && break; echo $i; done",
    "printf '%s-%s\\n' a b c; printf '%d%%\\n' 7",
    "echo \"$(echo inner; echo more)\" `echo old`",
    "printf 'a b\\nc\\n' | while read -r x y; do echo \"$x|$y\"; done",
    "cat <<EOF\n$((2 << 3)) \"q\" $(echo sub)\nEOF\necho after",
    "cat <<'EOF'\n$x `y`\nEOF",
    "(x=1; exit 4); echo $? $x",
    "{ echo out; echo err >&2; } 2>&1 | sort",
    "echo hidden >/dev/null; echo err 2>/dev/null >&2; echo $?",
    "x=1 y=2; x=5 true; echo $x$y; unset x; echo [$x]",
    "true && false || echo third; false && echo no; echo $?",
    "if [ -z '' ] && [ a != b ] && [ ! -n '' ]; then echo all; else echo none; fi",
    "test 3 -gt 2 -a 1 -le 1 && echo both",
    "eval 'z=3; echo $z'; echo \"${z}x\"",
    "echo a | grep -q b || echo missing; printf 'x1\\ny2\\n' | grep -c y; printf 'L3:0=f\\n' | cut -d= -f2",
    "until false; do echo once; break; done; exit 7; echo never",
    "echo \"a\\\"b\" 'c'\\''d' e\\ f \"\\x\"",
    "a=$(false); echo $?; a=$(true) || echo no; echo $?",
    "mask=$(( (1 << 3) - 1 )); printf '%x\\n' $mask; echo $((0x10 & 0x18 | 1))",
    "seq 3 | tail -n 2 | tr '\\n' ' '; echo; printf 'b\\na\\nb\\n' | sort -u | head -n 1; echo 'x y' | wc -w",
    "for i in 1 2; do for j in a b; do [ $j = b ] && break; echo $i$j; done; done",
    "# a comment\necho x # another\necho 'y # no'",
];

#[test]
fn the_shell_does_as_a_shell_does() {
    for script in SCRIPTS {
        let mut child =
            Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.as_mut().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let mut out = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut out).unwrap();
        let code = child.wait().unwrap().code().unwrap();
        let ours = run(&mut machine(), "root", script);
        assert_eq!((ours.stdout, ours.code), (out, code), "{script}\n{}", ours.stderr);
    }
}

#[test]
fn only_root_changes_a_machine() {
    let machine = &mut machine();
    for (command, message) in [
        ("mkdir /sys/fs/resctrl/x", "Permission denied"),
        ("tee /run/x", "Permission denied"),
        ("tc qdisc add dev eth0 root handle 1: htb", "Operation not permitted"),
        ("systemctl stop x.timer", "authentication required"),
    ] {
        let ran = run(machine, "ops", command);
        assert!(ran.code != 0 && ran.stderr.contains(message), "{command}: {ran:?}");
        assert!(!run(machine, "ops", &format!("sudo -n {command}")).stderr.contains(message), "{command}");
    }
}

#[test]
fn resctrl_says_what_is_wrong_with_a_line() {
    let machine = &mut machine();
    assert_eq!(run(machine, "root", "cd /; mkdir /sys/fs/resctrl/g").code, 0);
    for (line, status) in [
        ("L3:0=5", "The mask 5 has non-consecutive 1-bits"),
        ("L3:0=1fff", "Mask out of range"),
        ("L3:0=xyz", "Non-hex character in the mask xyz"),
        ("L3:0=1;0=2", "Duplicate domain 0"),
        ("L3:x", "Missing '=' or non-numeric domain"),
        ("L3", "Missing ':'"),
        ("L2:0=1", "Unknown or unsupported resource name 'L2'"),
        ("MB:0=5", "MB value 5 out of range [10,100]"),
        ("MB:0=x", "Invalid MB value x"),
    ] {
        let ran = run(
            machine,
            "root",
            &format!("echo '{line}' > /sys/fs/resctrl/g/schemata; cat /sys/fs/resctrl/info/last_cmd_status"),
        );
        assert_eq!(ran.stdout, format!("{status}\n"), "{line}");
    }
    let script = "printf 'L3:0=3' > /sys/fs/resctrl/g/schemata || echo 'no newline'
        printf 'L3:0=3\\nMB:0=31\\n' > /sys/fs/resctrl/g/schemata
        cat /sys/fs/resctrl/g/schemata; echo 99 > /sys/fs/resctrl/g/tasks 2>/dev/null || echo gone
        for i in 1 2 3 4 5 6 7; do mkdir /sys/fs/resctrl/h$i 2>/dev/null || echo full; done
        rmdir /sys/fs/resctrl/g /sys/fs/resctrl/h*; ls /sys/fs/resctrl | grep -c h";
    let ran = run(machine, "root", script);
    assert_eq!(ran.stdout, "no newline\n    MB:0=40\n    L3:0=3\ngone\nfull\n1\n", "{ran:?}");
}

#[test]
fn no_script_runs_for_ever_or_breaks_the_shell() {
    let machine = &mut machine();
    assert_eq!(run(machine, "root", "while true; do :; done").code, 137);
    for script in [
        "if", "echo 'x", "$(", "((((", "case", "f() {", "${", "cat <<E", "| x", "for", "a=$(( ", "`", ")",
        "}", "&& x",
    ] {
        assert_eq!(run(machine, "root", script).code, 2, "{script}");
    }
    let endless = run(machine, "root", "f() { f; }; f");
    assert_eq!((endless.code, &*endless.stderr), (2, "bash: maximum nesting level exceeded\n"));
}
