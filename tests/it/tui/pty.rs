//! The real program in a pseudo-terminal: its backends do not answer, and whatever ends it, the
//! terminal must be as it was.
#![cfg(unix)]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sagetop::domain::Timestamp;
use sagetop::engine::Request;
use sagetop::tui::{self, TuiOptions};
use tokio::sync::mpsc;

use super::pseudo::{COPY, ROLE, Terminal, closed_port, configured, sagetop, staged, started};
use super::{fixture, remedies};

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
        let mut options = TuiOptions::builtin().unwrap();
        options.copy_file = std::env::var_os(COPY).map(Into::into);
        tui::run(event_rx, request_tx, options).await
    });
    println!("screens ended: {}", result.map_or_else(|e| e.to_string(), |()| "well".to_owned()));
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
    terminal.resize(40, 10);
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

#[test]
fn another_context_is_opened_without_leaving() {
    let dir = configured(closed_port());
    let path = dir.path().join("config.toml");
    let one = std::fs::read_to_string(&path).unwrap();
    let other = one.replace("contexts.test", "contexts.other").replace("checkout p95", "search p95");
    std::fs::write(&path, format!("default_context = \"test\"\n{one}{other}")).unwrap();
    let mut terminal = Terminal::start(sagetop(dir.path(), &[]));
    terminal.expect("UNKNOWN  checkout p95");
    terminal.press("C");
    terminal.expect("UNKNOWN  search p95");
    terminal.expect("sagetop other");
    terminal.press(":");
    terminal.expect("Palette");
    terminal.press("context test");
    terminal.expect(":context test");
    terminal.press("\r");
    terminal.expect("UNKNOWN  checkout p95");
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn a_theme_of_the_users_is_found_and_read_again_when_it_is_written() {
    let dir = configured(closed_port());
    std::fs::create_dir(dir.path().join("themes")).unwrap();
    let file = dir.path().join("themes/mine.toml");
    std::fs::write(&file, "name = \"mine\"\ninherits = \"base\"\n").unwrap();
    // Whatever the order of the files: a parent may be read after its heirs.
    std::fs::write(dir.path().join("themes/zbase.toml"), "name = \"base\"\n[styles]\nkey = { fg = \"9\" }\n")
        .unwrap();
    let mut terminal = Terminal::start(sagetop(dir.path(), &["--theme", "mine"]));
    terminal.expect("UNKNOWN  checkout p95");
    std::fs::write(&file, "name = \"mine\"\ninherits = \"base\"\n[styles]\nok = { fg = \"1\" }\n").unwrap();
    terminal.expect("theme mine was read again");
    std::fs::write(&file, "name = \"mine\"\n[styles]\nokk = {}\n").unwrap();
    terminal.expect("the old theme stays");
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
    std::fs::write(&file, "name = \"mine\"\n[styles]\nokk = {}\n").unwrap();
    let terminal = Terminal::start(sagetop(dir.path(), &["--theme", "mine"]));
    let (code, said) = terminal.ends();
    assert!(code == 1 && said.contains("unknown style `okk`"), "{said}");
}
