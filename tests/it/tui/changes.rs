//! The screens of actions and commands, in a user's words.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use sagetop::domain::Clean;
use sagetop::engine::{EngineEvent, Request};
use sagetop::remedy::*;
use sagetop::tui::effect::Effect;
use sagetop::tui::ledger::{MOST_COMMANDS, MOST_OPERATIONS};

use super::approval::asked;
use super::driver::Driver;
use super::fixture;
use super::remedies::*;
use super::remedy_screens::actions;

fn shows(driver: &Driver, parts: &[&str]) {
    let screen = driver.text();
    for part in parts {
        assert!(screen.contains(part), "{part:?} is not on\n{screen}");
    }
}

fn lacks(driver: &Driver, part: &str) {
    assert!(!driver.text().contains(part), "{part:?} is on\n{}", driver.text());
}

fn propose() -> Ask {
    Ask::Propose(Clean::new(SLO))
}

fn op(operation: Operation) -> EngineEvent {
    told(Told::Operation(Arc::new(operation)))
}

#[test]
fn proposals_stand_best_first_with_what_they_would_do() {
    let mut driver = actions(100, 50);
    shows(
        &driver,
        &[
            "R1 scale out: deployment recommendationservice in shop",
            "replicas 2 → 4",
            "171 ms [150-198]  P(met) 0.97",
        ],
    );
    shows(&driver, &["why      its CPU is throttled", "the network was considered"]);
    let screen = driver.text();
    let place = |text: &str| screen.find(text).unwrap();
    assert!(
        place("scale out") < place("resize the pod template") && place("resize the pod") < place("refused")
    );
    driver.type_keys("down");
    shows(
        &driver,
        &[
            "▲ warning: Argo CD application shop owns this object",
            "limits.cpu 500m → 1200m",
            "requests.cpu unset → 600m",
        ],
    );
    driver.type_keys("y");
    assert_eq!(
        driver.effects.last(),
        Some(&Effect::Copy("spec: {}".to_owned())),
        "the patch for its repository"
    );
    driver.effects.clear();
    driver.type_keys("down down enter");
    shows(&driver, &["refused: actions on machines are off in this context"]);
    assert!(asked(&driver).is_empty());
}

#[test]
fn proposals_are_asked_for_once_for_each_verdict() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([ready(), fixture::answered(7, fixture::verdict())]);
    driver.type_keys("a 1 a");
    assert_eq!(asked(&driver), [&propose()]);
    shows(&driver, &["Sizing what could be done."]);
    driver.engine([proposed()]);
    driver.type_keys("1 a");
    assert_eq!(asked(&driver).len(), 1);
    driver.wait(Duration::from_secs(60));
    driver.engine([fixture::answered(8, fixture::verdict())]);
    assert_eq!(asked(&driver), [&propose(), &propose()]);
}

#[test]
fn without_a_verdict_the_cause_is_searched_first() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([ready()]);
    driver.type_keys("a");
    assert_eq!(driver.effects, [Effect::Ask(Request::Diagnose(Clean::new(SLO)))]);
    shows(&driver, &["Searching for the cause of product-page-p95 first"]);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    assert_eq!(asked(&driver), [&propose()]);
}

#[test]
fn where_nothing_can_be_changed_it_says_how_to_get_there() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([off(), fixture::answered(7, fixture::verdict())]);
    driver.type_keys("a");
    shows(
        &driver,
        &["Nothing can be changed here: the configuration has no", "[contexts.boutique-prod.remedy] section"],
    );
    assert!(asked(&driver).is_empty());
    driver.type_keys("A");
    shows(&driver, &["cannot arm: the configuration has no"]);
    lacks(&driver, "type boutique-prod");
}

#[test]
fn nothing_that_fits_is_said_with_its_reason() {
    let mut driver = actions(80, 24);
    let notes = vec![Clean::new("nothing fits: the load is the cause, and the autoscaler is at its limit")];
    driver.engine([told(Told::Proposals { slo: Clean::new(SLO), proposals: vec![], notes })]);
    shows(&driver, &["nothing fits: the load is the cause", "What was done"]);
    driver.engine([told(Told::Proposals { slo: Clean::new(SLO), proposals: vec![], notes: vec![] })]);
    shows(&driver, &["Nothing can be proposed for product-page-p95."]);
}

#[test]
fn an_operation_is_followed_to_its_end() {
    let mut driver = actions(100, 40);
    let steps: [(Operation, &[&str]); 5] = [
        (operation("op-9", 0), &["running: scale out", "RUNNING", "the command runs"]),
        (
            Operation { phase: Phase::Settling(Clean::new("2 of 4 replicas ready")), ..applied("op-9", 0) },
            &["applied, and read back: scale out", "APPLIED", "takes effect: 2 of 4 replicas ready"],
        ),
        (applied("op-9", 0), &["APPLIED", "waits for the next windows"]),
        (
            verified("op-9", 0, 168.0),
            &[
                "objective met: measured 168 ms over 3 windows, a hit: inside the predicted 171 ms [150-198]",
                "168 ms: as predicted",
                "2 of 3 tails",
            ],
        ),
        (
            Operation { reverted: Some(Clean::new("keda-operator")), ..verified("op-9", 0, 168.0) },
            &["! reverted by keda-operator", "REVERTED"],
        ),
    ];
    for (step, parts) in steps {
        driver.engine([op(step)]);
        shows(&driver, parts);
    }
    // A miss for the better, and one for the worse.
    driver.engine([op(verified("op-10", 0, 120.0))]);
    shows(&driver, &["● APPLIED", "120 ms: better than predicted"]);
    driver.engine([op(verified("op-10", 0, 290.0))]);
    shows(&driver, &["290 ms: worse than predicted"]);
    driver.engine([op(verified("op-10", 0, 420.0))]);
    shows(&driver, &["▲ APPLIED", "420 ms: still violated", "2 of 4 tails"]);
    // Those of last week count as well.
    driver.engine([told(Told::Predictions { hits: 7, of: 9 })]);
    shows(&driver, &["9 of 13 tails"]);
    driver.engine([op(Operation { second: Some(Clean::new("sam")), ..verified("op-11", 0, 168.0) })]);
    driver.type_keys("down down down down");
    shows(&driver, &["by kim and sam, "]);
}

#[test]
fn what_is_not_applied_or_unknown_is_a_failure_that_stays() {
    for (outcome, text) in [
        (Outcome::NotApplied(Clean::new("forbidden")), "! not applied: forbidden"),
        (Outcome::Unknown(Clean::new("no answer")), "! unknown whether it is applied: no answer"),
    ] {
        let mut driver = actions(100, 40);
        driver.engine([op(operation("op-9", 0))]);
        driver.engine([op(Operation { outcome: Some(outcome), phase: Phase::Done, ..operation("op-9", 0) })]);
        driver.wait(Duration::from_secs(60));
        shows(&driver, &[text]);
    }
}

#[test]
fn what_the_journal_tells_of_earlier_is_no_news() {
    let mut driver = Driver::usual(80, 24);
    let before = driver.text();
    driver.engine(history().into_iter().take(4));
    assert_eq!(driver.text(), before);
}

#[test]
fn a_pause_does_not_hide_what_is_done() {
    let mut driver = actions(100, 40);
    driver.type_keys("p");
    driver.engine([
        op(applied("op-9", 0)),
        told(Told::Proposals { slo: Clean::new(SLO), proposals: vec![], notes: vec![] }),
    ]);
    shows(&driver, &["PAUSED", "what was done is live", "APPLIED scale out", "R1 scale out", "03:12:40"]);
    driver.type_keys("p");
    shows(&driver, &["Nothing can be proposed"]);
}

#[test]
fn undo_and_keep_say_why_not() {
    let table = [
        ("u", "this is not done yet"),
        ("down down down down enter", "u takes it back"),
        ("down down down down down u", "nobody knows"),
        ("end up up u", "it was not applied: nothing to undo"),
        ("end up u", "it cannot be taken back now"),
        ("end K", "only a change that takes itself back can be kept"),
    ];
    for (keys, text) in table {
        let mut driver = actions(80, 40);
        driver.effects.clear();
        driver.type_keys(keys);
        if text == "nobody knows" {
            shows(&driver, &["it cannot be taken back now"]);
        } else {
            shows(&driver, &[text]);
        }
        assert!(asked(&driver).is_empty(), "{keys}");
    }
    let mut driver = actions(80, 40);
    driver.effects.clear();
    driver.type_keys("down down down down");
    shows(&driver, &["takes itself back in 4:1", "K keeps it"]);
    driver.type_keys("K");
    assert_eq!(asked(&driver), [&Ask::Keep(OperationId(Clean::new("op-5")))]);
}

#[test]
fn while_armed_every_screen_says_so_and_counts_down() {
    let mut driver = actions(80, 24);
    driver.engine([armed()]);
    for key in ["1", "2", "3", "4", "5", "?"] {
        driver.type_keys(key);
        shows(&driver, &[" ARMED 1"]);
    }
    driver.type_keys("?");
    driver.wait(Duration::from_secs(14 * 60));
    shows(&driver, &[" ARMED 0:"]);
    driver.effects.clear();
    driver.type_keys("A");
    assert_eq!(asked(&driver), [&Ask::Disarm]);
    driver.engine([told(Told::Armed(None))]);
    lacks(&driver, "ARMED");
    shows(&driver, &["not armed: nothing can be written"]);
    driver.engine([told(Told::Armed(Some(driver.state.now + SignedDuration::from_secs(60))))]);
    driver.wait(Duration::from_secs(61));
    lacks(&driver, "ARMED");
}

#[test]
fn a_refusal_stays_until_something_follows() {
    let mut driver = actions(80, 30);
    driver.type_keys("enter");
    let why = Clean::new("recommendationservice is being rolled out: wait until it is done");
    driver.engine([told(Told::Refused { what: Clean::new("review"), why })]);
    shows(&driver, &["! review: recommendationservice is being rolled out"]);
    lacks(&driver, "Reading the target again");
    driver.type_keys("down up");
    shows(&driver, &["✖ review: recommendationservice is being rolled out"]);
    driver.type_keys("enter");
    driver.engine([preview(plan())]);
    driver.type_keys("esc down up");
    lacks(&driver, "✖ review");
}

#[test]
fn the_command_log_follows_the_newest_unless_one_is_chosen() {
    let mut driver = Driver::usual(100, 24);
    driver.engine(commands());
    driver.type_keys("c");
    shows(&driver, &["◆ writes kubectl scale", "exit 1", "running"]);
    assert!(driver.cursor_line().contains("get deployments.apps/recommendationservice"));
    driver.type_keys("up");
    assert!(driver.cursor_line().contains("writes kubectl scale"), "{}", driver.text());
    driver.type_keys("y");
    let scale = "kubectl --context=boutique-prod --namespace=shop scale deployments.apps/recommendationservice --replicas=4 --current-replicas=2";
    assert_eq!(driver.effects.last(), Some(&Effect::Copy(scale.to_owned())));
    // The chosen one stays under the cursor while more come.
    for n in 8..200 {
        driver.engine([told(Told::Command(command(
            n,
            &format!("kubectl get pods/{n}"),
            false,
            Some("exit 0"),
        )))]);
    }
    assert!(driver.cursor_line().contains("writes kubectl scale"), "{}", driver.text());
    driver.type_keys("end");
    assert!(driver.cursor_line().contains("pods/199"), "{}", driver.text());
    driver.engine([told(Told::Command(command(200, "kubectl get pods/200", false, None)))]);
    assert!(driver.cursor_line().contains("pods/200"));
    driver.engine([told(Told::Command(command(200, "kubectl get pods/200", false, Some("exit 0"))))]);
    assert_eq!(driver.text().matches("pods/200").count(), 2, "its line, and all about it below");
    driver.type_keys("/ s c a l e enter");
    shows(&driver, &["filter \"scale\" 3 of 200"]);
    lacks(&driver, "pods/");
}

#[test]
fn what_is_kept_has_an_end() {
    let mut driver = Driver::usual(80, 24);
    for n in 0..(MOST_COMMANDS as u64 + 50) {
        driver
            .state
            .live
            .ledger
            .apply(&Told::Command(command(n, "kubectl version", false, None)), fixture::now());
    }
    assert_eq!(driver.state.ledger().commands().count(), MOST_COMMANDS);
    assert_eq!(driver.state.ledger().commands().next().unwrap().number, 50);
    driver.engine([op(operation("op-old-but-running", 1_000_000))]);
    for n in 0..(MOST_OPERATIONS + 50) {
        let told = Told::Operation(Arc::new(verified(&format!("op-{n}"), 500_000 - n as i64, 168.0)));
        driver.state.live.ledger.apply(&told, fixture::now());
    }
    assert_eq!(driver.state.ledger().operations().count(), MOST_OPERATIONS);
    let oldest = driver.state.ledger().operations().next_back().unwrap();
    assert_eq!(oldest.id.to_string(), "op-old-but-running");
}
