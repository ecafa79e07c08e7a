//! The script behind a real ssh and sshd: what arrives, what is told when there is no session, and what is
//! left when one is lost.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sagetop::domain::Clean;
use sagetop::remedy::names::User;
use sagetop::remedy::node::container::Seat;
use sagetop::remedy::node::report::{Kept, Report};
use sagetop::remedy::node::script::{Exit, HELPER, SCRIPT};
use sagetop::remedy::node::ssh::{Ending, Entry};
use sagetop::remedy::node::sudoers::sudoers;
use sagetop::remedy::node::write::{Deed, NodeWrite, Standing, outcome};
use sagetop::remedy::{OperationId, Step};

use crate::remedy_node::sshd::{Sshd, free_port, run, spawn};
use crate::remedy_node::tree::{CONTAINER, POD, Tree, cgroup};

fn op(name: &str) -> OperationId {
    OperationId(Clean::new(name))
}

fn ways() -> NodeWrite {
    let seat = Seat { container: CONTAINER.to_owned(), uid: POD.to_owned(), cgroup: cgroup() };
    NodeWrite {
        seat,
        deed: Deed::Schemata { group: "sagetop-x".into(), before: None, after: "L3:0=7;1=7".into() },
    }
}

fn step(server: &Sshd, words: &[String]) -> Step {
    server.login().step(Entry::Shell, words)
}

fn said(server: &Sshd, words: &[String]) -> String {
    let (end, output) = run(&step(server, words));
    assert!(matches!(end, Ending::Script(Exit::Done, _)), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_change_is_made_read_and_undone_over_ssh() {
    let tree = Tree::new();
    let Some(server) = Sshd::start(&tree) else { return };
    let write = ways();
    let report = Report::read(&said(&server, &["probe".to_owned(), "machine".to_owned()]));
    assert!(report.is_ours() && report.has("schemata"), "{report:?}");
    let (end, _) = run(&step(&server, &write.apply(&op("op1")).unwrap()));
    let done = Ending::Script(Exit::Done, Clean::new("L3:0=7;1=7; 4 threads moved, 0 not"));
    assert_eq!(end, done);
    assert_eq!(write.standing(&said(&server, &write.read().unwrap())), Standing::After);
    assert_eq!(run(&step(&server, &write.apply(&op("op1")).unwrap())).0, done);
    let (end, _) = run(&step(&server, &write.apply(&op("op2")).unwrap()));
    assert_eq!(end, Ending::Script(Exit::Changed, Clean::new("L3:0=7;1=7")));
    let (end, _) = run(&step(&server, &write.undo(&op("op3"), &op("op1")).unwrap()));
    assert_eq!(end, Ending::Script(Exit::Done, Clean::new("absent")));
    assert!(tree.is_untouched());
}

#[test]
fn words_arrive_as_they_are_and_none_is_run() {
    let tree = Tree::new();
    let Some(server) = Sshd::start(&tree) else { return };
    for word in ["$(touch x)", "'; touch x; '", "a b", "*", "-x", "\n", "`id`", "", "\\", "\"", "é"] {
        let words = ["operation", "outcome", word].map(str::to_owned);
        let (end, output) = run(&step(&server, &words));
        assert!(matches!(end, Ending::Script(Exit::Words, _)), "{word:?}: {output:?}");
    }
    assert!(tree.is_untouched() && !tree.has("run/sagetop"));
}

#[test]
fn without_a_session_nothing_was_done() {
    let tree = Tree::new();
    let Some(server) = Sshd::start(&tree) else { return };
    let words = ways().apply(&op("op1")).unwrap();
    let never = |login: sagetop::remedy::node::ssh::Login, expected: &str| {
        let (end, output) = run(&login.step(Entry::Shell, &words));
        assert!(matches!(end, Ending::NeverConnected(_)), "{expected}: {end:?}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains(expected), "{complaint}");
    };
    never(server.login_at(free_port(), "127.0.0.1", "client"), "Connection refused");
    never(server.login_at(22, "nowhere.invalid", "client"), "Could not resolve hostname");
    never(server.login_at(server_port(&server), "127.0.0.1", "other"), "Permission denied (publickey)");
    server.know("");
    never(server.login(), "host key is known for");
    server.know("other");
    never(server.login(), "REMOTE HOST IDENTIFICATION HAS CHANGED!");
    assert!(tree.is_untouched() && !tree.has("run/sagetop"));
}

fn server_port(server: &Sshd) -> u16 {
    let config = std::fs::read_to_string(server.login().config.unwrap()).unwrap();
    config.lines().next().unwrap().trim_start_matches("Port ").parse().unwrap()
}

#[test]
fn a_remote_command_that_is_killed_is_unknown() {
    let tree = Tree::new();
    let Some(server) = Sshd::start(&tree) else { return };
    let mut step = step(&server, &[]);
    *step.argv.last_mut().unwrap() = "kill -9 $$".to_owned();
    assert!(matches!(run(&step).0, Ending::Lost(_)));
    *step.argv.last_mut().unwrap() = "sagetop-no-such-tool".to_owned();
    let (end, _) = run(&step);
    assert!(matches!(&end, Ending::NoProgram(why) if why.as_str().contains("not found")), "{end:?}");
}

/// Waits for something to be so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_session_lost_in_the_middle_leaves_a_result_that_the_next_one_reads() {
    let tree = Tree::new();
    let Some(server) = Sshd::start(&tree) else { return };
    let write = ways();
    // The kernel takes its time with the group, so that there is a middle.
    tree.put("slow", "2");
    let mut client = spawn(&step(&server, &write.apply(&op("op1")).unwrap()));
    until("the change", || tree.has("run/sagetop/op1.sh"));
    client.kill().unwrap();
    client.wait().unwrap();
    assert!(!tree.has("run/sagetop/op1"));
    // The next session waits for the lock and reads what became of it.
    let kept = Kept::of(&Report::read(&said(&server, &outcome(&op("op1")).unwrap())));
    let done = (Exit::Done, Clean::new("L3:0=7;1=7; 4 threads moved, 0 not"));
    assert_eq!(kept, Kept { result: Some(done), begun: true, reverted: None, waits: true });
    assert_eq!(write.standing(&said(&server, &write.read().unwrap())), Standing::After);
}

#[test]
fn a_session_lost_before_the_script_was_whole_does_nothing() {
    let tree = Tree::new();
    let Some(server) = Sshd::start(&tree) else { return };
    let mut step = step(&server, &ways().apply(&op("op1")).unwrap());
    step.stdin = None;
    let mut client = spawn(&step);
    let mut pipe = client.stdin.take().unwrap();
    pipe.write_all(&SCRIPT.as_bytes()[..SCRIPT.len() - 20]).unwrap();
    pipe.flush().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    client.kill().unwrap();
    client.wait().unwrap();
    drop(pipe);
    // What a shell made of it would be there by now: the next session's answer is.
    said(&server, &["probe".to_owned(), "machine".to_owned()]);
    assert!(tree.is_untouched() && !tree.has("run/sagetop"));
}

#[test]
fn sudo_takes_the_right_that_is_generated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sagetop");
    std::fs::write(&file, sudoers(&User::new("ops").unwrap())).unwrap();
    let Ok(checked) = Command::new("/usr/sbin/visudo").args(["-c", "-f"]).arg(&file).output() else {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`sudo` is not installed");
        eprintln!("skipped: `sudo` is not installed");
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
    // The helper is the script with its root fixed: another root is a wrong word.
    let helper = folder.path().join("sagetop-node");
    std::fs::write(&helper, HELPER).unwrap();
    let call = |words: &[&str]| {
        Command::new("/bin/sh").arg(&helper).args(words).stdin(Stdio::null()).output().unwrap()
    };
    let probed = call(&["probe", "machine"]);
    assert!(Report::read(&String::from_utf8(probed.stdout).unwrap()).is_ours());
    assert_eq!(call(&["/tmp", "probe", "machine"]).status.code(), Some(64));
}
