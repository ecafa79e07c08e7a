//! The palette: a few letters lead anywhere.

use std::sync::Arc;

use ratatui::style::Color;

use sagetop::domain::{Clean, ServiceName};
use sagetop::engine::Request;
use sagetop::remedy::Told;
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;
use sagetop::tui::theme::Role;

use super::driver::{Driver, styled_dump};
use super::screens::check;
use super::{fixture, remedies};

fn driver() -> Driver {
    let mut driver = Driver::usual(80, 24);
    driver.state.contexts = ["boutique-prod", "boutique-test"].map(Clean::new).to_vec();
    driver.state.context = Some(Clean::new("boutique-prod"));
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver
}

#[test]
fn letters_lead_to_views() {
    let table: &[(&str, &[&str])] = &[
        (":", &["Palette", "page-down", "One line up."]),
        (": s h v e r", &["show-verdict", "3", "Verdict on the selected SLO"]),
        (": s h v e r enter", &["[Verdict]"]),
        (": c h e c k o u t p enter", &["[Tree]", "checkout-p95"]),
        (": r e d i s", &["service redis-cart"]),
        (": r e d i s enter", &["[Tree]", "redis-cart"]),
        (": h i g h c o n enter", &["theme high-contrast"]),
        (": b o u t e s t enter", &["opening boutique-test"]),
        (": b o u p r o d", &["context boutique-prod (off)", "boutique-prod is what you are looking at"]),
        (": b o u p r o d enter", &["Palette", "boutique-prod is what you are looking at"]),
        (": u n d o", &["undo (off)", "undo does nothing on this screen, only on Actions"]),
        (": q q q q", &["Nothing fits that."]),
        (": x esc", &["[SLOs]"]),
        (": x backspace backspace", &["[SLOs]"]),
        ("? :", &["Palette"]),
    ];
    for (keys, texts) in table {
        let mut driver = driver();
        driver.press(keys);
        let screen = driver.text();
        for text in *texts {
            assert!(screen.contains(text), "after {keys:?} there is no {text:?} in\n{screen}");
        }
        assert_eq!(driver.state.palette.is_some(), screen.contains("┌ Palette "), "after {keys:?}");
    }
}

#[test]
fn a_chosen_line_does_what_its_key_does() {
    let mut driver = driver();
    driver.press(": r e t r a i n enter");
    assert_eq!(driver.effects, [Effect::Ask(Request::Retrain)]);
    driver.effects.clear();
    driver.press(": t e s t enter");
    assert_eq!(driver.effects, [Effect::Context(Clean::new("boutique-test"))]);
    driver.effects.clear();
    driver.press("C");
    assert_eq!(driver.effects, [Effect::Context(Clean::new("boutique-test"))]);
    // Letters are text while it is open; what no text has leaves as ever.
    driver.effects.clear();
    driver.press(": q");
    assert!(driver.effects.is_empty());
    driver.press("ctrl-c");
    assert_eq!(driver.effects, [Effect::Quit]);
}

#[test]
fn the_service_is_found_however_the_tree_is_folded_and_filtered() {
    let mut driver = driver();
    driver.press("2 * / a d s enter 1 : r e d i s enter");
    assert!(driver.cursor_line().contains("redis-cart"), "{}", driver.text());
    assert_eq!(driver.state.place.as_ref().unwrap().service, ServiceName::new("redis-cart"));
}

#[test]
fn what_it_offers_follows_the_data_and_the_cursor_stays() {
    let mut driver = driver();
    driver.press(": s e r v i c e down down");
    let chosen = driver.state.palette.as_ref().unwrap().selected().unwrap().what.clone();
    let mut next = fixture::snapshot();
    next.version = 8;
    let mut graph = fixture::graph();
    graph.add_service(&ServiceName::new("aaa-service"), true);
    next.graph = Arc::new(graph);
    driver.engine([sagetop::engine::EngineEvent::Snapshot(Arc::new(next))]);
    assert_eq!(driver.state.palette.as_ref().unwrap().selected().unwrap().what, chosen);
    driver.send(Event::Paste("aaa\n".into()));
    assert_eq!(driver.state.palette.as_ref().unwrap().input.value(), "serviceaaa\\n");
}

#[test]
fn the_letters_that_fit_are_marked_and_what_is_off_is_quiet() {
    let mut driver = driver();
    driver.press(": u n d o");
    let buf = driver.buffer();
    let role = |role: Role| Color::Indexed(Role::ALL.iter().position(|r| *r == role).unwrap() as u8);
    assert!(buf.content().iter().filter(|c| c.fg == role(Role::Matched)).count() >= 4);
    check("palette@80x24", styled_dump(&buf));
    let mut small = Driver::usual(40, 10);
    small.press(": c a r t");
    check("palette@40x10", styled_dump(&small.buffer()));
}

#[test]
fn another_context_forgets_the_old_one_but_not_how_one_looks_at_it() {
    let mut driver = driver();
    driver.engine([remedies::armed()]);
    driver.press("s p v t");
    let theme = driver.state.themes.current().name().to_owned();
    driver.send(Event::Context(Clean::new("boutique-test")));
    let screen = driver.text();
    for old in ["ARMED", "PAUSED", "BREACHED", "recommendationservice", "boutique-prod"] {
        assert!(!screen.contains(old), "{old} is still there:\n{screen}");
    }
    assert!(screen.contains("context boutique-test") && screen.contains("[SLOs]"), "{screen}");
    assert_eq!(driver.state.themes.current().name(), theme);
    driver.engine(fixture::usual());
    assert!(driver.text().contains("SLO, in order"), "{}", driver.text());
    driver.send(Event::ContextFailed(Clean::new("x"), "no such file".to_owned()));
    assert!(driver.text().contains("! x cannot be opened: no such file"), "{}", driver.text());
}

#[test]
fn a_change_under_way_keeps_the_context() {
    let mut driver = driver();
    let running = remedies::operation("20260302-1", 5);
    driver.engine([remedies::told(Told::Operation(Arc::new(running)))]);
    driver.press("C");
    assert!(driver.effects.is_empty());
    assert!(driver.text().contains("a change is under way here"), "{}", driver.text());
}
