//! Going on with another context: what was known of the old one must not be taken for the new one's.

use crate::domain::Clean;
use crate::tui::state::{Screen, State};

/// Forgets everything but how the user wants to see things.
pub(super) fn enter(state: &mut State, name: Clean) {
    let State { keymap, themes, .. } = state.clone();
    let fresh = State {
        size: state.size,
        order: state.order,
        rhythm: state.rhythm,
        contexts: std::mem::take(&mut state.contexts),
        screen: Screen::Slos,
        ..State::new(state.now, keymap, themes, state.ascii, None)
    };
    *state = State { context: Some(name.clone()), ..fresh };
    state.say(format!("context {name}"));
}
