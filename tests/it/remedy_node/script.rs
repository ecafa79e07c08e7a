//! The script itself: readable by every POSIX shell, and harmless in part or with wrong words.

use std::io::Write;
use std::process::{Command, Stdio};

use sagetop::remedy::node::script::{HELPER, HELPER_PATH, PROTOCOL, SCRIPT, helper_digest};

use crate::remedy_node::tree::Tree;

fn feed(program: &str, args: &[&str], text: &str) -> (Option<i32>, String) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A shell that has met an error reads no further.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn shells_and_their_critic_read_it() {
    // What stands in the here-document is what runs.
    let (_, body) = SCRIPT.split_once("<<'SAGETOP'\n").unwrap();
    let (body, _) = body.split_once("\nSAGETOP\n").unwrap();
    for shell in ["dash", "bash"] {
        for text in [SCRIPT, HELPER, body] {
            assert_eq!(feed(&format!("/bin/{shell}"), &["-n"], text), (Some(0), String::new()));
        }
    }
    if Command::new("shellcheck").arg("--version").output().is_err() {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`shellcheck` is not installed");
        eprintln!("skipped in part: `shellcheck` is not installed");
        return;
    }
    // 2317: most functions are called by the word that names them.
    let body = format!("text() {{ :; }}\n{body}\n");
    let (code, said) = feed("shellcheck", &["-s", "sh", "-f", "gcc", "-e", "SC2317", "-"], &body);
    assert_eq!((code, &*said), (Some(0), ""));
}

#[test]
fn half_a_script_does_nothing() {
    let tree = Tree::new();
    let root = tree.root().to_str().unwrap();
    let ends = SCRIPT.rfind("eval").unwrap();
    for end in (0..ends).step_by(SCRIPT.len() / 40).chain([ends, ends + 6]) {
        let (_, said) = feed("/bin/sh", &["-s", "--", root, "probe", "machine"], &SCRIPT[..end]);
        assert!(!said.contains("=protocol"), "{end}: {said}");
    }
    let (code, said) = feed("/bin/sh", &["-s", "--", root, "probe", "machine"], SCRIPT);
    assert!(code == Some(0) && said.starts_with(&format!("=protocol\n {PROTOCOL}\n")), "{said}");
}

#[test]
fn wrong_words_are_refused_before_anything_is_done() {
    let tree = Tree::new();
    for words in [
        &[][..],
        &["probe"],
        &["text", "x", "y"],
        &["usage", "x"],
        &["probe", "shadow"],
        &["probe", "process", "1/../../etc"],
        &["probe", "interface", "../x"],
        &["probe", "container", "--help"],
        &["operation", "keep", "op1"],
        &["operation", "outcome", "../../etc/shadow"],
        &["operation", "outcome", "-x"],
        &["operation", "rm", "x"],
        &["resctrl", "apply", "op1"],
        &["resctrl", "undo", "op1", "op0", "gold", "absent", "L3:0=f"],
        &["resctrl", "undo", "op1", "op0", "sagetop-../x", "absent", "L3:0=f"],
        &["resctrl", "undo", "op1", "op0", "sagetop-x", "absent", "L3:0=f\nMB:0=10"],
        &["htb", "undo", "op1", "op0", "-j"],
        &["htb", "undo", "op1", "../op0", "eth0"],
        &["cgroup", "undo", "op1"],
    ] {
        let ran = tree.run(words);
        assert_eq!(ran.code, 64, "{words:?}: {ran:?}");
        assert!(ran.err.starts_with("sagetop: wrong words: "), "{ran:?}");
    }
    assert!(!tree.has("run/sagetop"));
}

#[test]
fn the_helper_is_the_script_on_the_machine_itself() {
    assert!(HELPER.starts_with("#!/bin/sh\n") && HELPER.contains("set -- / \"$@\"\n"));
    assert!(HELPER_PATH.starts_with('/'));
    // Words or output that change need another number, so that an installed helper is not taken for this one.
    let known = "b3522f454f1221cb535d43e31e441917961342fe8d3b62e3d3735f3659e3cd5b";
    assert_eq!((PROTOCOL, helper_digest().as_str()), (1, known));
}
