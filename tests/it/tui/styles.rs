//! The styles of every screen in the dark, the light and the colourless theme, kept in `snapshots/`.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::driver::{Driver, dump};
use super::looks::{drawn, themes};
use super::remedies::{self, plan};
use super::remedy_screens::{actions, dialog};
use super::screens::check;
use super::{doctor, fixture, inspect, services, timeline};

const SIZE: (u16, u16) = (120, 40);

fn usual((columns, rows): (u16, u16), keys: &str) -> Driver {
    let mut driver = Driver::usual(columns, rows);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press(keys);
    driver
}

/// Every screen, and what lies over them.
pub fn screens(size: (u16, u16)) -> Vec<(&'static str, Driver)> {
    let (w, h) = size;
    let mut arming = actions(w, h);
    arming.type_keys("A b o u");
    let mut commands = actions(w, h);
    commands.engine(remedies::commands());
    commands.type_keys("c up");
    let mut trace = inspect::service(w, h, false);
    trace.press("e");
    trace.engine([services::traced(Ok(Some(services::waterfall())))]);
    vec![
        ("slos", usual(size, "1")),
        ("tree", usual(size, "2 down")),
        ("graph", usual(size, "2 m l")),
        ("verdict", usual(size, "3")),
        ("service", inspect::service(w, h, false)),
        ("trace", trace),
        ("what-if", inspect::what_if(w, h, false)),
        ("actions", actions(w, h)),
        ("review", dialog(actions(w, h), "", plan())),
        ("arming", arming),
        ("commands", commands),
        ("timeline", timeline::timeline(w, h, false)),
        ("doctor", doctor::doctor(w, h, false)),
        ("log", doctor::log(w, h, false)),
        ("help", usual(size, "?")),
        ("palette", usual(size, ": c a r t")),
    ]
}

fn colour(colour: Color) -> String {
    match colour {
        Color::Indexed(i) => i.to_string(),
        other => other.to_string().to_lowercase(),
    }
}

/// "153 bold" for every run of cells in one style that is not the ground's.
fn runs(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut runs: Vec<(String, u16, u16)> = Vec::new();
        for x in 0..buf.area.width {
            let cell = &buf[(x, y)];
            let mut words = Vec::new();
            if cell.fg != Color::Reset {
                words.push(colour(cell.fg));
            }
            if cell.bg != Color::Reset {
                words.push(format!("on {}", colour(cell.bg)));
            }
            words.extend(cell.modifier.iter_names().map(|(name, _): (&str, Modifier)| name.to_lowercase()));
            let style = words.join(" ");
            match runs.last_mut() {
                Some((last, _, to)) if *last == style => *to = x,
                _ => runs.push((style, x, x)),
            }
        }
        let runs: Vec<_> = runs.iter().filter(|r| !r.0.is_empty()).collect();
        let runs: Vec<_> = runs.iter().map(|(style, a, b)| format!("{a}-{b} {style}")).collect();
        if !runs.is_empty() {
            out.push_str(&format!("{y:>3}: {}\n", runs.join(", ")));
        }
    }
    out
}

#[test]
fn every_screen_in_dark_light_and_mono() {
    for (screen, driver) in screens(SIZE) {
        let mut text = String::new();
        for name in ["dark", "light", "mono"] {
            let buf = drawn(&driver, themes(name).current());
            if text.is_empty() {
                text = dump(&buf);
            }
            text.push_str(&format!("\n{name}\n{}", runs(&buf)));
        }
        check(&format!("looks-{screen}@{}x{}", SIZE.0, SIZE.1), text);
    }
}
