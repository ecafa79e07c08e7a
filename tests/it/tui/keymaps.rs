//! Keymaps at work: keys one after the other, the other embedded keymaps, what a key that does nothing says.

use std::time::Duration;

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use sagetop::tui::action::Action;
use sagetop::tui::effect::Effect;
use sagetop::tui::event::Event;
use sagetop::tui::keymap::Keymap;
use sagetop::tui::pace::next_change;

use super::driver::Driver;
use super::fixture;

fn driver(keymap: &str) -> Driver {
    let mut driver = Driver::usual(100, 30);
    driver.state.keymap = Keymap::named(keymap).unwrap().unwrap();
    driver.engine([fixture::answered(7, fixture::verdict())]);
    driver
}

#[test]
fn vim_and_emacs_lead_where_they_should() {
    let table = [
        ("vim", "j", "▲ BURNING  cart-p99"),
        ("vim", "G", "● OK       checkout-p95"),
        ("vim", "G g g", "✖ BREACHED product-page-p95"),
        ("vim", "g t", "▲ BURNING  cart-p99"),
        ("vim", "g T", "● OK       checkout-p95"),
        ("vim", "2 j j z a", "├─▸ cartservice"),
        ("emacs", "ctrl-n", "▲ BURNING  cart-p99"),
        ("emacs", "ctrl-n ctrl-p", "✖ BREACHED product-page-p95"),
        ("emacs", "ctrl-x right", "▲ BURNING  cart-p99"),
        ("emacs", "2 ctrl-n ctrl-n ctrl-b", "├─▸ cartservice"),
    ];
    for (keymap, keys, line) in table {
        let mut driver = driver(keymap);
        driver.press(keys);
        assert!(driver.cursor_line().starts_with(line), "{keymap} {keys}\n{}", driver.text());
    }
    for (keymap, keys) in [("vim", "Z Z"), ("emacs", "ctrl-x ctrl-c"), ("emacs", "ctrl-c")] {
        let mut driver = driver(keymap);
        driver.press(keys);
        assert_eq!(driver.effects, [Effect::Quit], "{keymap} {keys}");
    }
}

#[test]
fn keys_that_more_must_follow_are_shown_with_what_can() {
    let mut driver = driver("vim");
    driver.press("g");
    let screen = driver.text();
    assert!(screen.contains("g …  g top  t next SLO  T prev. SLO"), "{screen}");
    driver.press("x");
    assert!(driver.text().contains("g x does nothing here; ? shows the keys"), "{}", driver.text());
    driver.press("g esc");
    assert!(driver.text().contains("[SLOs]") && !driver.text().contains("g …"), "{}", driver.text());
}

#[test]
fn they_are_forgotten_after_a_while() {
    let mut driver = driver("vim");
    driver.press("G g");
    assert!(next_change(&driver.state).unwrap() <= Duration::from_millis(1500));
    driver.wait(Duration::from_millis(1499));
    assert!(driver.text().contains("g …"));
    driver.wait(Duration::from_millis(1));
    assert!(!driver.text().contains("g …"), "{}", driver.text());
    driver.press("g");
    assert!(driver.cursor_line().contains("checkout-p95"), "one g alone moves nothing");
}

/// Whatever a keyboard types can be a key.
#[test]
fn letters_of_any_layout_are_keys() {
    let mut driver = driver("default");
    let text = "[keys]\nrefresh = [\"й\"]\nsort = [\"ö\", \"ß\"]\nhelp = [\"?\", \"ヘ\"]\n";
    driver.state.keymap = Keymap::with_user("k.toml", text).unwrap();
    driver.press("й");
    assert!(driver.text().contains("fetching again"));
    driver.press("ß");
    assert!(driver.text().contains("in the order of the configuration"));
    driver.press("ヘ");
    assert!(driver.text().contains("Keys"));
}

#[test]
fn the_help_tells_the_keys_of_the_keymap_in_use() {
    for name in Keymap::names() {
        let mut driver = driver(name);
        driver.send(Event::Resize(100, 200));
        driver.press("?");
        let screen = driver.text();
        for action in Action::ALL {
            let keys = &driver.state.keymap.keys(*action)[0];
            assert!(screen.contains(&keys.label(false)), "{name}: {keys} is not in\n{screen}");
        }
    }
}

fn mouse(driver: &mut Driver, kind: MouseEventKind, column: u16, row: u16) {
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    driver.send(Event::Mouse(event));
}

#[test]
fn the_wheel_moves_and_a_click_chooses_then_opens() {
    let mut driver = driver("default");
    mouse(&mut driver, MouseEventKind::ScrollDown, 0, 0);
    assert!(driver.cursor_line().contains("home-p50"), "{}", driver.text());
    let line = driver.text().lines().position(|l| l.contains("cart-p99")).unwrap() as u16;
    let click = MouseEventKind::Down(MouseButton::Left);
    mouse(&mut driver, click, 20, line);
    assert!(driver.cursor_line().contains("cart-p99"), "{}", driver.text());
    mouse(&mut driver, click, 20, 29);
    assert!(driver.text().contains("[SLOs]"), "below the list there is nothing to click on");
    mouse(&mut driver, click, 20, line);
    assert!(driver.text().contains("[Tree]"), "{}", driver.text());
}
