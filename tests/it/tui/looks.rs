//! Themes on the real screens: what is drawn where does not depend on the theme, how it looks does.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use sagetop::tui::event::Event;
use sagetop::tui::theme::{Role, Theme, Themes};
use sagetop::tui::view;
use sagetop::tui::watch::Changed;

use super::driver::{Driver, dump};
use super::fixture;
use super::screens::SIZES;

/// The screens by the keys that lead to them.
const SCREENS: [(&str, &str); 7] = [
    ("slos", "1"),
    ("tree", "2 down"),
    ("graph", "2 m l"),
    ("verdict", "3"),
    ("actions", "4"),
    ("help", "?"),
    ("palette", ": c a r t"),
];

fn driver(columns: u16, rows: u16, keys: &str) -> Driver {
    let mut driver = Driver::usual(columns, rows);
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver.press(keys);
    driver
}

pub fn themes(name: &str) -> Themes {
    let mut themes = Themes::builtin().unwrap();
    themes.select(name).unwrap();
    themes
}

pub fn drawn(driver: &Driver, theme: &Theme) -> Buffer {
    let area = Rect::new(0, 0, driver.state.size.0, driver.state.size.1);
    let mut buf = Buffer::empty(area);
    view::draw(&driver.state, theme, area, &mut buf);
    buf
}

/// No view picks a colour by itself: every style on the screen is that of a role, or of one laid over
/// another, on the ground and under the cursor's.
#[test]
fn every_style_on_every_screen_is_the_themes() {
    let builtin = Themes::builtin().unwrap();
    for name in builtin.names() {
        let theme = themes(name).current().clone();
        let ground = Style::reset().patch(theme.style(Role::Text));
        // A caret is the ground in reverse video.
        let mut allowed = vec![ground.add_modifier(Modifier::REVERSED)];
        for role in Role::ALL {
            let style = ground.patch(theme.style(*role));
            for over in Role::ALL {
                let style = style.patch(theme.style(*over));
                allowed.extend([style, style.patch(theme.style(Role::Selected))]);
            }
        }
        let known: Vec<_> = allowed.iter().map(|s| (s.fg, s.bg, s.add_modifier)).collect();
        for (screen, keys) in SCREENS {
            for (columns, rows) in SIZES {
                let buf = drawn(&driver(columns, rows, keys), &theme);
                for (i, cell) in buf.content().iter().enumerate() {
                    let style = (Some(cell.fg), Some(cell.bg), cell.modifier);
                    let (x, y) = buf.pos_of(i);
                    let is = known.contains(&style);
                    assert!(is, "{name} {screen}@{columns}x{rows}: {style:?} at {x},{y} is no role's");
                }
            }
        }
    }
}

#[test]
fn no_theme_changes_what_is_said() {
    for (screen, keys) in SCREENS {
        for (columns, rows) in SIZES {
            let driver = driver(columns, rows, keys);
            let text = dump(&drawn(&driver, themes("dark").current()));
            for name in ["light", "ansi16", "mono", "high-contrast", "deuteranopia"] {
                assert_eq!(dump(&drawn(&driver, themes(name).current())), text, "{name} {screen}");
            }
        }
    }
}

/// A theme whose ground is its own covers the whole screen, also below what lies over it.
#[test]
fn a_ground_of_its_own_leaves_no_cell_to_the_terminal() {
    for keys in ["1", "2", "3", "4", "5", "?", "A"] {
        let buf = drawn(&driver(100, 30, keys), themes("high-contrast").current());
        let bare = buf.content().iter().filter(|cell| cell.bg == Color::Reset).count();
        assert_eq!(bare, 0, "after {keys}");
    }
}

fn changed(text: &str) -> Event {
    Event::Theme(Changed { file: "mine.toml".to_owned(), text: Ok(text.to_owned()) })
}

#[test]
fn a_theme_file_counts_as_soon_as_it_is_written_unless_it_is_wrong() {
    let mut driver = Driver::usual(100, 24);
    driver.state.themes.add("mine.toml", "name = \"mine\"\n[styles]\nok = { fg = \"1\" }\n").unwrap();
    let ok = |driver: &Driver| driver.state.themes.current().style(Role::Ok).fg;
    driver.send(changed("name = \"mine\"\n[styles]\nok = { fg = \"2\" }\n"));
    assert_eq!(ok(&driver), Some(Color::Indexed(2)));
    assert!(driver.text().contains("theme mine was read again"), "{}", driver.text());

    driver.send(changed("name = \"mine\"\n[styles]\nokk = { fg = \"3\" }\n"));
    assert_eq!(ok(&driver), Some(Color::Indexed(2)));
    let says = "! the old theme stays: mine.toml:3:1: unknown style `okk`, did you mean `ok`?";
    assert!(driver.text().contains(says), "{}", driver.text());
    // It goes on being read: the next one counts again.
    driver.send(changed("name = \"mine\"\n[styles]\nok = { fg = \"4\" }\n"));
    assert_eq!(ok(&driver), Some(Color::Indexed(4)));
    let gone = Changed { file: "mine.toml".to_owned(), text: Err("permission denied".to_owned()) };
    driver.send(Event::Theme(gone));
    assert!(driver.text().contains("cannot read mine.toml: permission denied"), "{}", driver.text());
}
