//! The mouse, where it is wanted: the wheel moves, a click chooses a line or a box of the graph, a click on the
//! chosen one opens it.
//! Nothing can be approved with it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{graph, keys, moves};
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
    // In the graph from box to box.
    let steps = if state.shows_graph() { 1 } else { STEP };
    (0..steps).flat_map(|_| keys::act(state, step)).collect()
}

fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    if state.palette.is_some() || state.help.is_some() {
        return Vec::new();
    }
    if state.shows_graph() {
        let Some(service) = view::service_at(state, column, row).cloned() else { return Vec::new() };
        if state.place.as_ref().is_some_and(|place| place.service == service) {
            return keys::act(state, Action::Open);
        }
        graph::choose(state, &service);
        return Vec::new();
    }
    match view::line_at(state, column, row) {
        Some(line) if moves::choose(state, line) => keys::act(state, Action::Open),
        _ => Vec::new(),
    }
}
