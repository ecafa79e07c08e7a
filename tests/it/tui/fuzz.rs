//! Whatever is pressed, told or resized: no panic, and nothing drawn outside of the screen.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use sagetop::domain::{BackendKind, BackendState, Clean, Stage, VerdictKind};
use sagetop::engine::{EngineEvent, ModelState};
use sagetop::tui::event::Event;
use sagetop::tui::pace;

use super::driver::{Driver, key_event};
use super::{fixture, remedies, services, timeline};

#[derive(Clone, Debug)]
enum Step {
    Key(&'static str),
    Resize(u16, u16),
    Engine(u8),
    Wait(u32),
    Paste(String),
}

const KEYS: [&str; 59] = [
    "7",
    "8",
    "6",
    "i",
    ",",
    ".",
    "n",
    "w",
    "0",
    "up",
    "down",
    "left",
    "right",
    "home",
    "end",
    "pageup",
    "pagedown",
    "enter",
    "esc",
    "space",
    "tab",
    "backtab",
    "backspace",
    "j",
    "k",
    "h",
    "l",
    "g",
    "G",
    "*",
    "1",
    "2",
    "3",
    "v",
    "d",
    "r",
    "/",
    "p",
    "s",
    "t",
    "y",
    "?",
    "q",
    "c",
    "a",
    "x",
    "4",
    "5",
    "A",
    "u",
    "K",
    "9",
    "e",
    "-",
    "ctrl-c",
    "ctrl-w",
    "ctrl-u",
    "ctrl-l",
    "ctrl-r",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::sample::select(&KEYS[..]).prop_map(Step::Key),
        2 => (0u16..=200, 0u16..=60).prop_map(|(w, h)| Step::Resize(w, h)),
        1 => (0u16..=45, 0u16..=12).prop_map(|(w, h)| Step::Resize(w, h)),
        4 => (0u8..26).prop_map(Step::Engine),
        1 => (0u32..100_000).prop_map(Step::Wait),
        1 => "\\PC{0,12}".prop_map(Step::Paste),
    ]
}

fn engine_event(n: u8) -> EngineEvent {
    let mut snapshot = fixture::snapshot();
    let mut verdict = fixture::verdict();
    match n {
        0 => EngineEvent::Snapshot(Arc::new(snapshot)),
        1 => EngineEvent::Snapshot(Arc::new(fixture::hostile())),
        2 => {
            snapshot.version = 9;
            snapshot.slos.clear();
            EngineEvent::Snapshot(Arc::new(snapshot))
        }
        3 => {
            // Fewer entries than SLOs, entries that no graph knows, numbers that are none.
            snapshot.version = 9;
            snapshot.entries.truncate(2);
            snapshot.services.clear();
            snapshot.calls.clear();
            for slo in &mut snapshot.slos {
                slo.observed_ms = Some(f64::NAN);
                slo.objective_ms = 0.0;
                slo.newest_sample_age_s = Some(f64::INFINITY);
                slo.budget_left = Some(f64::NEG_INFINITY);
                slo.recent_ms = vec![Some(f64::NAN), Some(f64::INFINITY), Some(-1.0), None];
            }
            EngineEvent::Snapshot(Arc::new(snapshot))
        }
        4 => EngineEvent::Snapshot(Arc::new(fixture::big(60))),
        5 => {
            snapshot.frozen = true;
            snapshot.version = 10;
            EngineEvent::Snapshot(Arc::new(snapshot))
        }
        6 => fixture::health(BackendKind::Prometheus, BackendState::Down),
        7 => fixture::health(BackendKind::Prometheus, BackendState::Up),
        8 => fixture::health(BackendKind::Jaeger, BackendState::Degraded),
        9 => EngineEvent::Model(ModelState::Stale(fixture::model(), Clean::new("the call graph changed"))),
        10 => EngineEvent::Progress { stage: Stage::Query, done: 0, total: 0, note: Clean::new("") },
        11 => EngineEvent::Failed { slo: None, what: Clean::new("x"), why: Clean::new("y") },
        12 => fixture::answered(9, fixture::unsure()),
        13 => {
            verdict.kind = VerdictKind::Healthy;
            verdict.culprits.clear();
            verdict.suspects.clear();
            verdict.ranking.clear();
            verdict.resource_ranking.clear();
            verdict.model = None;
            verdict.slo.observed_ms = None;
            fixture::answered(10, verdict)
        }
        14 => {
            for r in &mut verdict.ranking {
                r.score = f64::NAN;
            }
            verdict.culprits[0].path.clear();
            verdict.culprits[0].resources[0].observed = Some(f64::NEG_INFINITY);
            verdict.culprits[0].resources[0].surprise = f64::NAN;
            fixture::answered(11, verdict)
        }
        15 => remedies::proposed(),
        16 => remedies::hostile_proposals(),
        17 => remedies::preview(remedies::plan()),
        18 => remedies::preview(remedies::hostile_plan()),
        19 => remedies::armed(),
        20 => remedies::ready(),
        21 => remedies::hostile_operation(),
        22 => services::detailed(services::detail()),
        24 => timeline::told(),
        23 => services::predicted(1, services::tail(1.0, f64::NAN, 3.0, 0.5)),
        _ => EngineEvent::Model(ModelState::Training {
            done: 9,
            total: 3,
            note: Clean::new("more than planned"),
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn nothing_panics(steps in prop::collection::vec(step(), 1..60), ascii: bool) {
        let mut driver = Driver::with(80, 24, ascii, None);
        for step in steps {
            match step {
                Step::Key(key) => driver.send(Event::Key(key_event(key))),
                Step::Resize(w, h) => driver.send(Event::Resize(w, h)),
                Step::Engine(n) => driver.engine([engine_event(n)]),
                Step::Wait(s) => driver.wait(Duration::from_secs(u64::from(s))),
                Step::Paste(text) => driver.send(Event::Paste(text)),
            }
            let buf = driver.buffer();
            prop_assert_eq!((buf.area.width, buf.area.height), driver.state.size);
            prop_assert!(pace::next_change(&driver.state).is_none_or(|d| d > Duration::ZERO));
        }
    }
}

#[test]
fn every_size_from_nothing_up_is_drawn() {
    for keys in ["", "2", "3", "?", "/ p", "p"] {
        let mut driver = Driver::usual(80, 24);
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press(keys);
        for w in (0..50).chain([99, 100, 101]) {
            for h in 0..26 {
                driver.send(Event::Resize(w, h));
                driver.buffer();
            }
        }
    }
}

#[test]
fn every_size_of_the_screens_about_changes_is_drawn() {
    for keys in ["4", "4 enter", "4 end", "A", "5"] {
        let mut driver = Driver::usual(80, 24);
        driver.engine([fixture::answered(7, fixture::verdict()), remedies::ready(), remedies::proposed()]);
        driver.engine(remedies::history().into_iter().chain(remedies::commands()));
        driver.press(keys);
        driver.engine([remedies::preview(remedies::gravest_kind_of_first())]);
        for w in (0..50).step_by(3).chain([139, 140]) {
            for h in (0..26).step_by(2) {
                driver.send(Event::Resize(w, h));
                driver.buffer();
            }
        }
    }
}

/// From nothing at all upwards, on every screen and with everything that can lie over it.
#[test]
fn every_small_size_is_drawn_or_says_that_it_is_too_small() {
    for keys in ["1", "2", "3", "4", "5", "?", ":", "/ c", "1 p", "4 A"] {
        let mut driver = Driver::usual(80, 24);
        driver.engine([fixture::answered(7, fixture::verdict()), remedies::ready(), remedies::proposed()]);
        driver.press(keys);
        for (w, h) in (0..=30).flat_map(|w| (0..=9).map(move |h| (w, h))) {
            driver.send(Event::Resize(w, h));
            let text = driver.text();
            let small = w < 24 || h < 5;
            // On a few cells only the first words of it have room.
            let words = if w >= 24 { format!("too small: {w}x{h} of 24x5") } else { "too".to_owned() };
            let room = h > 0 && w >= 3;
            assert_eq!(text.contains(&words), small && room, "after {keys:?} at {w}x{h}:\n{text}");
        }
    }
}
