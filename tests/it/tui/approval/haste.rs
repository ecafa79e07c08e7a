//! Whatever comes faster than a person decides does not approve.

use crossterm::event::{KeyEventKind, KeyEventState};
use sagetop::tui::event::Event;

use super::{approvals, opened, send, wait};
use crate::tui::driver::key_event;
use crate::tui::remedies::{armed, plan, risky};
use crate::tui::remedy_screens::{actions, dialog};

#[test]
fn apply_is_deaf_at_first_and_after_each_press_in_vain() {
    let mut driver = actions(80, 40);
    driver.engine([armed()]);
    let mut driver = dialog(driver, "", plan());
    send(&mut driver, "tab");
    for _ in 0..20 {
        wait(&mut driver, 600);
        send(&mut driver, "enter");
    }
    wait(&mut driver, 600);
    assert!(approvals(&driver).is_empty(), "impatience approved");
    wait(&mut driver, 200);
    send(&mut driver, "enter");
    assert!(approvals(&driver).is_empty(), "it does not wait for what follows");
    wait(&mut driver, 40);
    assert_eq!(approvals(&driver).len(), 1);
}

#[test]
fn keys_of_a_burst_do_not_approve() {
    for gap in [0, 1, 10, 29] {
        for burst in
            [&["tab", "enter"][..], &["enter", "x"], &["x", "enter"], &["enter", "enter"], &["enter", "down"]]
        {
            let mut driver = opened(plan());
            driver.type_keys("tab");
            if burst[0] == "tab" {
                driver.type_keys("backtab");
            }
            for key in burst {
                send(&mut driver, key);
                wait(&mut driver, gap);
            }
            wait(&mut driver, 5000);
            assert!(approvals(&driver).is_empty(), "{burst:?} {gap} ms apart");
        }
    }
}

#[test]
fn a_held_key_does_not_approve() {
    // As a terminal tells it, at the usual rates, held since before the dialog opened.
    for every in [20, 33, 40, 100, 500] {
        let mut driver = actions(80, 40);
        driver.engine([armed()]);
        let mut driver = dialog(driver, "", plan());
        send(&mut driver, "tab");
        for _ in 0..200 {
            wait(&mut driver, every);
            send(&mut driver, "enter");
        }
        assert!(approvals(&driver).is_empty(), "every {every} ms");
    }
    // As terminals tell it that know about repeats.
    let mut driver = opened(plan());
    driver.type_keys("tab");
    let mut key = key_event("enter");
    (key.kind, key.state) = (KeyEventKind::Repeat, KeyEventState::NONE);
    for _ in 0..10 {
        wait(&mut driver, 800);
        driver.send(Event::Key(key));
    }
    wait(&mut driver, 800);
    assert!(approvals(&driver).is_empty());
}

#[test]
fn pasted_text_fills_nothing_and_approves_nothing() {
    let mut driver = opened(risky());
    driver.send(Event::Paste("recommendationservice".into()));
    driver.send(Event::Paste("recommendationservice\t\t\n".into()));
    assert!(driver.text().contains("pasted text does not count here"), "{}", driver.text());
    driver.type_keys("tab tab enter");
    assert!(approvals(&driver).is_empty());
    // A terminal without bracketed paste sends it as keys.
    let mut driver = opened(risky());
    for c in "recommendationservice".chars() {
        send(&mut driver, &c.to_string());
    }
    assert!(driver.text().contains("came too fast"), "{}", driver.text());
    wait(&mut driver, 1000);
    driver.type_keys("tab tab enter");
    wait(&mut driver, 1000);
    assert!(approvals(&driver).is_empty());
}
