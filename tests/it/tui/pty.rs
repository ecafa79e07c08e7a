//! The real program in a pseudo-terminal: its backends do not answer, and whatever ends it, the
//! terminal must be as it was.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sagetop::domain::Timestamp;
use sagetop::engine::Request;
use sagetop::tui::{self, TuiOptions};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{fixture, remedies};

/// Set in the child that is a test binary.
const ROLE: &str = "SAGETOP_TEST_CHILD";
const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test: runs inside the pseudo-terminal. The real program has no bug to panic with.
#[test]
#[ignore = "runs inside the pseudo-terminal of another test"]
fn child() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let (events, event_rx) = mpsc::channel(64);
        let (request_tx, mut requests) = mpsc::channel(1);
        tokio::spawn(async move {
            let verdict = fixture::answered(7, fixture::verdict());
            let changes = [verdict, remedies::ready(), remedies::armed_at(Timestamp::now())];
            let panics = std::env::var(ROLE).is_ok_and(|role| role == "panic");
            for event in fixture::usual().into_iter().chain(changes.into_iter().filter(|_| !panics)) {
                events.send(event).await.unwrap();
            }
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Diagnose(_) => panic!("a bug in the engine"),
                    Request::Remedy(ask) => {
                        if let Some(answer) = remedies::answer(&ask, Timestamp::now()) {
                            events.send(answer).await.unwrap();
                        }
                    }
                    _ => {}
                }
            }
        });
        tui::run(event_rx, request_tx, TuiOptions::builtin().unwrap()).await
    });
    println!("screens ended: {}", result.map_or_else(|e| e.to_string(), |()| "well".to_owned()));
}

/// A configuration whose backends are at `port`, and folders of its own.
fn configured(port: u16) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        r#"
[contexts.test]
[contexts.test.prometheus]
url = "http://127.0.0.1:{port}"
[contexts.test.jaeger]
url = "http://127.0.0.1:{port}"
[[contexts.test.slo]]
name = "checkout p95"
service = "frontend"
quantile = 0.95
objective = "300ms"
source = {{ type = "traces" }}
"#
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    dir
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn sagetop(dir: &Path, more: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sagetop"));
    command.arg("--config");
    command.arg(dir.join("config.toml"));
    command.arg("--state-dir");
    command.arg(dir.join("state"));
    command.args(more);
    command
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
    fn start(mut command: CommandBuilder) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
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
    fn ends(mut self) -> (u32, String) {
        let until = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.screen.screen().contents());
            std::thread::sleep(Duration::from_millis(10));
        };
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
        (code, screen.contents())
    }
}

/// Whether the terminal echoes and edits lines. The type of the flags belongs to a crate that is
/// none of ours, so they are compared by name.
#[cfg(target_os = "linux")]
fn edits_lines(modes: &impl std::fmt::Debug) -> bool {
    let printed = format!("{modes:?}");
    printed.contains("ECHO") && printed.contains("ICANON")
}

/// With backends at a port that nobody listens on.
fn started(more: &[&str]) -> (TempDir, Terminal) {
    let dir = configured(closed_port());
    let mut terminal = Terminal::start(sagetop(dir.path(), more));
    terminal.expect("UNKNOWN  checkout p95");
    assert!(terminal.screen.screen().alternate_screen());
    (dir, terminal)
}

#[test]
fn without_any_answer_the_screens_open_say_why_and_quit() {
    let (_dir, mut terminal) = started(&[]);
    terminal.expect("Prometheus does not answer");
    terminal.press("?");
    terminal.expect("One line up.");
    terminal.press("?");
    terminal.press("v");
    terminal.expect("There is no verdict on checkout p95");
    terminal.press("\x1b");
    terminal.expect("[SLOs]");
    terminal.press("q");
    assert_eq!(terminal.ends(), (0, String::new()));
}

/// The backends take connections and then say nothing: neither the first frame nor the end may wait.
#[test]
fn a_network_that_hangs_delays_nothing() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let dir = configured(silent.local_addr().unwrap().port());
    let mut terminal = Terminal::start(sagetop(dir.path(), &[]));
    terminal.expect("UNKNOWN  checkout p95");
    terminal.expect("connecting");
    terminal.press("v");
    terminal.expect("computing");
    let pressed = Instant::now();
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
    assert!(pressed.elapsed() < Duration::from_secs(10), "it waited for a backend: {:?}", pressed.elapsed());
}

#[test]
fn signals_restore_the_terminal() {
    for signal in ["TERM", "HUP", "INT"] {
        let (_dir, terminal) = started(&[]);
        terminal.signal(signal);
        assert_eq!(terminal.ends(), (0, String::new()), "{signal}");
    }
}

/// Nobody could continue a program that stops without a shell, so it must not stop.
#[test]
fn suspending_without_a_shell_goes_on() {
    let (_dir, mut terminal) = started(&[]);
    terminal.press("\x1a");
    terminal.press("?");
    terminal.expect("One line up.");
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
}

/// The screens with an engine of this test.
fn staged(role: &str) -> Terminal {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["tui::pty::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    Terminal::start(command)
}

/// What a terminal sends at once, such as pasted text, approves nothing in the real loop either.
#[test]
fn keys_that_come_in_one_read_do_not_approve() {
    let mut terminal = staged("remedies");
    terminal.expect("BREACHED product-page-p95");
    terminal.press("a");
    terminal.expect("R1 scale out");
    terminal.press("\r");
    terminal.expect("[ Apply ]");
    const PAGE_DOWN: &str = "\x1b[6~";
    terminal.press(PAGE_DOWN);
    terminal.expect("dry run");
    for burst in ["\t\r", "\r\t\t\t", "\t\t\t\r\r"] {
        std::thread::sleep(Duration::from_millis(900));
        terminal.press(burst);
        terminal.redrawn();
        terminal.expect("[ Apply ]");
    }
    // Focus is on Apply by now; a lone Enter is meant.
    std::thread::sleep(Duration::from_millis(900));
    terminal.press("\r");
    terminal.expect("RUNNING scale out");
    terminal.press("q");
    terminal.ends();
}

#[test]
fn a_panic_of_another_task_restores_the_terminal_and_stays_readable() {
    let mut terminal = staged("panic");
    terminal.expect("BREACHED product-page-p95");
    terminal.press("v");
    let (_, rest) = terminal.ends();
    assert!(rest.contains("a bug in the engine"), "{rest}");
    assert!(rest.contains("screens ended: a part of sagetop failed unexpectedly"), "{rest}");
}

#[test]
fn a_new_size_is_drawn() {
    let (_dir, mut terminal) = started(&[]);
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
fn what_is_odd_about_the_configuration_is_said() {
    let dir = configured(closed_port());
    let path = dir.path().join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[contexts.test]", "[contexts.test]\nvars = { unused = \"x\" }"))
        .unwrap();
    let mut terminal = Terminal::start(sagetop(dir.path(), &[]));
    terminal.expect("config.toml:3:");
    terminal.press("q");
    terminal.ends();
}

#[test]
fn a_fixed_moment_that_nobody_touches_sends_nothing() {
    let (_dir, mut terminal) = started(&["--at", "2026-02-03T04:05:06Z"]);
    terminal.expect("PAST 2026-02-03 04:05:06");
    terminal.expect("fetching history failed");
    // What was under way comes to rest.
    while let Ok(bytes) = terminal.output.recv_timeout(Duration::from_secs(2)) {
        terminal.take(&bytes);
    }
    let rested = terminal.raw.len();
    while let Ok(bytes) = terminal.output.recv_timeout(Duration::from_secs(3)) {
        terminal.take(&bytes);
    }
    assert_eq!(terminal.raw.len(), rested);
    terminal.press("q");
    terminal.ends();
}
