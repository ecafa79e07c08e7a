//! The program as it is run: exit codes, files, pipes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program with a home of its own.
fn sagetop(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagetop"));
    command.args(args).env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

fn run(home: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = sagetop(home.path(), args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    let home = home();
    for args in [&["nonsense"][..], &["config"], &["config", "check", "--at", "yesterday"], &["--colour"]] {
        let (code, out, err) = run(&home, args);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{args:?}");
        assert!(!err.is_empty(), "{args:?}");
    }
    for args in [["--help"], ["--version"], ["help"]] {
        let (code, out, err) = run(&home, &args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
        assert!(out.contains("sagetop"), "{out}");
    }
}

#[test]
fn the_future_is_refused() {
    let home = home();
    for command in [&["status"][..], &["diagnose"], &["graph"], &["doctor"], &["train"], &[]] {
        let (code, out, err) = run(&home, &[&["--at", "2999-01-01T00:00:00Z"], command].concat());
        assert_eq!((code, out.as_str()), (Some(64), ""), "{command:?}");
        assert!(err.contains("2999-01-01T00:00:00Z lies in the future"), "{err}");
    }
}

#[test]
fn init_then_check() {
    let home = home();
    // The screens, too, say what to do first.
    for args in [&["config", "check"][..], &["status"], &[]] {
        let (code, out, err) = run(&home, args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
        assert!(err.contains(".config/sagetop/config.toml") && err.contains("config init"), "{err}");
    }

    let (code, out, err) = run(&home, &["config", "init"]);
    assert_eq!(code, Some(0), "{err}");
    let path = home.path().join(".config/sagetop/config.toml");
    assert!(out.contains(&path.display().to_string()), "{out}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, out, _) = run(&home, &["config", "check"]);
    assert_eq!((code, out), (Some(0), format!("{}: 1 SLO, 1 context\n", path.display())));
}

#[test]
fn init_never_overwrites_unless_forced() {
    let home = home();
    let path = home.path().join("own.toml");
    std::fs::write(&path, "mine").unwrap();
    let path_text = path.display().to_string();
    let (code, _, err) = run(&home, &["config", "init", "--config", &path_text]);
    assert_eq!(code, Some(1));
    assert!(err.contains("exists") && err.contains("--force"), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(run(&home, &["config", "init", "--force", "--config", &path_text]).0, Some(0));
    let (_, printed, _) = run(&home, &["config", "init", "--print"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), printed);
}

#[test]
fn the_file_comes_from_the_option_then_the_variable() {
    let home = home();
    let bad = home.path().join("bad.toml");
    std::fs::write(&bad, "x = 1").unwrap();
    let good = home.path().join("good.toml");
    std::fs::write(&good, "[contexts.a.prometheus]\nurl = 'http://localhost'\n").unwrap();
    let check = |args: &[&str], variable: &Path| {
        sagetop(home.path(), args).env("SAGETOP_CONFIG", variable).output().unwrap().status.code()
    };
    assert_eq!(check(&["config", "check"], &bad), Some(1));
    assert_eq!(check(&["config", "check"], &good), Some(0));
    assert_eq!(check(&["config", "check", "--config", &good.display().to_string()], &bad), Some(0));
    // An empty variable is as none: there is no file in this home.
    assert_eq!(check(&["config", "check"], Path::new("")), Some(1));
}

#[test]
fn check_reports_places_for_people_and_machines() {
    let home = home();
    let path = home.path().join("c.toml");
    std::fs::write(&path, "[contexts.a.prometheus]\nurl = 'http://localhost'\ntimout = '3s'\n").unwrap();
    let path = path.display().to_string();
    let (code, out, _) = run(&home, &["config", "check", "--config", &path]);
    assert_eq!(code, Some(1));
    let first = format!("{path}:3:1: unknown key `timout` in [contexts.a.prometheus]");
    assert!(out.starts_with(&first), "{out}");
    assert!(out.contains("did you mean `timeout`?") && out.contains("^^^^^^\n"), "{out}");
    let (code, out, _) = run(&home, &["config", "check", "--json", "--config", &path]);
    assert_eq!(code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["schema"], &report["ok"]), (&"sagetop.config/1".into(), &false.into()));
    assert_eq!((&report["problems"][0]["line"], &report["problems"][0]["column"]), (&3.into(), &1.into()));
}

#[test]
fn schema_describes_the_file() {
    let (code, out, _) = run(&home(), &["config", "schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["contexts"].is_object(), "{out}");
}

#[test]
fn completions_and_manual() {
    let home = home();
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(&home, &["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(out.contains("sagetop") && out.contains("state-dir"), "{shell}");
    }
    let (code, out, _) = run(&home, &["man"]);
    assert_eq!(code, Some(0));
    assert!(out.contains(".TH sagetop 1"), "{out}");
    let pages = home.path().join("man1");
    assert_eq!(run(&home, &["man", "--dir", &pages.display().to_string()]).0, Some(0));
    assert!(pages.join("sagetop-config-check.1").exists());
}

#[test]
fn a_closed_pipe_is_no_panic() {
    for args in [
        &["config", "schema"][..],
        &["completions", "bash"],
        &["man"],
        &["config", "init", "--print"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sagetop(home().path(), args).stdout(writer).output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap()),
            (Some(0), String::new()),
            "{args:?}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sagetop(home().path(), &["config", "schema"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write the output"));
}

#[test]
fn verbose_logs_to_a_private_file_only() {
    let home = home();
    let state = home.path().join("state");
    let state_text = state.display().to_string();
    let (code, out, err) = run(&home, &["-v", "--state-dir", &state_text, "config", "check"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("sagetop: there is no configuration"), "{err}");
    let log = state.join("sagetop.log");
    assert!(std::fs::read_to_string(&log).unwrap().contains("there is no configuration"));
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    // Without -v nothing is written.
    let other = home.path().join("other");
    run(&home, &["--state-dir", &other.display().to_string(), "config", "check"]);
    assert!(!other.exists());
}
