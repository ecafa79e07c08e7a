//! The demo's guide: which words stand above the keys, scene by scene.

use std::sync::Arc;
use std::time::Duration;

use sagetop::domain::Clean;
use sagetop::engine::EngineEvent;
use sagetop::remedy::{Operation, OperationId, Phase, Told};
use sagetop::tui::event::Event;
use sagetop::tui::guide::Scene;

use super::driver::Driver;
use super::fixture;
use super::remedies::*;

const KEYS_HINT: usize = 1;

/// The line above the keys.
fn line(driver: &Driver) -> String {
    let text = driver.text();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len() - 1 - KEYS_HINT].trim_end_matches('|').trim_end().to_owned()
}

fn op(operation: Operation) -> EngineEvent {
    told(Told::Operation(Arc::new(operation)))
}

fn scene(driver: &mut Driver, scene: Scene) {
    driver.send(Event::Scene(scene));
}

#[test]
fn it_leads_from_the_red_objective_to_the_remedy() {
    let mut driver = Driver::usual(80, 24);
    let without = driver.text();
    scene(&mut driver, Scene::Quiet);
    assert_eq!(line(&driver), " › The model is ready. Something will break soon: watch the objective.");
    assert_ne!(driver.text(), without);

    // Where nothing can be changed from here, another terminal helps.
    driver.engine([off()]);
    let remedy = Clean::new("/tmp/sagetop-a1b2/kubectl scale deploy/geo --replicas=4");
    scene(&mut driver, Scene::Incident { remedy: Some(remedy) });
    assert_eq!(line(&driver), " › The objective is violated. enter shows who is on the path.");
    driver.press("enter");
    assert_eq!(line(&driver), " › Suspects are marked. v asks for the cause.");
    driver.press("v");
    assert_eq!(line(&driver), " › What would the tail be, had each service been normal? The model is asked.");
    driver.engine([fixture::answered(7, fixture::verdict())]);
    // Whole, so that it can be copied.
    assert_eq!(line(&driver), " › Remedy: /tmp/sagetop-a1b2/kubectl scale deploy/geo --replicas=4");
    scene(&mut driver, Scene::Incident { remedy: None });
    assert_eq!(line(&driver), " › More replicas do not help against this; it passes by itself.");
    scene(&mut driver, Scene::Recovered);
    assert_eq!(line(&driver), " › The objective is met again. q ends the demo; nothing stays behind.");
}

/// In the demo anything can be changed from the screens: no other terminal is needed.
#[test]
fn it_leads_through_review_arming_and_approval_to_recovery() {
    let mut driver = Driver::usual(100, 40);
    let remedy = Some(Clean::new("kubectl scale deploy/recommendationservice --replicas=4"));
    driver.engine([ready()]);
    scene(&mut driver, Scene::Incident { remedy });
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.type_keys("v");
    assert_eq!(line(&driver), " › The cause has a name. a shows what could be done about it.");
    driver.type_keys("a");
    assert_eq!(line(&driver), " › What-if sizes each action: how much of it would meet the objective?");
    driver.engine([proposed()]);
    assert_eq!(line(&driver), " › Best first, with the tail it predicts. enter reviews one.");
    driver.type_keys("enter");
    assert_eq!(line(&driver), " › The target is read again: what is shown next is what would really run.");
    driver.engine([preview(plan())]);
    assert_eq!(line(&driver), " › Exactly this would run; nothing can be written yet. tab to Arm, enter.");
    driver.wait(Duration::from_secs(1));
    driver.type_keys("tab");
    assert_eq!(line(&driver), " › Nothing can be written yet. enter arms this context.");
    driver.type_keys("enter");
    assert_eq!(
        line(&driver),
        " › Type boutique-prod and press enter: changes can then be approved for a while."
    );
    driver.engine([armed()]);
    assert_eq!(line(&driver), " › enter runs exactly what is shown, once.");
    driver.wait(Duration::from_secs(1));
    driver.type_keys("enter");
    driver.engine([op(operation("op-1", 0))]);
    assert_eq!(line(&driver), " › It runs; then the target is read again, to know and not to hope.");
    driver.engine([op(applied("op-1", 0))]);
    assert_eq!(line(&driver), " › Applied. Wait for the next window: did it help?");
    driver.engine([op(verified("op-1", 0, 168.0))]);
    scene(&mut driver, Scene::Recovered);
    assert_eq!(
        line(&driver),
        " › Met again: 168 ms, inside the predicted 171 ms [150-198]. q ends; nothing stays behind."
    );
    driver.send(Event::Resize(80, 24));
    assert_eq!(line(&driver), " › Met again: 168 ms, inside the predicted 171 ms [150-198]. q ends.");
}

#[test]
fn it_says_when_the_wrong_action_did_not_help_and_leads_back() {
    let mut driver = Driver::usual(100, 40);
    driver.engine([ready(), fixture::answered(7, fixture::verdict())]);
    scene(&mut driver, Scene::Incident { remedy: None });
    driver.type_keys("a");
    driver.engine([proposed(), op(verified("op-1", 0, 640.0))]);
    assert_eq!(
        line(&driver),
        " › That did not help: still violated. u on it takes it back; then try another."
    );
    driver.type_keys("1");
    assert_eq!(line(&driver), " › That did not help: still violated. a leads back.");
    // Taken back, it is as if nothing had been done.
    let undo = OperationId(Clean::new("op-2"));
    driver.engine([
        op(Operation { phase: Phase::Done, ..applied("op-2", -5) }),
        op(Operation { undone_by: Some(undo), ..verified("op-1", 0, 640.0) }),
    ]);
    driver.type_keys("a");
    assert_eq!(line(&driver), " › Best first, with the tail it predicts. enter reviews one.");
}

#[test]
fn it_gives_way_on_a_small_terminal_and_outside_of_the_demo() {
    let mut driver = Driver::usual(40, 10);
    let without = driver.text();
    scene(&mut driver, Scene::Quiet);
    assert_eq!(driver.text(), without);
}
