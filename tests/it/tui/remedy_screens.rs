//! What the screens about changes look like, kept in `snapshots/`.

use sagetop::tui::theme::Themes;

use super::driver::{Driver, styled_dump};
use super::remedies::*;
use super::screens::{SIZES, check};
use super::{fixture, remedies};

/// The actions with everything on them.
pub fn actions(columns: u16, rows: u16) -> Driver {
    let mut driver = Driver::usual(columns, rows);
    driver.engine([ready(), fixture::answered(7, fixture::verdict())]);
    driver.engine(history());
    driver.type_keys("a");
    driver.engine([proposed()]);
    driver
}

/// With the dialog of a plan that was asked for.
pub fn dialog(mut driver: Driver, keys: &str, plan: sagetop::remedy::Plan) -> Driver {
    driver.type_keys(keys);
    driver.type_keys("enter");
    driver.engine([preview(plan)]);
    driver
}

fn at_all_sizes(name: &str, mut make: impl FnMut(u16, u16) -> Driver) {
    for (columns, rows) in SIZES {
        let mut driver = make(columns, rows);
        let text = driver.text();
        let shown = if columns == 80 { styled_dump(&driver.buffer()) } else { text.clone() };
        check(&format!("{name}@{columns}x{rows}"), shown);
        // Themes style the same cells; without colours nothing is missing.
        for theme in ["light", "ansi16", "mono"] {
            let mut themes = Themes::builtin().unwrap();
            match theme {
                "mono" => themes = themes.without_colour(),
                name => themes.select(name).unwrap(),
            }
            driver.state.themes = themes;
            assert_eq!(driver.text(), text, "{name} in {theme}");
        }
    }
}

#[test]
fn actions_screen() {
    at_all_sizes("actions", actions);
}

#[test]
fn operations() {
    at_all_sizes("operations", |w, h| {
        let mut driver = actions(w, h);
        driver.type_keys("down down down down");
        driver
    });
}

#[test]
fn review() {
    at_all_sizes("review", |w, h| dialog(actions(w, h), "", plan()));
}

#[test]
fn review_of_a_risky_plan() {
    at_all_sizes("review-risky", |w, h| {
        let mut driver = actions(w, h);
        driver.engine([armed()]);
        let mut driver = dialog(driver, "down", risky());
        driver.type_keys("r e c o");
        driver
    });
}

#[test]
fn review_of_a_grave_plan() {
    at_all_sizes("review-grave", |w, h| {
        let mut driver = actions(w, h);
        driver.engine([armed(), told_without_refusal()]);
        dialog(driver, "down down down", gravest())
    });
}

fn told_without_refusal() -> sagetop::engine::EngineEvent {
    let mut proposals = proposals();
    let mut last = (*proposals[3]).clone();
    last.obstacles.clear();
    proposals[3] = std::sync::Arc::new(last);
    let slo = sagetop::domain::Clean::new(remedies::SLO);
    told(sagetop::remedy::Told::Proposals { slo, proposals, notes: Vec::new() })
}

#[test]
fn arming() {
    at_all_sizes("arming", |w, h| {
        let mut driver = actions(w, h);
        driver.type_keys("A b o u t");
        driver
    });
}

#[test]
fn command_log() {
    at_all_sizes("commands", |w, h| {
        let mut driver = Driver::usual(w, h);
        driver.engine(commands());
        driver.type_keys("c up up up");
        driver
    });
}

#[test]
fn hostile_names() {
    let mut driver = Driver::usual(80, 24);
    driver.engine([ready(), fixture::answered(7, fixture::verdict()), hostile_operation()]);
    driver.type_keys("a");
    driver.engine([hostile_proposals()]);
    let mut shown = dialog(driver.clone(), "", hostile_plan());
    for (name, driver) in [("actions", &mut driver), ("review", &mut shown)] {
        let mut all = String::new();
        for _ in 0..40 {
            all.push_str(&driver.text());
            driver.type_keys("pagedown");
        }
        assert!(!all.chars().any(|c| c.is_control() && c != '\n'), "{name}");
        assert!(!all.contains(['\u{202e}', '\u{200b}', '\u{2028}']), "{name}");
        assert!(all.contains("\\e[31m"), "what cannot be shown is named in {name}");
        check(&format!("hostile-{name}@80x24"), driver.text());
    }
}

#[test]
fn ascii() {
    let mut driver = Driver::with(80, 24, true, None);
    driver.engine(fixture::usual());
    driver.engine([ready(), fixture::answered(7, fixture::verdict())]);
    driver.engine(history().into_iter().chain(commands()));
    driver.type_keys("a");
    driver.engine([proposed(), armed()]);
    let mut commands = driver.clone();
    commands.type_keys("c");
    let review = dialog(driver.clone(), "down", risky());
    for (name, driver) in [("actions", driver), ("commands", commands), ("review", review)] {
        let text = driver.text();
        assert!(text.is_ascii(), "{name} is not ASCII:\n{text}");
        check(&format!("ascii-{name}@80x24"), text);
    }
}
