//! Moving the cursor, by name: in the table, the tree, the ranking and the help.

use std::ops::Range;

use super::{graph, inspect, travel};
use crate::domain::Clean;
use crate::remedy::CommandRecord;
use crate::tui::action::Action;
use crate::tui::pick::ActionRow;
use crate::tui::state::{Screen, State};
use crate::tui::timeline::Happening;
use crate::tui::tree::Row;
use crate::tui::view;

/// Where `action` leads from line `at` of `len` with `page` lines on screen.
pub(super) fn target(action: Action, at: usize, len: usize, page: usize) -> usize {
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
        Screen::Tree if state.shows_graph() => graph::cursor(state, action),
        Screen::Tree => {
            let rows = state.tree.rows();
            let at = selected_row(state).map_or(0, |(i, _)| i);
            let place = rows.get(target(action, at, rows.len(), page)).map(|r| r.place.clone());
            if place.is_some() {
                state.place = place;
            }
        }
        Screen::Verdict => verdict(state, action, page),
        Screen::Actions => actions(state, action, page),
        Screen::Service => {
            let rows = state.metric_rows();
            let at = inspect::metric_row(state).unwrap_or(0);
            let chosen = rows.get(target(action, at, rows.len(), page)).map(|m| inspect::name(m));
            state.inspected.metric = chosen.or(state.inspected.metric.take());
        }
        Screen::Doctor => {
            let lines = view::doctor_lines(state);
            let last = lines.saturating_sub(page);
            state.list_mut().offset = target(action, state.list().offset.min(last), last + 1, page);
        }
        Screen::Log => {
            let rows = state.log_rows();
            let at = log_row(state).unwrap_or(0);
            let to = target(action, at, rows.len(), page);
            // On the first line the cursor stays with the newest.
            let chosen = rows.get(to).filter(|_| to > 0).map(|line| line.number);
            state.log_line = chosen;
        }
        Screen::Timeline => {
            let rows = state.happenings();
            let at = travel::row(state).unwrap_or(0);
            let chosen = rows.get(target(action, at, rows.len(), page)).map(Happening::name);
            state.timeline.selected = chosen.or(state.timeline.selected.take());
        }
        Screen::WhatIf => {
            let bench = &mut state.inspected.bench;
            bench.selected = target(action, bench.selected, bench.sliders.len(), page);
        }
        Screen::Commands => {
            let rows = state.command_rows();
            let at = command_row(state).unwrap_or(0);
            let to = target(action, at, rows.len(), page);
            // On the last line the cursor stays with the newest.
            let chosen = rows.get(to).filter(|_| to + 1 < rows.len()).map(|c| c.number);
            state.command = chosen;
        }
    }
}

/// Moves the cursor of a list to its line `to`; tells whether it stood there already.
pub(super) fn choose(state: &mut State, to: usize) -> bool {
    match state.screen {
        Screen::Slos => {
            let name = state.slo_rows().get(to).map(|s| s.name.clone());
            let already = name.is_some() && name == state.slo;
            select_slo(state, name);
            already
        }
        Screen::Tree => {
            let Some(place) = state.tree.rows().get(to).map(|r| r.place.clone()) else { return false };
            state.place.replace(place.clone()) == Some(place)
        }
        Screen::Commands => {
            state.command = state.command_rows().get(to).map(|c| c.number).or(state.command);
            false
        }
        // Texts scroll by themselves: their lines are chosen with keys.
        _ => false,
    }
}

/// The line of the selected thing that was said: the newest, unless another one was chosen.
pub(super) fn log_row(state: &State) -> Option<usize> {
    let rows = state.log_rows();
    let chosen = rows.iter().position(|line| Some(line.number) == state.log_line);
    chosen.or_else(|| (!rows.is_empty()).then_some(0))
}

/// The selected thing that was said, as text.
pub(super) fn log_text(state: &State) -> Option<String> {
    let line = *state.log_rows().get(log_row(state)?)?;
    Some(format!("{} {}: {}", line.at, line.level.word(), line.text))
}

/// The line of the selected command: the newest, unless another one was chosen.
pub(super) fn command_row(state: &State) -> Option<usize> {
    let rows = state.command_rows();
    let chosen = rows.iter().position(|c| Some(c.number) == state.command);
    chosen.or_else(|| rows.len().checked_sub(1))
}

/// The selected command.
pub(super) fn command(state: &State) -> Option<&CommandRecord> {
    state.command_rows().get(command_row(state)?).copied()
}

/// Proposals and operations move line by line; pages scroll the whole text, ends do both.
fn actions(state: &mut State, action: Action, page: usize) {
    let rows = state.action_rows();
    let at = rows.iter().position(|row| Some(row.pick()) == state.pick).unwrap_or(0);
    let to = target(action, at, rows.len(), page);
    let chosen = rows.get(to).map(ActionRow::pick);
    scroll(state, action, page, to == at, |state| {
        if chosen.is_some() {
            (state.pick, state.picked_by_hand) = (chosen, true);
        }
        view::actions_extent(state)
    });
}

/// The ranking moves line by line; pages scroll the whole text, ends do both.
fn verdict(state: &mut State, action: Action, page: usize) {
    let rows = state.ranking_rows();
    let at = rows.iter().position(|(_, r)| Some(&r.service) == state.suspect.as_ref()).unwrap_or(0);
    let to = target(action, at, rows.len(), page);
    let chosen = rows.get(to).map(|(_, r)| r.service.clone());
    scroll(state, action, page, to == at, |state| {
        if chosen.is_some() {
            state.suspect = chosen;
        }
        view::verdict_extent(state)
    });
}

/// Moves in a text with lines that can be chosen: `choose` takes the new one and tells how many lines
/// the text has then, and which of them are the chosen one's. `stuck` if that is the one it was.
fn scroll(
    state: &mut State,
    action: Action,
    page: usize,
    stuck: bool,
    choose: impl FnOnce(&mut State) -> (usize, Range<usize>),
) {
    let offset = state.list().offset;
    let to = match action {
        Action::PageUp => offset.saturating_sub(page.max(2) - 1),
        Action::PageDown => offset.saturating_add(page.max(2) - 1),
        _ => {
            let (lines, focus) = choose(state);
            match action {
                Action::Top => 0,
                Action::Bottom => lines,
                // At the first and last line, going on shows what stands above and below them.
                Action::Up if stuck => offset.saturating_sub(1),
                Action::Down if stuck => offset.saturating_add(1),
                _ => view::keep_visible(offset, focus, page),
            }
        }
    };
    state.list_mut().offset = to;
}

/// Moves in the help.
pub(super) fn help(state: &mut State, action: Action) {
    let lines = view::help_lines(state);
    let page = view::help_page(state);
    let Some(at) = state.help else { return };
    let last = lines.saturating_sub(page);
    state.help = Some(target(action, at.min(last), last + 1, page));
}

/// Selects another SLO: what was selected within the old one means nothing there.
pub(super) fn select_slo(state: &mut State, name: Option<Clean>) {
    if name.is_some() && name != state.slo {
        state.slo = name;
        state.place = None;
        state.suspect = None;
        state.pick = None;
        for screen in [Screen::Tree, Screen::Verdict, Screen::Actions] {
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
