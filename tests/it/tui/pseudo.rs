//! A pseudo-terminal with a program in it: keys go in, cells and bytes come out.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// Set in the child that is a test binary.
pub const ROLE: &str = "SAGETOP_TEST_CHILD";
/// Where that child writes what is copied.
pub const COPY: &str = "SAGETOP_TEST_COPY";
const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration whose backends are at `port`, and folders of its own.
pub fn configured(port: u16) -> TempDir {
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
pub fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub fn sagetop(dir: &Path, more: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sagetop"));
    command.arg("--config");
    command.arg(dir.join("config.toml"));
    command.arg("--state-dir");
    command.arg(dir.join("state"));
    command.args(more);
    command
}

pub struct Terminal {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    pub input: Box<dyn Write + Send>,
    pub output: std_mpsc::Receiver<Vec<u8>>,
    pub screen: vt100::Parser,
    /// Everything the child sent.
    pub raw: Vec<u8>,
}

impl Terminal {
    pub fn start(mut command: CommandBuilder) -> Self {
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

    pub fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Takes in output until the screen contains `text`.
    pub fn expect(&mut self, text: &str) {
        assert!(
            self.shows(text, PATIENCE),
            "{text:?} did not appear on\n{}",
            self.screen.screen().contents()
        );
    }

    /// Takes in output until the screen contains `text`, but no longer than `patience`.
    pub fn shows(&mut self, text: &str, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while !self.screen.screen().contents().contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => return false,
            }
        }
        true
    }

    pub fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits until it has drawn something and rests.
    pub fn redrawn(&mut self) {
        let mut patience = PATIENCE;
        while let Ok(bytes) = self.output.recv_timeout(patience) {
            self.take(&bytes);
            patience = Duration::from_millis(300);
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let cells = |n| std::num::NonZero::new(n).unwrap();
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
    }

    /// Takes in what comes for so long; returns how many bytes that were.
    pub fn listen(&mut self, time: Duration) -> usize {
        let (until, before) = (Instant::now() + time, self.raw.len());
        while let Ok(bytes) = self.output.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.take(&bytes);
        }
        self.raw.len() - before
    }

    /// Whether the program ends by itself.
    pub fn is_over(child: &mut (dyn Child + Send + Sync)) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        false
    }

    /// Waits for the end; the terminal must be what it was before the start.
    pub fn ends(mut self) -> (u32, String) {
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
pub fn started(more: &[&str]) -> (TempDir, Terminal) {
    let dir = configured(closed_port());
    let mut terminal = Terminal::start(sagetop(dir.path(), more));
    terminal.expect("UNKNOWN  checkout p95");
    assert!(terminal.screen.screen().alternate_screen());
    (dir, terminal)
}

/// The screens with an engine of this test.
pub fn staged(role: &str) -> Terminal {
    Terminal::start(stage(role))
}

/// The command that starts them.
pub fn stage(role: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["tui::pty::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    command
}
