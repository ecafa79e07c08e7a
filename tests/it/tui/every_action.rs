//! Every action is in the help, and every one does something.

use sagetop::tui::action::Action;
use sagetop::tui::state::Screen;

use super::driver::Driver;
use super::fixture;

#[test]
fn every_key_of_an_action_is_in_the_help() {
    let mut driver = Driver::usual(120, 200);
    driver.press("?");
    let screen = driver.text();
    for action in Action::ALL {
        let help = action.help();
        assert!(screen.contains(&help[..help.len().min(30)]), "{action:?} is not in the help:\n{screen}");
        for key in driver.state.keymap.keys(*action) {
            assert!(screen.contains(&key.label(false)), "{key} is not in the help");
        }
    }
}

/// Every action is reachable by its key and does something that can be seen or is asked for.
#[test]
fn every_action_has_a_visible_consequence() {
    for action in Action::ALL {
        let changes = Screen::ALL.into_iter().any(|screen| {
            ["", "down", "end", "space"].into_iter().any(|first| {
                let mut driver = Driver::usual(80, 24);
                driver.engine([fixture::answered(7, fixture::verdict())]);
                driver.press(match screen {
                    Screen::Slos => "",
                    Screen::Tree => "2",
                    Screen::Verdict => "3",
                    Screen::Actions => "4",
                    Screen::Commands => "5",
                    Screen::Timeline => "6",
                    Screen::Doctor => "7",
                    Screen::Log => "8",
                    Screen::Service => "2 enter",
                    Screen::WhatIf => "w",
                });
                driver.press(first);
                let (before, effects) = (driver.buffer(), driver.effects.len());
                let keys: Vec<_> =
                    driver.state.keymap.keys(*action).iter().map(ToString::to_string).collect();
                let key = keys[0].replace("shift-tab", "backtab");
                driver.press(&key);
                driver.buffer() != before || driver.effects.len() > effects
            })
        });
        assert!(changes, "{action:?} does nothing anywhere");
    }
}
