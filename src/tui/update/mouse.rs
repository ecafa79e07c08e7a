//! The mouse, where it is wanted: the wheel moves, a click chooses a line, a click on the chosen one opens it.
//! Nothing can be approved with it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{keys, moves};
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::state::State;
use crate::tui::view;

/// Lines a step of the wheel moves.
const STEP: usize = 3;

/// It was used.
pub(super) fn used(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    if state.review.is_some() || state.arming.is_some() {
        return Vec::new();
    }
    let step = match mouse.kind {
        MouseEventKind::ScrollUp => Action::Up,
        MouseEventKind::ScrollDown => Action::Down,
        MouseEventKind::Down(MouseButton::Left) => return click(state, mouse.column, mouse.row),
        _ => return Vec::new(),
    };
    if let Some(palette) = &mut state.palette {
        for _ in 0..STEP {
            palette.at = moves::target(step, palette.at, palette.entries.len(), 1);
        }
        return Vec::new();
    }
    (0..STEP).flat_map(|_| keys::act(state, step)).collect()
}

fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    if state.palette.is_some() || state.help.is_some() {
        return Vec::new();
    }
    match view::line_at(state, column, row) {
        Some(line) if moves::choose(state, line) => keys::act(state, Action::Open),
        _ => Vec::new(),
    }
}
