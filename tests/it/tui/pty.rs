//! The real terminal path: the test binary runs itself in a pseudo-terminal, shows the screens of
//! the fixture there, and whatever ends it, the terminal must be as it was.
#![cfg(unix)]

use std::io::{Read, Write};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sagetop::domain::Timestamp;
use sagetop::engine::{EngineEvent, Request, Snapshot};
use sagetop::tui::{self, TuiOptions};
use tokio::sync::mpsc;

use super::fixture;

/// Set in the child: what it shall do besides showing the screens.
const ROLE: &str = "SAGETOP_TEST_CHILD";
const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test: the program that runs inside the pseudo-terminal.
#[test]
#[ignore = "runs inside the pseudo-terminal of the other tests"]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let (events, event_rx) = mpsc::channel(64);
        let (request_tx, mut requests) = mpsc::channel(1);
        tokio::spawn(async move {
            for event in fixture::usual() {
                events.send(fresh(event)).await.unwrap();
            }
            while let Some(request) = requests.recv().await {
                if let Request::Diagnose(_) = request {
                    assert!(role != "panic", "a bug in the engine");
                    let _ = events.send(fixture::answered(7, fixture::verdict())).await;
                }
            }
        });
        tui::run(event_rx, request_tx, TuiOptions::builtin().unwrap()).await
    });
    println!("screens ended: {}", result.map_or_else(|e| e.to_string(), |()| "well".to_owned()));
}

/// The fixture's picture as of now: the child reads the real clock.
fn fresh(event: EngineEvent) -> EngineEvent {
    let EngineEvent::Snapshot(snapshot) = event else { return event };
    let mut snapshot = Snapshot::clone(&snapshot);
    snapshot.at = Timestamp::now();
    for slo in &mut snapshot.slos {
        slo.at = snapshot.at;
    }
    EngineEvent::Snapshot(Arc::new(snapshot))
}

struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    output: std_mpsc::Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// Everything the child sent.
    raw: Vec<u8>,
}

impl Terminal {
    fn start(role: &str) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["tui::pty::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = std_mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = pair.master.take_writer().unwrap();
        let cells = |n| std::num::NonZero::new(n).unwrap();
        let screen = vt100::Parser::new(cells(24), cells(80), 100);
        Self { child, master: pair.master, input, output, screen, raw: Vec::new() }
    }

    fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Takes in output until the screen contains `text`.
    fn expect(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.screen.screen().contents().contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("{text:?} did not appear on\n{}", self.screen.screen().contents()),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits until it has drawn something and rests.
    fn redrawn(&mut self) {
        let mut patience = PATIENCE;
        while let Ok(bytes) = self.output.recv_timeout(patience) {
            self.take(&bytes);
            patience = Duration::from_millis(300);
        }
    }

    /// Waits for the end; the terminal must be what it was before the start.
    fn ends(mut self) -> String {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end:\n{}", self.screen.screen().contents());
            std::thread::sleep(Duration::from_millis(10));
        }
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(300)) {
            self.take(&bytes);
        }
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is still shown");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
        #[cfg(target_os = "linux")]
        {
            let modes = self.master.get_termios().unwrap();
            assert!(edits_lines(&modes), "the terminal is still raw: {:?}", modes.local_flags);
        }
        screen.contents()
    }
}

/// Whether the terminal echoes and edits lines. The type of the flags belongs to a crate that is
/// none of ours, so they are compared by name.
#[cfg(target_os = "linux")]
fn edits_lines(modes: &impl std::fmt::Debug) -> bool {
    let printed = format!("{modes:?}");
    printed.contains("ECHO") && printed.contains("ICANON")
}

fn started(role: &str) -> Terminal {
    let mut terminal = Terminal::start(role);
    terminal.expect("BREACHED product-page-p95");
    assert!(terminal.screen.screen().alternate_screen());
    terminal
}

#[test]
fn quitting_restores_the_terminal() {
    let mut terminal = started("plain");
    terminal.press("v");
    terminal.expect("Had recommendationservice's CPU been normal");
    terminal.press("\x1b");
    terminal.expect("[SLOs]");
    terminal.press("q");
    assert!(terminal.ends().contains("screens ended: well"));
}

#[test]
fn signals_restore_the_terminal() {
    for signal in ["TERM", "HUP", "INT"] {
        let terminal = started("plain");
        terminal.signal(signal);
        let rest = terminal.ends();
        assert!(rest.contains("screens ended: well"), "{signal}: {rest}");
    }
}

/// Nobody could continue a program that stops without a shell, so it must not stop.
#[test]
fn suspending_without_a_shell_goes_on() {
    let mut terminal = started("plain");
    terminal.press("\x1a");
    terminal.press("?");
    terminal.expect("One line up.");
    terminal.press("q");
    assert!(terminal.ends().contains("screens ended: well"));
}

#[test]
fn a_panic_of_another_task_restores_the_terminal_and_stays_readable() {
    let mut terminal = started("panic");
    terminal.press("v");
    let rest = terminal.ends();
    assert!(rest.contains("a bug in the engine"), "{rest}");
    assert!(rest.contains("screens ended: a part of sagetop failed unexpectedly"), "{rest}");
}

#[test]
fn a_new_size_is_drawn() {
    let mut terminal = started("plain");
    let size = PtySize { rows: 10, cols: 40, pixel_width: 0, pixel_height: 0 };
    terminal.master.resize(size).unwrap();
    let cells = |n| std::num::NonZero::new(n).unwrap();
    terminal.screen.screen_mut().set_size(cells(10), cells(40));
    // A key that comes together with the new size may be read with the next one only.
    terminal.redrawn();
    terminal.press("s");
    terminal.expect("in the order of the configuration");
    terminal.press("q");
    terminal.ends();
}

#[test]
fn an_idle_screen_sends_next_to_nothing() {
    let mut terminal = started("plain");
    terminal.expect("model of 1,440 windows");
    while let Ok(bytes) = terminal.output.recv_timeout(Duration::from_millis(500)) {
        terminal.take(&bytes);
    }
    let before = terminal.raw.len();
    while let Ok(bytes) = terminal.output.recv_timeout(Duration::from_secs(3)) {
        terminal.take(&bytes);
    }
    // At most one age may have changed meanwhile: a few cells.
    assert!(terminal.raw.len() - before < 600, "{} bytes in 3 s", terminal.raw.len() - before);
    terminal.press("q");
    terminal.ends();
}
