//! An untouched screen changes when it says it will, and not before.

use std::time::Duration;

use sagetop::domain::{BackendKind, BackendState};
use sagetop::tui::pace::next_change;

use super::driver::Driver;
use super::fixture;

/// Follows an untouched screen through half an hour: between two announced moments every frame
/// is the same, and it is announced at most a few times a minute.
#[test]
fn nothing_changes_between_announced_moments() {
    let start = |keys: &str| {
        let mut driver = Driver::usual(120, 40);
        driver.engine([fixture::answered(6, fixture::verdict())]);
        driver.press(keys);
        driver
    };
    for keys in ["", "2", "3", "d 3", "p", "r", "4", "5"] {
        let mut driver = start(keys);
        driver.engine([fixture::health(BackendKind::Jaeger, BackendState::Down)]);
        let (mut elapsed, mut wakes, mut changes) = (Duration::ZERO, 0u32, 0u32);
        while elapsed < Duration::from_secs(1800) {
            let due = next_change(&driver.state).expect("the clock is on the screen");
            let before = driver.buffer();
            // Just before the moment, the frame is still the same.
            let almost = due - Duration::from_millis(1);
            driver.wait(almost);
            assert_eq!(driver.buffer(), before, "{keys:?} changed early, {elapsed:?} after the start");
            driver.wait(Duration::from_millis(1));
            elapsed += due;
            wakes += 1;
            changes += u32::from(driver.buffer() != before);
        }
        assert!(wakes <= 30 * 8, "{keys:?}: {wakes} wakes in half an hour");
        assert!(changes >= 30, "{keys:?}: the clock and the ages stood still");
    }
}

/// The bar for an idle terminal is 200 bytes a second.
#[test]
fn a_fixed_moment_without_remarks_never_changes() {
    let mut driver = Driver::new(120, 40);
    let mut snapshot = fixture::snapshot();
    snapshot.frozen = true;
    driver.engine([sagetop::engine::EngineEvent::Snapshot(std::sync::Arc::new(snapshot))]);
    assert_eq!(next_change(&driver.state), None);
}

/// Countdowns and the deafness of Apply are on time as well.
#[test]
fn a_dialog_changes_when_it_says_it_will() {
    let mut driver = super::remedy_screens::actions(100, 40);
    driver.engine([super::remedies::armed()]);
    driver = super::remedy_screens::dialog(driver, "", super::remedies::plan());
    let mut elapsed = Duration::ZERO;
    while elapsed < Duration::from_secs(130) {
        let due = next_change(&driver.state).expect("a countdown is on the screen");
        let before = driver.buffer();
        driver.wait(due - Duration::from_millis(1));
        assert_eq!(driver.buffer(), before, "it changed early, {elapsed:?} after the start");
        driver.wait(Duration::from_millis(1));
        elapsed += due;
    }
    assert!(driver.text().contains("expired"), "{}", driver.text());
}
