//! The past played forward: window by window, at a speed, until something changes.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::*;
use sagetop::engine::EngineEvent;
use sagetop::tui::pace::next_change;

use super::driver::Driver;
use super::fixture;
use super::timeline::travels;

fn ago(minutes: u64) -> Timestamp {
    fixture::now().checked_sub(Duration::from_secs(60 * minutes)).unwrap()
}

fn past(at: Timestamp, version: u64, change: impl FnOnce(&mut Vec<SloStatus>)) -> EngineEvent {
    let mut snapshot = fixture::snapshot();
    (snapshot.at, snapshot.frozen, snapshot.version) = (at, true, version);
    change(&mut snapshot.slos);
    EngineEvent::Snapshot(Arc::new(snapshot))
}

/// Ten minutes ago, with the playing begun.
fn playing() -> Driver {
    let mut driver = Driver::usual(120, 30);
    driver.press(",");
    driver.engine([past(ago(1), 8, |_| ())]);
    driver.press("6");
    driver.state.heading = Some(ago(10));
    driver.engine([past(ago(10), 9, |_| ())]);
    driver.effects.clear();
    driver.press(">");
    driver
}

#[test]
fn one_window_after_the_other_each_when_it_is_time_and_the_one_before_is_there() {
    let mut driver = playing();
    assert!(driver.text().contains("▸ PLAYING 30x 2026-03-02 03:02:40 UTC"), "{}", driver.text());
    // At 30x a window of a minute is shown for two seconds: the loop wakes for it.
    assert_eq!(next_change(&driver.state), Some(Duration::from_secs(2)));
    driver.wait(Duration::from_millis(1900));
    assert_eq!(travels(&driver), []);
    driver.wait(Duration::from_millis(100));
    assert_eq!(travels(&driver), [Some(ago(9))]);
    // It is not there yet: nothing piles up.
    driver.wait(Duration::from_secs(30));
    assert_eq!(travels(&driver).len(), 1);
    driver.engine([past(ago(9), 10, |_| ())]);
    driver.press("> >");
    assert!(driver.text().contains("PLAYING 60x"), "{}", driver.text());
    driver.wait(Duration::from_secs(1));
    assert_eq!(travels(&driver).last(), Some(&Some(ago(8))));
}

#[test]
fn it_stops_where_an_objective_changes_its_state() {
    let mut driver = playing();
    driver.wait(Duration::from_secs(2));
    driver.engine([past(ago(9), 10, |slos| slos[0].state = SloState::Breached)]);
    let text = driver.text();
    assert!(text.contains("stopped: home-p50 is BREACHED now") && !text.contains("PLAYING"), "{text}");
    assert!(text.contains("PAST 2026-03-02 03:03:40 UTC"), "{text}");
    driver.wait(Duration::from_secs(60));
    assert_eq!(travels(&driver).len(), 1);
}

#[test]
fn it_ends_in_the_present_and_at_any_other_wish() {
    let mut driver = playing();
    for version in 10..30 {
        driver.wait(Duration::from_secs(2));
        if let Some(at) = driver.state.heading {
            driver.engine([past(at, version, |_| ())]);
        }
    }
    assert_eq!(travels(&driver).last(), Some(&None), "{:?}", travels(&driver));
    assert!(driver.state.playing.is_none());
    for key in [",", ".", "n", "p", "enter"] {
        let mut driver = playing();
        driver.press(key);
        assert!(driver.state.playing.is_none(), "{key}");
    }
    let mut driver = playing();
    driver.press("< < < <");
    assert!(driver.text().contains("PLAYING 1x"), "{}", driver.text());
    driver.press("<");
    assert!(driver.text().contains("stopped") && !driver.text().contains("PLAYING"), "{}", driver.text());
}

#[test]
fn in_the_present_there_is_nothing_to_play() {
    let mut driver = Driver::usual(120, 30);
    driver.press(">");
    assert!(driver.text().contains("this is the present: there is nothing to play"), "{}", driver.text());
    driver.press("<");
    assert!(driver.text().contains("nothing is being played"), "{}", driver.text());
}
