//! What approves a plan, and everything that must not.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEventKind, KeyEventState};
use jiff::SignedDuration;
use sagetop::domain::Clean;
use sagetop::engine::{EngineEvent, Request};
use sagetop::remedy::*;
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;

use super::driver::{Driver, key_event};
use super::remedies::*;
use super::remedy_screens::{actions, dialog};

/// What was asked about remedies so far.
pub fn asked(driver: &Driver) -> Vec<&Ask> {
    let ask = |effect| match effect {
        &Effect::Ask(Request::Remedy(ref ask)) => Some(ask),
        _ => None,
    };
    driver.effects.iter().filter_map(ask).collect()
}

/// What was approved so far.
pub fn approvals(driver: &Driver) -> Vec<&Approval> {
    let approval = |ask| match ask {
        &Ask::Approve(ref approval) => Some(approval),
        _ => None,
    };
    asked(driver).into_iter().filter_map(approval).collect()
}

/// The dialog of `plan`, armed, and open for a while.
fn opened(plan: Plan) -> Driver {
    let down = match plan.kind {
        ActionKind::ResizeTemplate => "down",
        _ => "",
    };
    let mut driver = actions(80, 40);
    driver.engine([armed()]);
    driver = dialog(driver, down, plan);
    driver.wait(Duration::from_secs(2));
    driver.effects.clear();
    driver
}

fn wait(driver: &mut Driver, ms: u64) {
    driver.wait(Duration::from_millis(ms));
}

fn send(driver: &mut Driver, key: &str) {
    driver.send(Event::Key(key_event(key)));
}

fn spelled(text: &str) -> String {
    text.chars().map(|c| format!("{c} ")).collect()
}

#[test]
fn from_the_proposal_through_arming_to_the_approval() {
    let mut driver = actions(80, 40);
    driver.effects.clear();
    driver.type_keys("enter");
    assert_eq!(asked(&driver), [&Ask::Review(ProposalId(1))]);
    assert!(driver.text().contains("Reading the target again"), "{}", driver.text());
    driver.engine([preview(plan())]);
    let screen = driver.text();
    for part in ["replicas 2 → 4", "--current-replicas=2", "Is taken back by", "not armed", "[ Arm ]"] {
        assert!(screen.contains(part), "{part} is missing:\n{screen}");
    }
    wait(&mut driver, 1000);
    driver.type_keys("tab enter");
    assert!(driver.text().contains("type boutique-prod"), "{}", driver.text());
    driver.type_keys(&spelled("boutique-stage"));
    driver.type_keys("enter");
    assert_eq!(asked(&driver).len(), 1, "a wrong name arms nothing");
    driver.type_keys("backspace backspace backspace backspace backspace p r o d enter");
    assert_eq!(asked(&driver)[1], &Ask::Arm(Clean::new("boutique-prod")));
    driver.engine([armed()]);
    assert!(driver.text().contains("ARMED 14:5") && driver.text().contains("[ Apply ]"), "{}", driver.text());
    wait(&mut driver, 1000);
    driver.type_keys("enter");
    let [approval] = approvals(&driver)[..] else { panic!("{:?}", driver.effects) };
    let expected = Approval { digest: plan().digest, typed: None, reason: None, second: None };
    assert_eq!(*approval, expected);
    let screen = driver.text();
    assert!(screen.contains("Approved 3f3f3f3f3f3f3f3f") && !screen.contains("[ Apply ]"), "{screen}");
}

#[test]
fn cancel_is_the_default_and_tells_the_engine() {
    for keys in ["enter", "esc", "q"] {
        let mut driver = opened(plan());
        driver.type_keys(keys);
        assert_eq!(asked(&driver), [&Ask::Reject], "{keys}");
        assert!(!driver.text().contains("[ Cancel ]") && driver.text().contains("nothing was changed"));
    }
}

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

#[test]
fn a_risky_plan_asks_for_its_name_to_be_typed() {
    let mut driver = opened(risky());
    driver.type_keys(&spelled("recommendationservic"));
    driver.type_keys("enter tab tab enter");
    wait(&mut driver, 1000);
    assert!(approvals(&driver).is_empty());
    assert!(driver.text().contains("type recommendationservice first"), "{}", driver.text());
    driver.type_keys("backtab backtab e enter");
    assert!(driver.text().contains("enter does not approve here"), "{}", driver.text());
    driver.type_keys("tab tab enter");
    let [approval] = approvals(&driver)[..] else { panic!("{}", driver.text()) };
    assert_eq!(approval.typed, Some(Clean::new("recommendationservice")));
}

#[test]
fn a_grave_plan_asks_for_name_reason_and_a_second_person() {
    let mut proposals = proposals();
    Arc::make_mut(&mut proposals[3]).obstacles.clear();
    let mut driver = actions(80, 40);
    let slo = Clean::new(SLO);
    driver.engine([armed(), told(Told::Proposals { slo, proposals, notes: vec![] })]);
    let mut driver = dialog(driver, "down down down", gravest());
    wait(&mut driver, 1000);
    let screen = driver.text();
    for part in
        ["and reads from standard input", "flock -n 9", "'sudo -n /bin/sh -s'", "the model cannot tell"]
    {
        assert!(screen.contains(part), "{part} is missing:\n{screen}");
    }
    driver.type_keys(&spelled("node-c/report-7f9c"));
    driver.type_keys("tab");
    driver.type_keys(&spelled("noisy"));
    driver.type_keys("tab tab tab enter");
    assert!(approvals(&driver).is_empty());
    assert!(driver.text().contains("name the second person first"), "{}", driver.text());
    driver.type_keys("backtab backtab s a m tab tab enter");
    let [approval] = approvals(&driver)[..] else { panic!("{}", driver.text()) };
    assert_eq!(approval.typed, Some(Clean::new("node-c/report-7f9c")));
    assert_eq!(
        (approval.reason.as_ref(), approval.second.as_ref()),
        (Some(&Clean::new("noisy")), Some(&Clean::new("sam")))
    );
}

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
    let mut driver =
        opened(Plan { expires: super::fixture::now() + SignedDuration::from_millis(9_000), ..plan() });
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
fn the_whole_command_can_be_read_at_every_size() {
    for (columns, rows) in [(30, 10), (40, 10), (80, 24), (200, 60)] {
        let mut driver = actions(columns, rows);
        driver.engine([armed()]);
        let mut driver = dialog(driver, "down", risky());
        let mut seen = String::new();
        for _ in 0..60 {
            seen.push_str(&driver.text());
            driver.type_keys("down");
        }
        let squeeze =
            |text: &str| -> String { text.chars().filter(|c| !" │|↳\n".contains(*c)).collect() };
        // Wrapped lines are put together again by what both ends of a cut show.
        let patch = squeeze(risky().step.argv.last().unwrap());
        let seen = squeeze(&seen);
        for start in 0..patch.len().saturating_sub(12) {
            assert!(
                seen.contains(&patch[start..start + 6]),
                "{} at {columns}x{rows}",
                &patch[start..start + 6]
            );
        }
    }
}

#[test]
fn data_that_comes_in_leaves_the_dialog_alone() {
    let mut driver = opened(plan());
    driver.type_keys("tab");
    let mut snapshot = super::fixture::snapshot();
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

#[test]
fn an_undo_is_reviewed_and_approved_like_everything_else() {
    let mut driver = actions(80, 40);
    driver.engine([armed()]);
    driver.type_keys("end");
    driver.effects.clear();
    driver.type_keys("u");
    let id = OperationId(Clean::new("op-1"));
    assert_eq!(asked(&driver), [&Ask::Undo(id.clone())]);
    // An undo of another operation is not what was asked for.
    driver.engine([preview(Plan { undoes: Some(OperationId(Clean::new("op-9"))), ..plan() })]);
    assert!(!driver.text().contains("[ Cancel ]"));
    driver.engine([preview(Plan { undoes: Some(id), ..plan() })]);
    assert!(driver.text().contains("Undo: scale out"), "{}", driver.text());
    wait(&mut driver, 1000);
    driver.type_keys("tab enter");
    assert_eq!(approvals(&driver).len(), 1);
}
