//! What happened, and time travel: one clock for every screen.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::*;
use sagetop::engine::{EngineEvent, History, Incident, Request};
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;

use super::driver::Driver;
use super::fixture;
use super::remedies;
use super::screens::{at_all_sizes, check};

fn time(text: &str) -> Timestamp {
    format!("2026-03-{text}Z").parse().unwrap()
}

fn incident(slo: &str, from: &str, until: Option<&str>, worst_ms: f64) -> Incident {
    let (from, until) = (time(from), until.map(time));
    Incident { slo: Clean::new(slo), from, until, worst_ms, objective_ms: 300.0 }
}

pub fn told() -> EngineEvent {
    EngineEvent::History(Arc::new(History {
        version: 7,
        from: Some(time("01T03:00:00")),
        until: Some(time("02T03:12:00")),
        incidents: vec![
            incident("cart-p99", "01T09:31:00", Some("01T10:02:00"), 512.0),
            incident("product-page-p95", "01T18:05:00", Some("01T18:40:00"), 931.0),
            incident("product-page-p95", "02T03:05:00", None, 642.0),
        ],
        changes: vec![(time("01T21:15:00"), Clean::new("adservice came; frontend → adservice is new"))],
        cut_offs: vec![time("01T18:00:00"), time("02T00:00:00")],
    }))
}

pub fn timeline(columns: u16, rows: u16, ascii: bool) -> Driver {
    let mut driver = Driver::with(columns, rows, ascii, None);
    driver.engine(fixture::usual());
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.engine(remedies::history());
    driver.press("6");
    driver.engine([told()]);
    driver
}

/// What the engine shows of a past moment; versions count on.
fn past(at: Timestamp, version: u64) -> EngineEvent {
    let mut snapshot = fixture::snapshot();
    (snapshot.at, snapshot.frozen, snapshot.version) = (at, true, version);
    EngineEvent::Snapshot(Arc::new(snapshot))
}

/// The moments that were asked for.
pub fn travels(driver: &Driver) -> Vec<Option<Timestamp>> {
    let asked = driver.effects.iter().filter_map(|effect| match effect {
        Effect::Ask(Request::At(at)) => Some(*at),
        _ => None,
    });
    asked.collect()
}

#[test]
fn what_happened() {
    at_all_sizes("timeline", |columns, rows| timeline(columns, rows, false));
    let text = timeline(80, 24, true).text();
    assert!(text.is_ascii(), "not ASCII:\n{text}");
    check("ascii-timeline@80x24", text);
}

#[test]
fn one_steps_through_incidents_and_goes_to_one() {
    let mut driver = timeline(120, 40, false);
    driver.press("home i");
    assert!(driver.cursor_line().contains("product-page-p95 violated, 642 ms"), "{}", driver.cursor_line());
    driver.press("i i");
    assert!(driver.cursor_line().contains("cart-p99 violated, 512 ms"), "{}", driver.cursor_line());
    driver.press("i");
    assert!(driver.text().contains("there is no older incident"), "{}", driver.text());
    driver.press("I");
    assert!(driver.cursor_line().contains("931 ms"), "{}", driver.cursor_line());
    driver.press("enter");
    assert_eq!(travels(&driver), [Some(time("01T18:05:00"))]);
    assert!(driver.text().contains("going to 2026-03-01 18:05:00 UTC"), "{}", driver.text());
    driver.engine([past(time("01T18:05:00"), 9)]);
    driver.press("1");
    assert!(driver.text().contains("PAST 2026-03-01 18:05:00 UTC"), "{}", driver.text());
    driver.press("n");
    assert_eq!(travels(&driver).last(), Some(&None));
}

#[test]
fn steps_back_and_forward_add_up_and_lead_back_to_the_present() {
    let mut driver = Driver::usual(100, 30);
    driver.press(", , .");
    let back = |windows: i64| fixture::now().checked_sub(Duration::from_secs(60 * windows as u64)).unwrap();
    assert_eq!(travels(&driver), [Some(back(1)), Some(back(2)), Some(back(1))]);
    driver.engine([past(back(1), 9)]);
    driver.press(".");
    assert_eq!(travels(&driver).last(), Some(&None), "a window later is the present");
}

/// What was said of the present does not stand beside the past, and the other way round.
#[test]
fn nothing_of_one_moment_is_shown_at_another() {
    let mut driver = Driver::usual(100, 40);
    driver.engine([fixture::answered(7, fixture::verdict()), remedies::proposed()]);
    driver.press(",");
    driver.engine([past(time("02T03:11:40"), 9), fixture::answered(8, fixture::verdict())]);
    driver.press("v");
    assert!(driver.text().contains("Why is product-page-p95 as it is?"), "{}", driver.text());
    assert!(driver.state.live.suggestions.is_empty());
    driver.engine([fixture::answered(9, fixture::verdict())]);
    assert!(driver.text().contains("Had recommendationservice's CPU been normal"), "{}", driver.text());
    // A snapshot of the present that was under way is older than the past that is shown.
    driver.engine([EngineEvent::Snapshot(Arc::new(fixture::snapshot()))]);
    assert!(driver.text().contains("PAST"), "{}", driver.text());
}

#[test]
fn it_is_asked_for_once_for_each_version() {
    let mut driver = timeline(80, 24, false);
    driver.press("1 6");
    let asked =
        |driver: &Driver| driver.effects.iter().filter(|e| **e == Effect::Ask(Request::History)).count();
    assert_eq!(asked(&driver), 1);
    let mut newer = fixture::snapshot();
    newer.version = 8;
    driver.engine([EngineEvent::Snapshot(Arc::new(newer))]);
    assert_eq!(asked(&driver), 2);
}

#[test]
fn nothing_happened_is_said_and_hostile_words_are_safe() {
    let mut driver = Driver::usual(80, 24);
    driver.press("6");
    driver.engine([EngineEvent::History(Arc::default())]);
    assert!(
        driver.text().contains("Nothing happened as far back as windows are stored"),
        "{}",
        driver.text()
    );
    let bad = Clean::new("svc\x1b[31m\u{202e}gnol 結帳服務");
    let changes = vec![
        (time("01T21:15:00"), bad.clone()),
        (Timestamp::MIN, bad.clone()),
        (Timestamp::MAX, bad.clone()),
    ];
    let broken = Incident { slo: bad, ..incident("x", "02T03:05:00", Some("02T03:00:00"), f64::NAN) };
    driver.engine([EngineEvent::History(Arc::new(History {
        changes,
        incidents: vec![broken],
        ..History::default()
    }))]);
    for w in (0..60).step_by(3).chain([80, 200]) {
        for h in (0..30).step_by(2) {
            driver.send(Event::Resize(w, h));
            let text = driver.text();
            assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
        }
    }
}
