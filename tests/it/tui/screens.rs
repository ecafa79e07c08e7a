//! What the screens look like, kept in `snapshots/`.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;

use sagetop::domain::{BackendKind, BackendState, Clean, Stage};
use sagetop::engine::{EngineEvent, ModelState};
use sagetop::tui::event::Event;

use super::driver::{Driver, styled_dump};
use super::fixture;

/// The sizes of which there are pictures.
pub const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 40), (200, 60)];

pub fn check(name: &str, text: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!(name, text));
}

/// Pictures with styles at every size, made by `make`.
pub fn at_all_sizes(name: &str, mut make: impl FnMut(u16, u16) -> Driver) {
    for (columns, rows) in SIZES {
        let driver = make(columns, rows);
        let buf = driver.buffer();
        check(&format!("{name}@{columns}x{rows}"), styled_dump(&buf));
    }
}

#[test]
fn slos() {
    at_all_sizes("slos", Driver::usual);
}

#[test]
fn tree() {
    at_all_sizes("tree", |w, h| {
        let mut driver = Driver::usual(w, h);
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press("enter");
        driver
    });
}

#[test]
fn verdict() {
    at_all_sizes("verdict", |w, h| {
        let mut driver = Driver::usual(w, h);
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press("v");
        driver
    });
}

#[test]
fn help() {
    at_all_sizes("help", |w, h| {
        let mut driver = Driver::usual(w, h);
        driver.press("?");
        driver
    });
}

#[test]
fn ascii() {
    for (key, name) in [("1", "slos"), ("2", "tree"), ("3", "verdict"), ("?", "help")] {
        let mut driver = Driver::with(80, 24, true, None);
        driver.engine(fixture::usual());
        driver.engine([fixture::answered(7, fixture::verdict())]);
        driver.press(key);
        let text = driver.text();
        assert!(text.is_ascii(), "{name} is not ASCII:\n{text}");
        check(&format!("ascii-{name}@80x24"), text);
    }
}

#[test]
fn before_the_first_data() {
    let mut driver = Driver::new(80, 24);
    driver.engine([
        fixture::health(BackendKind::Prometheus, BackendState::Down),
        fixture::health(BackendKind::Jaeger, BackendState::Connecting),
        EngineEvent::Model(ModelState::Absent(Clean::new("no history yet"))),
        EngineEvent::Progress { stage: Stage::Fetch, done: 3, total: 12, note: Clean::new("chunk 3 of 12") },
    ]);
    check("no-data@80x24", styled_dump(&driver.buffer()));
}

#[test]
fn a_backend_that_is_down_greys_what_is_shown() {
    let mut driver = Driver::usual(80, 24);
    driver.wait(Duration::from_secs(750));
    driver.engine([fixture::health(BackendKind::Prometheus, BackendState::Down)]);
    check("backend-down-slos@80x24", styled_dump(&driver.buffer()));
    driver.press("2");
    check("backend-down-tree@80x24", styled_dump(&driver.buffer()));
}

#[test]
fn unsure() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([fixture::answered(6, fixture::unsure())]);
    driver.press("v");
    driver.wait(Duration::from_secs(125));
    check("unsure@80x24", styled_dump(&driver.buffer()));
}

#[test]
fn training_and_computing() {
    let mut driver = Driver::usual(80, 24);
    driver.press("v");
    driver.engine([EngineEvent::Model(ModelState::Training {
        done: 62,
        total: 100,
        note: Clean::new("ELBO -3.21"),
    })]);
    check("training@80x24", styled_dump(&driver.buffer()));
}

#[test]
fn frozen_paused_and_failed() {
    let mut driver = Driver::new(80, 24);
    let mut snapshot = fixture::snapshot();
    snapshot.frozen = true;
    driver.engine(fixture::usual());
    driver.engine([EngineEvent::Snapshot(Arc::new(snapshot))]);
    driver.press("p");
    driver.engine([EngineEvent::Failed {
        slo: None,
        what: Clean::new("fetching spans"),
        why: Clean::new("Jaeger answered 503"),
    }]);
    check("frozen-paused-failed@80x24", styled_dump(&driver.buffer()));
}

/// Only a window with data is fresh; a moment at which nothing was found is not.
#[test]
fn without_any_window_no_data_is_called_fresh() {
    let mut driver = Driver::new(80, 24);
    let mut snapshot = fixture::snapshot();
    snapshot.data_until = None;
    driver.engine([EngineEvent::Snapshot(Arc::new(snapshot))]);
    let screen = driver.text();
    assert!(screen.contains("no data") && !screen.contains("old"), "{screen}");
}

#[test]
fn filtering() {
    let mut driver = Driver::usual(80, 24);
    driver.press("/ p 9 5");
    check("filter-typing@80x24", styled_dump(&driver.buffer()));
    driver.press("enter");
    check("filter-kept@80x24", driver.text());
}

#[test]
fn hostile_names() {
    for (key, name) in [("1", "slos"), ("2", "tree"), ("3", "verdict")] {
        let mut driver = Driver::new(80, 24);
        driver.engine(fixture::usual());
        let snapshot = fixture::hostile();
        let mut verdict = fixture::verdict();
        let slo = snapshot.slos[0].name.clone();
        verdict.slo.name = slo.clone();
        for (ranked, service) in verdict.ranking.iter_mut().zip(snapshot.services.keys()) {
            ranked.service = service.clone();
            verdict.culprits[0].service = service.clone();
        }
        driver.engine([EngineEvent::Snapshot(Arc::new(snapshot)), fixture::answered(7, verdict)]);
        driver.state.slo = Some(slo);
        driver.press(key);
        driver.send(Event::Resize(80, 24));
        let text = driver.text();
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
        check(&format!("hostile-{name}@80x24"), text);
    }
}

#[test]
fn a_verdict_is_read_aloud_without_signs() {
    for (name, verdict) in [("spoken", fixture::verdict()), ("spoken-unsure", fixture::unsure())] {
        let text = sagetop::tui::spoken_verdict(&verdict);
        assert!(!text.contains(['[', ']', '<', '>', '|', '\t']), "{text}");
        assert!(text.lines().all(|line| line.ends_with('.')), "{text}");
        check(name, text);
    }
}
