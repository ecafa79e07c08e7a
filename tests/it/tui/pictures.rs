//! Frames with their colours, to be looked at: `SAGETOP_PICTURES=folder cargo test --test it pictures -- --ignored`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use sagetop::tui::terminal::Painter;
use sagetop::tui::theme::Themes;
use sagetop::tui::view;

use super::driver::Driver;
use super::remedies::*;
use super::remedy_screens::{actions, dialog};

/// The bytes a terminal gets for the frame.
fn ansi(driver: &Driver) -> Vec<u8> {
    let (mut painter, mut out) = (Painter::default(), Vec::new());
    let area = Rect::new(0, 0, driver.state.size.0, driver.state.size.1);
    let draw = |area, buf: &mut Buffer| view::draw(&driver.state, driver.state.themes.current(), area, buf);
    painter.paint(&mut out, area, draw).unwrap();
    out
}

#[test]
#[ignore = "draws pictures"]
fn pictures() {
    let folder = std::path::PathBuf::from(std::env::var_os("SAGETOP_PICTURES").expect("a folder"));
    for (columns, rows) in [(40, 10), (80, 24), (120, 40)] {
        let armed_actions = || {
            let mut driver = actions(columns, rows);
            driver.engine([armed()]);
            driver
        };
        let mut log = actions(columns, rows);
        log.engine(commands());
        log.type_keys("c up");
        let mut arming = actions(columns, rows);
        arming.type_keys("A b o u");
        let mut operations = actions(columns, rows);
        operations.type_keys("down down down down");
        let mut typed = dialog(armed_actions(), "down", risky());
        typed.type_keys("r e c");
        let frames = [
            ("actions", actions(columns, rows)),
            ("operations", operations),
            ("review", dialog(actions(columns, rows), "", plan())),
            ("risky", typed),
            ("arming", arming),
            ("commands", log),
        ];
        for (name, mut driver) in frames {
            for theme in ["dark", "light", "mono"] {
                let mut themes = Themes::builtin().unwrap();
                match theme {
                    "mono" => themes = themes.without_colour(),
                    name => themes.select(name).unwrap(),
                }
                driver.state.themes = themes;
                let file = folder.join(format!("{name}-{columns}x{rows}-{theme}.ansi"));
                std::fs::write(file, ansi(&driver)).unwrap();
            }
        }
    }
}
