//! The calls as a graph: on wide terminals, along its lines, and never without saying why not.

use std::sync::Arc;

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use sagetop::engine::EngineEvent;
use sagetop::tui::event::Event;

use super::driver::Driver;
use super::fixture;
use super::screens::{at_all_sizes, check};

fn graph(columns: u16, rows: u16, ascii: bool) -> Driver {
    let mut driver = Driver::with(columns, rows, ascii, None);
    driver.engine(fixture::usual());
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press("2 m");
    driver
}

fn chosen(driver: &Driver) -> String {
    driver.state.place.as_ref().unwrap().service.to_string()
}

#[test]
fn pictures() {
    at_all_sizes("graph", |columns, rows| {
        let mut driver = graph(columns, rows, false);
        driver.press("end");
        driver
    });
    let text = graph(120, 40, true).text();
    assert!(text.is_ascii(), "not ASCII:\n{text}");
    check("ascii-graph@120x40", text);
}

#[test]
fn a_key_toggles_it_and_a_narrow_terminal_has_the_tree_and_says_so() {
    let mut driver = graph(120, 40, false);
    assert!(driver.text().contains("┌ cartservice"), "{}", driver.text());
    driver.press("m");
    assert!(driver.text().contains("├─▾ cartservice"), "{}", driver.text());
    driver.press("m");
    driver.send(Event::Resize(80, 24));
    let text = driver.text();
    assert!(text.contains("├─▾ cartservice") && text.contains("no room for the graph"), "{text}");
    // It comes back with the room.
    driver.send(Event::Resize(160, 50));
    assert!(driver.text().contains("┌ cartservice"), "{}", driver.text());
    driver.send(Event::Resize(80, 24));
    driver.press("m m");
    assert!(driver.text().contains("it needs 100 columns"), "{}", driver.text());
}

#[test]
fn the_cursor_goes_along_the_lines() {
    let mut driver = graph(200, 60, false);
    assert_eq!(chosen(&driver), "frontend");
    driver.press("l");
    let first = chosen(&driver);
    assert_ne!(first, "frontend");
    driver.press("h");
    assert_eq!(chosen(&driver), "frontend");
    driver.press("h");
    assert!(driver.text().contains("this is the entry: users call it"), "{}", driver.text());
    // Down the layer to the one that calls something, into it, and back the way one came.
    driver.press("l");
    for _ in 0..10 {
        if chosen(&driver) == "recommendationservice" {
            break;
        }
        driver.press("j");
    }
    assert_eq!(chosen(&driver), "recommendationservice");
    driver.press("l");
    assert_eq!(chosen(&driver), "productcatalogservice");
    // The panel tells of the very call one went along.
    assert!(driver.text().contains("recommendationservice waits p95"), "{}", driver.text());
    driver.press("right");
    assert!(driver.text().contains("productcatalogservice calls nothing that is known"), "{}", driver.text());
    driver.press("h");
    assert_eq!(chosen(&driver), "recommendationservice");
    driver.press("enter");
    assert!(driver.text().contains("[Service]"), "{}", driver.text());
    driver.press("esc");
    assert_eq!(chosen(&driver), "recommendationservice");
}

#[test]
fn the_wheel_goes_from_box_to_box_and_a_click_chooses_then_opens() {
    let mut driver = graph(200, 60, false);
    let mouse = |driver: &mut Driver, kind, (column, row): (u16, u16)| {
        driver.send(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    };
    let text = driver.text();
    let (row, line) = text.lines().enumerate().find(|(_, l)| l.contains("cartservice")).unwrap();
    let column = line.chars().take_while(|c| *c != 'c').count();
    let (at, click) = ((column as u16, row as u16), MouseEventKind::Down(MouseButton::Left));
    mouse(&mut driver, click, at);
    assert_eq!(chosen(&driver), "cartservice");
    mouse(&mut driver, MouseEventKind::ScrollDown, at);
    assert!(!["cartservice", "frontend"].contains(&chosen(&driver).as_str()), "{}", chosen(&driver));
    let before = chosen(&driver);
    mouse(&mut driver, click, (1, 1));
    assert_eq!(chosen(&driver), before, "there is no box");
    mouse(&mut driver, click, at);
    mouse(&mut driver, click, at);
    assert!(driver.text().contains("[Service]"), "{}", driver.text());
}

#[test]
fn folds_and_filters_leave_out_what_the_tree_leaves_out() {
    let mut driver = graph(200, 60, false);
    driver.press("/ r e d i s enter");
    let text = driver.text();
    assert!(text.contains("redis-cart") && !text.contains("emailservice"), "{text}");
    driver.press("esc home *");
    let text = driver.text();
    assert!(!text.contains("redis-cart") && text.contains("cartservice") && text.contains("▸1"), "{text}");
    driver.press("s");
    assert!(driver.text().contains("sorting is for the tree"), "{}", driver.text());
}

#[test]
fn what_is_larger_than_the_screen_scrolls_after_the_cursor() {
    let mut driver = Driver::usual(120, 40);
    driver.engine([EngineEvent::Snapshot(Arc::new(fixture::big(120)))]);
    driver.press("2 m");
    assert!(driver.text().contains("more →"), "{}", driver.text());
    for keys in ["l", "l", "end", "k", "h", "j", "pagedown", "home"] {
        driver.press(keys);
        let name = chosen(&driver);
        let shown = driver.buffer();
        let text = super::driver::dump(&shown);
        assert!(text.contains(&format!("› {name}")), "{name} after {keys}:\n{text}");
    }
}

#[test]
fn hostile_names_and_any_size_are_safe() {
    let mut driver = Driver::usual(120, 40);
    driver.engine([EngineEvent::Snapshot(Arc::new(fixture::hostile()))]);
    let slo = fixture::hostile().slos[0].name.clone();
    driver.state.slo = Some(slo);
    driver.press("2 m");
    for (w, h) in [(100, 19), (101, 20), (113, 23), (140, 30), (300, 100), (99, 40), (120, 10), (0, 0)] {
        driver.send(Event::Resize(w, h));
        for key in ["l", "j", "h", "end"] {
            driver.press(key);
            let text = driver.text();
            assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
        }
    }
}

#[test]
fn without_data_there_is_a_reason_instead() {
    let mut driver = Driver::new(120, 40);
    driver.press("2 m l h j");
    assert!(driver.text().contains("No data yet"), "{}", driver.text());
}
