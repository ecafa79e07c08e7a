//! After every change: the cursor points at something that exists, and stands on the screen.

use super::{graph, inspect, moves, remedy, travel};
use crate::domain::ServiceName;
use crate::tui::pick::ActionRow;
use crate::tui::state::{Screen, State};
use crate::tui::tree::Weights;
use crate::tui::view;

/// Re-establishes what the views rely on.
pub(super) fn settle(state: &mut State) {
    settle_slo(state);
    settle_tree(state);
    graph::settle(state);
    settle_suspect(state);
    inspect::settle(state);
    travel::settle(state);
    settle_pick(state);
    settle_offset(state);
    settle_review(state);
    settle_palette(state);
    if let Some(at) = state.help {
        let last = view::help_lines(state).saturating_sub(view::help_page(state));
        state.help = Some(at.min(last));
    }
}

/// A name that is gone is replaced by whatever stands in its line now.
fn settle_slo(state: &mut State) {
    let rows = state.slo_rows();
    if rows.is_empty() {
        return;
    }
    let chosen = rows.iter().position(|s| Some(&s.name) == state.slo.as_ref());
    // Off the table the selected SLO stays, whether or not the table's filter would show it.
    let hidden = chosen.is_none() && state.screen != Screen::Slos && state.selected_slo().is_some();
    if hidden {
        return;
    }
    let last = rows.len() - 1;
    let at = chosen.unwrap_or_else(|| state.lists[Screen::Slos as usize].last_index.min(last));
    let name = rows[at].name.clone();
    state.lists[Screen::Slos as usize].last_index = at;
    state.slo = Some(name);
}

fn settle_tree(state: &mut State) {
    let entry = state.selected_entry().cloned();
    let graph = state.picture().snapshot.as_ref().map(|s| s.graph.clone());
    let (Some(entry), Some(graph)) = (entry, graph) else {
        state.tree.clear();
        return;
    };
    let needle = state.lists[Screen::Tree as usize].needle();
    let (slo, picture) = (state.slo.clone(), state.paused.as_ref().map_or(&state.live, |(_, p)| p));
    let version = picture.snapshot.as_ref().map_or(0, |s| s.version);
    let weight = |caller: &ServiceName, callee: &ServiceName| {
        let waits = slo.as_ref().and_then(|slo| picture.waits(slo, Some(caller), callee));
        waits.and_then(|w| w.now_ms).filter(|ms| ms.is_finite()).unwrap_or(f64::MIN)
    };
    // A drawing must not change its shape with every number.
    let by_weight = state.slowest_first && !state.shows_graph();
    let weights: Option<Weights<'_>> = by_weight.then_some((version, &weight));
    state.tree.refresh(&graph, &entry, &needle, &state.folded, weights);
    let rows = state.tree.rows();
    let chosen = rows.iter().position(|r| Some(&r.place) == state.place.as_ref());
    let list = &mut state.lists[Screen::Tree as usize];
    if let Some(at) = chosen.or_else(|| rows.len().checked_sub(1).map(|last| list.last_index.min(last))) {
        list.last_index = at;
        state.place = Some(rows[at].place.clone());
    }
}

fn settle_suspect(state: &mut State) {
    let rows = state.ranking_rows();
    let Some(last) = rows.len().checked_sub(1) else { return };
    let chosen = rows.iter().position(|(_, r)| Some(&r.service) == state.suspect.as_ref());
    let at = chosen.unwrap_or_else(|| state.lists[Screen::Verdict as usize].last_index.min(last));
    let service = rows[at].1.service.clone();
    state.lists[Screen::Verdict as usize].last_index = at;
    state.suspect = Some(service);
}

fn settle_pick(state: &mut State) {
    let rows = state.action_rows();
    let Some(last) = rows.len().checked_sub(1) else { return };
    let chosen = rows.iter().position(|row| Some(row.pick()) == state.pick);
    let at = chosen.unwrap_or_else(|| state.lists[Screen::Actions as usize].last_index.min(last));
    let pick = rows.get(at).map(ActionRow::pick);
    state.lists[Screen::Actions as usize].last_index = at;
    state.pick = pick;
}

/// The dialog stands within its text, and knows what of it was seen.
fn settle_review(state: &mut State) {
    remedy::refresh(state);
    if state.review.is_none() {
        return;
    }
    let (extent, too_small) = (view::review_extent(state), view::is_too_small(state));
    if let Some(review) = &mut state.review {
        review.offset = review.offset.min(extent.lines.saturating_sub(extent.page));
        // Of what is not drawn nothing was read.
        review.read |= !too_small && review.offset + extent.page >= extent.needed;
    }
}

/// What the palette offers is what there is now.
fn settle_palette(state: &mut State) {
    if let Some(mut palette) = state.palette.take() {
        palette.refresh(state);
        let (page, last) = (view::palette_page(state), palette.entries.len());
        let offset = view::keep_visible(palette.offset, palette.at..palette.at + 1, page);
        palette.offset = offset.min(last.saturating_sub(page));
        state.palette = Some(palette);
    }
}

fn settle_offset(state: &mut State) {
    let page = view::page(state);
    let offset = state.list().offset;
    let (len, focus) = match state.screen {
        Screen::Slos => {
            let rows = state.slo_rows();
            let at = rows.iter().position(|s| Some(&s.name) == state.slo.as_ref()).unwrap_or(0);
            (rows.len(), Some(at..at + 1))
        }
        Screen::Tree => {
            let rows = state.tree.rows();
            let at = rows.iter().position(|r| Some(&r.place) == state.place.as_ref()).unwrap_or(0);
            (rows.len(), Some(at..at + 1))
        }
        // These scroll as a text: the cursor may be off the screen.
        Screen::Verdict => (view::verdict_extent(state).0, None),
        Screen::Actions => (view::actions_extent(state).0, None),
        Screen::Service => {
            let at = inspect::metric_row(state).unwrap_or(0);
            (state.metric_rows().len(), Some(at..at + 1))
        }
        Screen::Doctor => (view::doctor_lines(state), None),
        Screen::Log => {
            let at = moves::log_row(state).unwrap_or(0);
            (state.log_rows().len(), Some(at..at + 1))
        }
        Screen::Timeline => {
            let at = travel::row(state).unwrap_or(0);
            (state.happenings().len(), Some(at..at + 1))
        }
        Screen::WhatIf => (0, None),
        Screen::Commands => {
            let at = moves::command_row(state).unwrap_or(0);
            (state.command_rows().len(), Some(at..at + 1))
        }
    };
    let offset = focus.map_or(offset, |f| view::keep_visible(offset, f, page));
    state.list_mut().offset = offset.min(len.saturating_sub(page));
}
