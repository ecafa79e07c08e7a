//! What the screens cost: a frame of a big application, an event, an untouched minute, the first frame.
//!
//! `cargo bench --bench screens`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::layout::Rect;
use sagetop::engine::EngineEvent;
use sagetop::tui::event::Event;
use sagetop::tui::keymap::Keymap;
use sagetop::tui::pace::next_change;
use sagetop::tui::state::State;
use sagetop::tui::terminal::Painter;
use sagetop::tui::theme::Themes;
use sagetop::tui::update::update;
use sagetop::tui::view;

#[allow(dead_code, missing_docs, reason = "shared with the tests")]
#[path = "../tests/it/tui/fixture.rs"]
mod fixture;
#[allow(dead_code, missing_docs, reason = "shared with the tests")]
#[path = "../tests/it/tui/numbers.rs"]
mod numbers;

/// The size and the number of services of the bar: 2 ms a frame.
const SIZE: (u16, u16) = (120, 40);
const SERVICES: usize = 500;

/// The screens and what lies over them, by the keys that lead there.
const SCREENS: [(&str, &str); 6] =
    [("slos", "1"), ("tree", "2"), ("graph", "2m"), ("verdict", "3"), ("help", "?"), ("palette", ":s")];

fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        update(state, Event::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
    }
}

/// A snapshot with a graph and numbers of its own.
fn snapshot(version: u64, services: usize) -> EngineEvent {
    let mut snapshot = fixture::big(services);
    snapshot.version = version;
    for (i, slo) in (0u64..).zip(&mut snapshot.slos) {
        slo.observed_ms = Some((version * 7 + i) as f64);
    }
    EngineEvent::Snapshot(Arc::new(snapshot))
}

fn state(keys: &str) -> State {
    let (keymap, themes) = (Keymap::builtin().unwrap(), Themes::builtin().unwrap());
    let mut state = State::new(fixture::now(), keymap, themes, false, None);
    update(&mut state, Event::Resize(SIZE.0, SIZE.1));
    for event in fixture::usual() {
        update(&mut state, Event::Engine(event));
    }
    update(&mut state, Event::Engine(snapshot(8, SERVICES)));
    update(&mut state, Event::Engine(fixture::answered(8, fixture::big_verdict(SERVICES))));
    press(&mut state, keys);
    state
}

/// Draws what `state` shows; returns the bytes for the terminal.
fn frame(state: &State, painter: &mut Painter) -> usize {
    let (area, mut out) = (Rect::new(0, 0, SIZE.0, SIZE.1), Vec::new());
    painter.paint(&mut out, area, |area, buf| view::draw(state, state.themes.current(), area, buf)).unwrap();
    out.len()
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame of 500 services at 120x40");
    for (name, keys) in SCREENS {
        let (state, mut painter) = (state(keys), Painter::default());
        group.bench_function(format!("{name}, all of it"), |b| {
            b.iter(|| {
                painter.forget();
                black_box(frame(&state, &mut painter))
            });
        });
    }
    group.finish();
}

fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("event and frame, 500 services at 120x40");
    for (name, keys) in SCREENS {
        let (mut state, mut painter) = (state(keys), Painter::default());
        let mut version = 9;
        // A service that comes and goes changes what is drawn where, and not the numbers alone.
        for (what, changing) in [("a new snapshot", 0), ("a new snapshot with other calls", 1)] {
            group.bench_function(format!("{name}, {what}"), |b| {
                b.iter_batched(
                    || {
                        version += 1;
                        snapshot(version, SERVICES + changing * (version % 2) as usize)
                    },
                    |event| {
                        update(&mut state, Event::Engine(event));
                        frame(&state, &mut painter)
                    },
                    criterion::BatchSize::SmallInput,
                );
            });
        }
        let mut down = false;
        group.bench_function(format!("{name}, a key"), |b| {
            b.iter(|| {
                down = !down;
                let code = if down { KeyCode::Down } else { KeyCode::Up };
                update(&mut state, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
                frame(&state, &mut painter)
            });
        });
    }
    group.finish();
}

/// All that an untouched screen does in a minute: wakes when it reads differently, draws, sends.
fn idle(c: &mut Criterion) {
    let mut group = c.benchmark_group("an untouched minute, 500 services at 120x40");
    for (name, keys) in SCREENS {
        let from = state(keys);
        let minute = |bytes: &mut usize| {
            let (mut state, mut painter) = (from.clone(), Painter::default());
            frame(&state, &mut painter);
            let until = state.now.checked_add(Duration::from_secs(60)).unwrap();
            let mut wakes = 0;
            while let Some(due) = next_change(&state) {
                let now = state.now.checked_add(due.max(Duration::from_millis(1))).unwrap();
                if now > until {
                    break;
                }
                update(&mut state, Event::Time(now));
                *bytes += frame(&state, &mut painter);
                wakes += 1;
            }
            wakes
        };
        let mut bytes = 0;
        let wakes = minute(&mut bytes);
        eprintln!("{name}: {wakes} wakes, {bytes} bytes in a minute");
        group.bench_function(name, |b| b.iter(|| minute(&mut 0)));
    }
    group.finish();
}

/// From the start of the program to the end of its first frame, with backends that do not answer.
fn first_frame(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let config = format!(
        "[contexts.test.prometheus]\nurl = \"http://127.0.0.1:{port}\"\n[[contexts.test.slo]]\nname = \"p95\"\n\
         service = \"frontend\"\nquantile = 0.95\nobjective = \"300ms\"\n\
         source = {{ type = \"histogram\", metric = \"http_request_duration_seconds\", unit = \"s\" }}\n"
    );
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let mut group = c.benchmark_group("start to first frame");
    group.sample_size(20);
    group.bench_function("80x24", |b| {
        b.iter_custom(|times| {
            let started = |_| {
                let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
                let pair = native_pty_system().openpty(size).unwrap();
                let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sagetop"));
                command.arg("--config");
                command.arg(folder.path().join("config.toml"));
                command.arg("--state-dir");
                command.arg(folder.path().join("state"));
                command.env("TERM", "xterm-256color");
                let mut reader = pair.master.try_clone_reader().unwrap();
                let start = Instant::now();
                let mut child = pair.slave.spawn_command(command).unwrap();
                drop(pair.slave);
                let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
                // A frame ends with the end of its synchronized update.
                while !seen.windows(8).any(|w| w == b"\x1b[?2026l") {
                    let n = reader.read(&mut buffer).unwrap();
                    assert!(n > 0, "it ended without a frame: {}", String::from_utf8_lossy(&seen));
                    seen.extend_from_slice(&buffer[..n]);
                }
                let took = start.elapsed();
                child.kill().unwrap();
                child.wait().unwrap();
                took
            };
            (0..times).map(started).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, frames, events, idle, first_frame);
criterion_main!(benches);
