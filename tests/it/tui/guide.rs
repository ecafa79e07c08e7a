//! The demo's guide: which words stand above the keys, scene by scene.

use sagetop::domain::Clean;
use sagetop::tui::event::Event;
use sagetop::tui::guide::Scene;

use super::driver::Driver;
use super::fixture;

const KEYS_HINT: usize = 1;

/// The line above the keys.
fn line(driver: &Driver) -> String {
    let text = driver.text();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len() - 1 - KEYS_HINT].trim_end_matches('|').trim_end().to_owned()
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

    let remedy = Clean::new("/tmp/sagetop-a1b2/kubectl scale deployment/geo --replicas=4");
    scene(&mut driver, Scene::Incident { remedy: Some(remedy) });
    assert_eq!(line(&driver), " › The objective is violated. enter shows who is on the path.");
    driver.press("enter");
    assert_eq!(line(&driver), " › Suspects are marked. v asks for the cause.");
    driver.press("v");
    assert_eq!(line(&driver), " › What would the tail be, had each service been normal? The model is asked.");
    driver.engine([fixture::answered(7, fixture::verdict())]);
    assert!(
        line(&driver).starts_with(" › Remedy, in another terminal: /tmp/sagetop-a1b2/kubectl scale"),
        "{}",
        line(&driver)
    );
    scene(&mut driver, Scene::Incident { remedy: None });
    assert_eq!(line(&driver), " › More replicas do not help against this; it passes by itself.");
    scene(&mut driver, Scene::Recovered);
    assert_eq!(line(&driver), " › The objective is met again. q ends the demo; nothing stays behind.");
}

#[test]
fn it_gives_way_on_a_small_terminal_and_outside_of_the_demo() {
    let mut driver = Driver::usual(40, 10);
    let without = driver.text();
    scene(&mut driver, Scene::Quiet);
    assert_eq!(driver.text(), without);
}
