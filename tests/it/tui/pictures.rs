//! Every screen as a terminal gets it, to be looked at; one file each, which `docs/screens/capture --ansi` turns
//! into a picture: `SAGETOP_PICTURES=folder cargo test --test it pictures -- --ignored`.

use std::path::PathBuf;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use sagetop::tui::terminal::Painter;
use sagetop::tui::theme::{Depth, Themes};
use sagetop::tui::view;

use super::driver::Driver;
use super::remedies::{commands, risky};
use super::remedy_screens::{actions, dialog};
use super::screens::SIZES;
use super::styles::screens;

/// The bytes a terminal gets for the frame.
fn ansi(driver: &Driver) -> Vec<u8> {
    let (mut painter, mut out) = (Painter::default(), Vec::new());
    let area = Rect::new(0, 0, driver.state.size.0, driver.state.size.1);
    let draw = |area, buf: &mut Buffer| view::draw(&driver.state, driver.state.themes.current(), area, buf);
    painter.paint(&mut out, area, draw).unwrap();
    out
}

/// What of the screens about changes is not among [`screens`].
fn more(size: (u16, u16)) -> Vec<(&'static str, Driver)> {
    let (columns, rows) = size;
    let mut armed_actions = actions(columns, rows);
    armed_actions.engine([super::remedies::armed()]);
    let mut risky = dialog(armed_actions, "down", risky());
    risky.type_keys("r e c");
    let mut operations = actions(columns, rows);
    operations.engine(commands());
    operations.type_keys("down down down down");
    vec![("operations", operations), ("risky", risky)]
}

#[test]
#[ignore = "draws pictures"]
fn pictures() {
    let folder =
        PathBuf::from(std::env::var_os("SAGETOP_PICTURES").expect("SAGETOP_PICTURES names a folder"));
    let builtin = Themes::builtin().unwrap();
    let themes = builtin.names().map(|name| {
        let mut themes = builtin.clone();
        themes.select(name).unwrap();
        (name.to_owned(), themes)
    });
    let sixteen = ("sixteen".to_owned(), builtin.clone().limited(Depth::Sixteen));
    let themes: Vec<_> = themes.chain([sixteen]).collect();
    for size in SIZES.into_iter().chain([(300, 100)]) {
        for (name, mut driver) in screens(size).into_iter().chain(more(size)) {
            for (theme, themes) in &themes {
                driver.state.themes = themes.clone();
                let file = folder.join(format!("{name}-{}x{}-{theme}.ansi", size.0, size.1));
                std::fs::write(file, ansi(&driver)).unwrap();
            }
        }
    }
}
