//! What approves a plan, and everything that must not.

mod haste;
mod stale;

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::Clean;
use sagetop::engine::Request;
use sagetop::remedy::*;
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;

use super::driver::{Driver, key_event};
use super::remedies::*;
use super::remedy_screens::{actions, dialog};

/// What was asked about remedies so far.
pub fn asked(driver: &Driver) -> Vec<&Ask> {
    let asks = driver.effects.iter().filter_map(|effect| match effect {
        Effect::Ask(Request::Remedy(ask)) => Some(ask),
        _ => None,
    });
    asks.collect()
}

/// What was approved so far.
pub fn approvals(driver: &Driver) -> Vec<&Approval> {
    let approvals = asked(driver).into_iter().filter_map(|ask| match ask {
        Ask::Approve(approval) => Some(approval),
        _ => None,
    });
    approvals.collect()
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
