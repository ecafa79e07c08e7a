//! The graph of calls: the cursor goes along its lines, and the graph scrolls after it.

use unicode_width::UnicodeWidthStr;

use super::moves;
use crate::domain::ServiceName;
use crate::tui::action::Action;
use crate::tui::graph::{BOX_ROWS, Box, Wire};
use crate::tui::state::{Screen, State};
use crate::tui::tree::Place;
use crate::tui::view;

/// Cells a box has besides its name: sides, a sign, and blanks.
const FRAME: usize = 7;
/// Fewest cells of a box where there is room, and where there is not; and most.
const WIDTHS: ([usize; 2], usize) = ([24, 18], 34);
/// Cells around the selected box that are kept in view.
const AROUND: (usize, usize) = (12, 1);

impl State {
    /// Whether the calls are drawn as a graph now.
    pub fn shows_graph(&self) -> bool {
        self.screen == Screen::Tree && self.as_graph && view::graph_obstacle(self).is_none()
    }
}

/// Graph or tree; says so where there is no room for the graph.
pub(super) fn toggle(state: &mut State) {
    state.as_graph = !state.as_graph;
    if let Some(why) = view::graph_obstacle(state).filter(|_| state.as_graph) {
        state.say(why);
    }
}

/// Makes the drawing again if the tree changed, and scrolls until the selected box is in view.
pub(super) fn settle(state: &mut State) {
    if !state.shows_graph() {
        return;
    }
    let made = (state.tree.made(), state.tree.rows());
    let (columns, rows) = view::graph_size(state);
    state.drawing.refresh(made, (columns, rows), WIDTHS, |name| name.width() + FRAME);
    let Some(chosen) = chosen(state) else { return };
    let (x, y) = state.scroll;
    let x = seen(x, chosen.x, chosen.width, AROUND.0, columns, state.drawing.width);
    let y = seen(y, chosen.y, BOX_ROWS, AROUND.1, rows, state.drawing.height);
    state.scroll = (x, y);
}

/// The offset nearest to `offset` at which what is `size` long from `at` on is in view, and a bit around it.
fn seen(offset: usize, at: usize, size: usize, around: usize, page: usize, all: usize) -> usize {
    let around = around.min(page.saturating_sub(size) / 2);
    let focus = at.saturating_sub(around)..(at + size + around).min(all);
    view::keep_visible(offset, focus, page).min(all.saturating_sub(page))
}

/// The box of the selected service.
fn chosen(state: &State) -> Option<&Box> {
    state.drawing.of(&state.place.as_ref()?.service)
}

/// Puts the cursor on `service`, as called by whom it was called by if that is possible.
pub(super) fn choose(state: &mut State, service: &ServiceName) {
    let caller = state.place.as_ref().and_then(|place| place.parent.clone());
    let rows = || state.tree.rows().iter().filter(|row| row.place.service == *service);
    let found = rows().find(|row| row.place.parent == caller).or_else(|| rows().find(|row| !row.repeated));
    if let Some(place) = found.map(|row| row.place.clone()) {
        state.place = Some(place);
    }
}

/// Up and down within a layer, to the entry and to the last service.
pub(super) fn cursor(state: &mut State, action: Action) {
    let Some(here) = chosen(state) else { return };
    let ends = matches!(action, Action::Top | Action::Bottom);
    let mut layer: Vec<&Box> = state.drawing.boxes.iter().filter(|b| ends || b.layer == here.layer).collect();
    layer.sort_by_key(|b| (b.layer, b.y));
    let at = layer.iter().position(|b| b.service == here.service).unwrap_or(0);
    let page = view::graph_size(state).1 / BOX_ROWS;
    let to = layer.get(moves::target(action, at, layer.len(), page)).map(|b| b.service.clone());
    if let Some(service) = to {
        choose(state, &service);
    }
}

/// Along a line: to a service that the selected one calls, or to the one that calls it.
pub(super) fn along(state: &mut State, to_callee: bool) {
    let (Some(here), Some(place)) = (chosen(state), state.place.clone()) else { return };
    let far = |service: &ServiceName| {
        let there = state.drawing.of(service);
        there.map_or((usize::MAX, 0), |b| (b.middle().abs_diff(here.middle()), b.y))
    };
    if to_callee {
        let calls = state.drawing.wires.iter().filter(|w| w.place.parent.as_ref() == Some(&place.service));
        // What lies ahead comes before what leads back.
        let next = calls.min_by_key(|w| (w.back, far(&w.place.service)));
        match next.map(|w| w.place.clone()) {
            Some(next) => state.place = Some(next),
            None => state.say(format!("{} calls nothing that is known", place.service)),
        }
        return;
    }
    let calls = state.drawing.wires.iter().filter(|w| w.place.service == place.service);
    let caller = |w: &Wire| w.place.parent.clone();
    let came = place.parent.clone();
    let back = came.or_else(|| calls.min_by_key(|w| caller(w).map(|c| far(&c))).and_then(caller));
    match back {
        Some(caller) => choose_as_called(state, &caller),
        None => state.say("this is the entry: users call it"),
    }
}

/// Puts the cursor on `service` in its own line of the tree, where it is unfolded.
fn choose_as_called(state: &mut State, service: &ServiceName) {
    let mut rows = state.tree.rows().iter().filter(|row| row.place.service == *service);
    let found: Option<Place> = rows.find(|row| !row.repeated).map(|row| row.place.clone());
    if found.is_some() {
        state.place = found;
    }
}
