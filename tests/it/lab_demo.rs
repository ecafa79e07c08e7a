//! `sagetop demo` in a terminal: what it leaves behind, and what becomes of that.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const PATIENCE: Duration = Duration::from_secs(120);

/// The demos' folders in `within`.
fn folders(within: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(within).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("/sagetop-demo-")).collect()
}

/// Starts a lab with its temporary files in `within`, and ends it once it is alive.
fn lab(within: &Path) {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_sagetop"))
        .args(["lab", "--json", "--app", "chain-2", "--history", "30s"])
        .args(["--prometheus-port", "0", "--jaeger-port", "0", "--control-port", "0"])
        .env("XDG_RUNTIME_DIR", within)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(lab.stdout.take().unwrap()).read_line(&mut line).unwrap();
    lab.kill().unwrap();
    lab.wait().unwrap();
    assert!(line.contains("sagetop.lab/1"), "{line}");
}

#[test]
fn the_folder_of_a_killed_demo_goes_with_the_next_start_and_a_living_one_stays() {
    let within = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sagetop"));
    command.args(["demo", "--app", "chain-2", "--history", "61m", "--incident", "0"]);
    command.env("TERM", "xterm-256color");
    command.env("XDG_RUNTIME_DIR", within.path());
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut demo = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    // Somebody must read what it draws, or it waits.
    let mut screen = pair.master.try_clone_reader().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while screen.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    let begun = Instant::now();
    let folder = loop {
        match folders(within.path()).pop() {
            Some(folder) if folder.join("config.toml").exists() => break folder,
            _ => assert!(begun.elapsed() < PATIENCE && demo.try_wait().unwrap().is_none(), "no folder"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };

    lab(within.path());
    assert!(folder.join("kubeconfig").exists(), "its owner lives");

    let pid = demo.process_id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "KILL", &pid]).status().unwrap().success());
    demo.wait().unwrap();
    assert!(folder.join("kubeconfig").exists(), "a killed process removes nothing");

    lab(within.path());
    assert_eq!(folders(within.path()), Vec::<PathBuf>::new());
}
