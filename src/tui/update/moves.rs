//! Moving the cursor, by name: in the table, the tree, the ranking and the help.

use crate::domain::Clean;
use crate::tui::action::Action;
use crate::tui::state::{Screen, State};
use crate::tui::tree::Row;
use crate::tui::view;

/// Where `action` leads from line `at` of `len` with `page` lines on screen.
fn target(action: Action, at: usize, len: usize, page: usize) -> usize {
    let last = len.saturating_sub(1);
    let page = page.max(2) - 1;
    match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at.saturating_add(1),
        Action::PageUp => at.saturating_sub(page),
        Action::PageDown => at.saturating_add(page),
        Action::Top => 0,
        Action::Bottom => last,
        _ => at,
    }
    .min(last)
}

/// Moves the cursor of the current screen.
pub(super) fn cursor(state: &mut State, action: Action) {
    let page = view::page(state);
    match state.screen {
        Screen::Slos => {
            let rows = state.slo_rows();
            let at = rows.iter().position(|s| Some(&s.name) == state.slo.as_ref()).unwrap_or(0);
            let name = rows.get(target(action, at, rows.len(), page)).map(|s| s.name.clone());
            select_slo(state, name);
        }
        Screen::Tree => {
            let rows = state.tree.rows();
            let at = selected_row(state).map_or(0, |(i, _)| i);
            let place = rows.get(target(action, at, rows.len(), page)).map(|r| r.place.clone());
            if place.is_some() {
                state.place = place;
            }
        }
        Screen::Verdict => verdict(state, action, page),
    }
}

/// The ranking moves line by line; pages scroll the whole text, ends do both.
fn verdict(state: &mut State, action: Action, page: usize) {
    let offset = state.list().offset;
    match action {
        Action::PageUp => state.list_mut().offset = offset.saturating_sub(page.max(2) - 1),
        Action::PageDown => state.list_mut().offset = offset.saturating_add(page.max(2) - 1),
        _ => {
            let rows = state.ranking_rows();
            let at = rows.iter().position(|(_, r)| Some(&r.service) == state.suspect.as_ref()).unwrap_or(0);
            let to = target(action, at, rows.len(), page);
            let chosen = rows.get(to).map(|(_, r)| r.service.clone());
            // At the first and last service, going on shows what stands above and below the ranking.
            let at_edge = to == at || matches!(action, Action::Top | Action::Bottom);
            if chosen.is_some() {
                state.suspect = chosen;
            }
            let (lines, focus) = view::verdict_extent(state);
            let list = state.list_mut();
            list.offset = match action {
                Action::Top => 0,
                Action::Bottom => lines,
                Action::Up if at_edge => offset.saturating_sub(1),
                Action::Down if at_edge => offset.saturating_add(1),
                _ => view::keep_visible(offset, focus, page),
            };
        }
    }
}

/// Moves in the help.
pub(super) fn help(state: &mut State, action: Action) {
    let lines = view::help_lines(state);
    let page = usize::from(view::help_page(state));
    let Some(at) = state.help else { return };
    let last = lines.saturating_sub(page);
    state.help = Some(target(action, at.min(last), last + 1, page));
}

/// Selects another SLO: what was selected within the old one means nothing there.
fn select_slo(state: &mut State, name: Option<Clean>) {
    if name.is_some() && name != state.slo {
        state.slo = name;
        state.place = None;
        state.suspect = None;
        for screen in [Screen::Tree, Screen::Verdict] {
            let list = &mut state.lists[screen as usize];
            (list.offset, list.last_index) = (0, 0);
        }
    }
}

/// Next or previous SLO in the order shown, round and round.
pub(super) fn step_slo(state: &mut State, forward: bool) {
    let rows = state.slo_rows();
    let Some(last) = rows.len().checked_sub(1) else { return };
    let at = rows.iter().position(|s| Some(&s.name) == state.slo.as_ref());
    let to = match at {
        None => 0,
        Some(i) if forward => {
            if i == last {
                0
            } else {
                i + 1
            }
        }
        Some(0) => last,
        Some(i) => i - 1,
    };
    let name = rows.get(to).map(|s| s.name.clone());
    select_slo(state, name);
}

fn selected_row(state: &State) -> Option<(usize, &Row)> {
    let place = state.place.as_ref()?;
    state.tree.rows().iter().enumerate().find(|(_, r)| r.place == *place)
}

/// Folds the selected branch; a leaf or folded branch hands the cursor to its parent.
pub(super) fn fold(state: &mut State) {
    let Some((at, row)) = selected_row(state) else { return };
    if row.children > 0 && !row.folded {
        state.folded.insert(row.place.service.clone());
    } else if let Some(parent) = &row.place.parent {
        // The parent's own line is the nearest one above that is one step less deep.
        let depth = row.depth();
        let above = state.tree.rows()[..at].iter().rev();
        let line = above.clone().find(|r| r.place.service == *parent && r.depth() + 1 == depth);
        let place = line.map(|r| r.place.clone());
        if place.is_some() {
            state.place = place;
        }
    }
}

/// Unfolds the selected branch; an open branch hands the cursor to its first child.
pub(super) fn unfold(state: &mut State) {
    let Some((at, row)) = selected_row(state) else { return };
    if row.folded {
        let service = row.place.service.clone();
        state.folded.remove(&service);
    } else if let Some(child) = state.tree.rows().get(at + 1).filter(|r| r.depth() > row.depth()) {
        state.place = Some(child.place.clone());
    }
}

/// Folds or unfolds the selected branch.
pub(super) fn toggle(state: &mut State) {
    let Some((_, row)) = selected_row(state) else { return };
    let (service, folded, children) = (row.place.service.clone(), row.folded, row.children);
    if folded {
        state.folded.remove(&service);
    } else if children > 0 {
        state.folded.insert(service);
    } else {
        state.say(format!("{service} calls nothing"));
    }
}

/// Unfolds everything; if everything is open already, folds all below the entry.
pub(super) fn toggle_all(state: &mut State) {
    if state.tree.rows().iter().any(|r| r.folded) {
        state.folded.clear();
        return;
    }
    let branches = state.tree.rows().iter().filter(|r| r.depth() > 0 && r.children > 0);
    state.folded = branches.map(|r| r.place.service.clone()).collect();
    // The cursor goes to the line its branch was folded into.
    let above = selected_row(state).filter(|(_, r)| r.depth() > 1).and_then(|(at, _)| {
        state.tree.rows()[..at].iter().rev().find(|r| r.depth() == 1).map(|r| r.place.clone())
    });
    if above.is_some() {
        state.place = above;
    }
}
