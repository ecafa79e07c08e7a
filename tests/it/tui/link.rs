//! The line between the program and the terminal: how much is sent, in what form, and what happens when it
//! breaks, stops or changes its size.
#![cfg(unix)]

use std::time::Duration;

use portable_pty::CommandBuilder;

use super::pseudo::{COPY, Terminal, closed_port, configured, sagetop, stage, staged, started};

/// Starts and ends of what a terminal shows at once.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bar: less than 200 bytes a second, whatever ages are counted on the screen.
#[test]
fn an_untouched_screen_sends_next_to_nothing() {
    let mut terminal = staged("idle");
    terminal.expect("BREACHED product-page-p95");
    terminal.redrawn();
    let bytes = terminal.listen(Duration::from_secs(6));
    assert!(bytes < 6 * 200, "{bytes} bytes in 6 s");
    terminal.press("q");
    terminal.ends();
}

#[test]
fn a_key_sends_what_changed_and_nothing_else_all_at_once() {
    let mut terminal = staged("echo");
    terminal.expect("BREACHED product-page-p95");
    terminal.redrawn();
    // A step of the cursor restyles two lines and tells the details of the new one.
    for (key, most) in [("j", 2500), ("k", 2500), ("/", 600), ("z", 3000), ("z", 200)] {
        let from = terminal.raw.len();
        terminal.press(key);
        terminal.redrawn();
        let sent = text(&terminal.raw[from..]);
        assert!(sent.starts_with(BEGIN) && sent.ends_with(END), "{key}: {sent:?}");
        assert!(!sent.contains("\x1b[2J"), "{key} draws all of it: {sent:?}");
        assert!(sent.len() < most, "{key}: {} bytes: {sent:?}", sent.len());
    }
    // Every frame is whole, and nothing is drawn outside of one.
    let all = text(&terminal.raw);
    assert_eq!(all.matches(BEGIN).count(), all.matches(END).count());
    for piece in all.split(END).skip(1) {
        let between = piece.split(BEGIN).next().unwrap();
        assert_eq!(between, "", "between two frames");
    }
    terminal.press("\x1b");
    // Escape and a letter at once would be one key.
    terminal.redrawn();
    terminal.press("q");
    terminal.ends();
}

/// A question that no terminal answers would have to be waited for: nothing is asked.
#[test]
fn the_terminal_is_asked_nothing() {
    let (_dir, mut terminal) = started(&[]);
    terminal.press("?");
    terminal.expect("One line up.");
    terminal.press("q");
    terminal.redrawn();
    let all = text(&terminal.raw);
    for question in
        ["\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[6n", "\x1b[5n", "\x1b[?u", "?\x07", "?\x1b\\", "$p"]
    {
        assert!(!all.contains(question), "{question:?} is asked");
    }
    terminal.ends();
}

/// With the terminal's process group and without: then no signal tells of the end, only the line itself.
#[test]
fn a_terminal_that_is_gone_leaves_no_process_behind() {
    for controlling in [true, false] {
        let dir = configured(closed_port());
        let mut command = sagetop(dir.path(), &[]);
        command.set_controlling_tty(controlling);
        let mut terminal = Terminal::start(command);
        terminal.expect("UNKNOWN  checkout p95");
        let Terminal { mut child, master, input, output, .. } = terminal;
        drop((input, master, output));
        assert!(Terminal::is_over(&mut *child), "it goes on (controlling terminal: {controlling})");
    }
}

/// As a shell's job: ctrl-z gives the terminal back, `fg` draws everything again.
#[test]
fn a_job_of_a_shell_stops_and_goes_on() {
    let dir = configured(closed_port());
    let mut command = CommandBuilder::new("sh");
    let arguments: Vec<_> =
        sagetop(dir.path(), &[]).get_argv().iter().map(|a| a.to_str().unwrap().to_owned()).collect();
    let line = shell_words::join(&arguments);
    command.args(["-mc", &format!("{line}; echo it stopped; read go; fg; echo it ended")]);
    let mut terminal = Terminal::start(command);
    terminal.expect("UNKNOWN  checkout p95");
    terminal.press("\x1a");
    terminal.expect("it stopped");
    assert!(!terminal.screen.screen().alternate_screen() && !terminal.screen.screen().hide_cursor());
    terminal.press("go\n");
    terminal.expect("UNKNOWN  checkout p95");
    terminal.press("s");
    terminal.expect("in the order of the configuration");
    terminal.press("q");
    terminal.expect("it ended");
    terminal.ends();
}

#[test]
fn a_storm_of_sizes_ends_in_the_last_one() {
    let mut terminal = staged("storm");
    terminal.expect("BREACHED product-page-p95");
    for i in 0..120u16 {
        terminal.resize(1 + (i * 37) % 150, 1 + (i * 11) % 50);
        if i % 20 == 0 {
            std::thread::sleep(Duration::from_millis(40));
        }
    }
    terminal.resize(100, 30);
    terminal.redrawn();
    terminal.press("s");
    terminal.expect("in the order of the configuration");
    terminal.redrawn();
    let shown = terminal.screen.screen().contents();
    // What is on the terminal is what it would be if all of it were drawn now.
    terminal.press("\x0c");
    terminal.redrawn();
    let strip = |text: &str| text.lines().take(29).map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(strip(&shown), strip(&terminal.screen.screen().contents()));
    terminal.press("q");
    terminal.ends();
}

/// What is copied goes through whatever stands between, and into a file.
#[test]
fn a_copy_reaches_the_terminal_and_a_file() {
    for (variable, wrapped) in
        [("", "\x1b]52;c;"), ("TMUX", "\x1bPtmux;\x1b\x1b]52;c;"), ("STY", "\x1bP\x1b]52;c;")]
    {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("copied.txt");
        let mut command = stage("copy");
        command.env(COPY, &file);
        for name in ["TMUX", "STY"] {
            command.env(name, if name == variable { "yes" } else { "" });
        }
        let mut terminal = Terminal::start(command);
        terminal.expect("BREACHED product-page-p95");
        terminal.press("v");
        terminal.expect("Had recommendationservice");
        terminal.press("y");
        terminal.expect("and written to");
        assert!(text(&terminal.raw).contains(wrapped), "{variable}");
        let copied = std::fs::read_to_string(&file).unwrap();
        assert!(copied.contains("product-page-p95: BREACHED"), "{copied}");
        terminal.press("q");
        terminal.ends();
    }
}
