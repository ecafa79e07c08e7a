//! Keys in the palette, and what its lines do.

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use tui_input::backend::crossterm::EventHandler;

use super::{go, keys, moves, settle};
use crate::domain::{Clean, ServiceName};
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::keymap::Chord;
use crate::tui::palette::{Palette, What};
use crate::tui::state::{Screen, State};
use crate::tui::view;

/// Longest text that is searched, in characters.
const QUERY_MAX: usize = 100;

/// Opens it.
pub(super) fn open(state: &mut State) {
    state.help = None;
    state.palette = Some(Palette::default());
}

/// A key while it is open.
pub(super) fn press(state: &mut State, key: KeyEvent, chord: Chord) -> Vec<Effect> {
    let action = state.keymap.action(chord).filter(|_| chord.typed().is_none());
    if let Some(action @ (Action::Quit | Action::Suspend | Action::Redraw)) = action {
        return keys::act(state, action);
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let step = match (key.code, action) {
        (KeyCode::Esc, _) => {
            state.palette = None;
            return Vec::new();
        }
        (KeyCode::Enter, _) => return choose(state),
        (KeyCode::Tab, _) => Some(Action::Down),
        (KeyCode::BackTab, _) => Some(Action::Up),
        // As in every list that is searched while one types.
        (KeyCode::Char('n'), _) if control => Some(Action::Down),
        (KeyCode::Char('p'), _) if control => Some(Action::Up),
        (KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown, action) => action,
        _ => None,
    };
    let page = view::palette_page(state);
    let Some(palette) = &mut state.palette else { return Vec::new() };
    match step {
        Some(step) => palette.at = moves::target(step, palette.at, palette.entries.len(), page),
        None if key.code == KeyCode::Backspace && palette.input.value().is_empty() => state.palette = None,
        None => {
            let full = palette.input.value().chars().count() >= QUERY_MAX;
            if chord.typed().is_none() || !full {
                let before = palette.input.value().to_owned();
                palette.input.handle_event(&TerminalEvent::Key(key));
                searched(palette, &before);
            }
        }
    }
    Vec::new()
}

/// Pasted text is searched.
pub(super) fn paste(state: &mut State, text: &str) {
    if let Some(palette) = &mut state.palette {
        let before = palette.input.value().to_owned();
        let joined = Clean::capped(&format!("{before}{text}"), QUERY_MAX);
        palette.input = palette.input.clone().with_value(joined.as_str().to_owned());
        searched(palette, &before);
    }
}

/// Something else is searched: the best of it is what one means.
fn searched(palette: &mut Palette, before: &str) {
    if palette.input.value() != before {
        palette.entries.clear();
        (palette.at, palette.offset) = (0, 0);
    }
}

/// Enter: does what the selected line stands for, and closes the palette, unless it cannot be done now.
fn choose(state: &mut State) -> Vec<Effect> {
    let Some(entry) = state.palette.as_ref().and_then(Palette::selected).cloned() else { return Vec::new() };
    if let Some(why) = entry.why_not {
        state.say(why);
        return Vec::new();
    }
    state.palette = None;
    match entry.what {
        What::Action(action) => keys::act(state, action),
        What::Context(name) => {
            state.say(format!("opening {name}"));
            vec![Effect::Context(name)]
        }
        What::Slo(name) => {
            state.lists[Screen::Slos as usize].filter.reset();
            moves::select_slo(state, Some(name));
            go(state, Screen::Tree)
        }
        What::Service(service) => find(state, service),
        What::Theme(name) => {
            match state.themes.select(&name) {
                Ok(()) => state.say(format!("theme {}", Clean::new(&name))),
                Err(why) => state.say(why),
            }
            Vec::new()
        }
    }
}

/// Goes to `service` in the dependency tree.
fn find(state: &mut State, service: ServiceName) -> Vec<Effect> {
    state.lists[Screen::Tree as usize].filter.reset();
    state.folded.clear();
    let effects = go(state, Screen::Tree);
    settle::settle(state);
    match state.tree.rows().iter().find(|row| row.place.service == service) {
        Some(row) => state.place = Some(row.place.clone()),
        None => {
            let entry = state.selected_entry().map_or_else(|| "the entry".to_owned(), ToString::to_string);
            state.say(format!("{service} is not called below {entry}: another SLO may lead to it"));
        }
    }
    effects
}
