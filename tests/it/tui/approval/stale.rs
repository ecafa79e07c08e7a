//! What is not as it was shown is not approved.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use sagetop::domain::Clean;
use sagetop::engine::EngineEvent;
use sagetop::remedy::{Ask, Digest, Plan, ProposalId, Told};
use sagetop::tui::event::Event;

use super::{approvals, asked, opened, send, spelled, wait};
use crate::tui::fixture;
use crate::tui::remedies::{SLO, applied, armed, commands, plan, preview, risky, told};
use crate::tui::remedy_screens::{actions, dialog};

#[test]
fn an_expired_plan_is_reviewed_again() {
    let mut driver = opened(plan());
    driver.type_keys("tab");
    wait(&mut driver, 121_000);
    assert!(
        driver.text().contains(" expired ") && driver.text().contains("[ Review again ]"),
        "{}",
        driver.text()
    );
    send(&mut driver, "enter");
    wait(&mut driver, 1000);
    assert!(asked(&driver).is_empty(), "what Enter means changed just now");
    driver.type_keys("enter");
    assert_eq!(asked(&driver), [&Ask::Review(ProposalId(1))]);
}

#[test]
fn a_plan_that_expires_between_press_and_approval_is_not_approved() {
    let mut driver = opened(Plan { expires: fixture::now() + SignedDuration::from_millis(9_000), ..plan() });
    driver.type_keys("tab");
    let left = Duration::try_from(
        driver.state.review.as_ref().unwrap().plan.expires.duration_since(driver.state.now),
    )
    .unwrap();
    driver.wait(left - Duration::from_millis(5));
    send(&mut driver, "enter");
    wait(&mut driver, 5000);
    assert!(approvals(&driver).is_empty());
}

#[test]
fn a_newer_plan_starts_the_dialog_anew() {
    let mut driver = opened(risky());
    driver.type_keys(&spelled("recommendationservice"));
    driver.type_keys("tab tab");
    let newer = Plan { digest: Digest([9; 32]), ..risky() };
    driver.engine([preview(newer)]);
    send(&mut driver, "enter");
    wait(&mut driver, 5000);
    driver.type_keys("tab tab enter");
    assert!(approvals(&driver).is_empty(), "what was typed for the old one counts no more");
    assert!(driver.text().contains("sha-256 0909090909090909"), "{}", driver.text());
}

#[test]
fn a_plan_that_nobody_waits_for_opens_nothing() {
    let mut driver = actions(80, 40);
    driver.engine([armed(), preview(plan())]);
    assert!(!driver.text().contains("[ Cancel ]"));
    // Nor does one that is about something else, or comes after the wait was given up.
    driver.type_keys("enter");
    driver.engine([preview(risky())]);
    assert!(!driver.text().contains("[ Cancel ]"));
    driver.type_keys("esc");
    driver.engine([preview(plan())]);
    assert!(!driver.text().contains("[ Cancel ]"), "{}", driver.text());
    driver.type_keys("enter 1");
    driver.engine([preview(plan())]);
    assert!(!driver.text().contains("[ Cancel ]") && driver.text().contains("[SLOs]"));
}

#[test]
fn what_takes_away_the_ground_takes_away_apply() {
    let ends: [(&str, Event); 2] =
        [("[ Arm ]", Event::Engine(told(Told::Armed(None)))), ("the engine stopped", Event::EngineGone)];
    for (sign, event) in ends {
        let mut driver = opened(plan());
        driver.type_keys("tab");
        send(&mut driver, "enter");
        driver.send(event);
        wait(&mut driver, 5000);
        driver.type_keys("enter");
        wait(&mut driver, 5000);
        assert!(approvals(&driver).is_empty(), "{sign}");
        let mut shown = opened(plan());
        shown.send(match sign {
            "[ Arm ]" => Event::Engine(told(Told::Armed(None))),
            _ => Event::EngineGone,
        });
        assert!(shown.text().contains(sign), "{}", shown.text());
    }
    // Arming ends by itself.
    let mut driver = opened(plan());
    driver.engine([told(Told::Armed(Some(driver.state.now + SignedDuration::from_secs(10))))]);
    driver.type_keys("tab");
    wait(&mut driver, 11_000);
    assert!(driver.text().contains("[ Arm ]") && !driver.text().contains("ARMED"), "{}", driver.text());
}

#[test]
fn nothing_is_approved_that_was_not_on_the_screen() {
    let mut driver = actions(40, 10);
    driver.engine([armed()]);
    let mut driver = dialog(driver, "", plan());
    wait(&mut driver, 1000);
    driver.type_keys("tab enter");
    assert!(approvals(&driver).is_empty() && driver.text().contains("read on"), "{}", driver.text());
    for _ in 0..20 {
        driver.type_keys("pagedown");
    }
    assert!(driver.text().contains("alone"), "the end is not there:\n{}", driver.text());
    wait(&mut driver, 1000);
    driver.type_keys("enter");
    assert_eq!(approvals(&driver).len(), 1);
    // Another size shows other parts of it.
    let mut driver = opened(plan());
    driver.type_keys("tab");
    driver.send(Event::Resize(40, 10));
    wait(&mut driver, 1000);
    driver.type_keys("enter");
    assert!(approvals(&driver).is_empty());
}

#[test]
fn data_that_comes_in_leaves_the_dialog_alone() {
    let mut driver = opened(plan());
    driver.type_keys("tab");
    let mut snapshot = fixture::snapshot();
    snapshot.version = 20;
    let slo = Clean::new(SLO);
    driver.engine([
        EngineEvent::Snapshot(Arc::new(snapshot)),
        told(Told::Proposals { slo, proposals: Vec::new(), notes: Vec::new() }),
        told(Told::Operation(Arc::new(applied("other", 1)))),
    ]);
    driver.engine(commands());
    assert!(driver.text().contains("Review: scale out: deployment recommendationservice"));
    driver.type_keys("enter");
    assert_eq!(approvals(&driver).len(), 1);
    assert_eq!(approvals(&driver)[0].digest, plan().digest);
}
