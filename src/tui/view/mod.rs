//! The screens: pure functions from the state to cells of a buffer.

mod actions;
mod call;
mod chart;
mod charts;
mod commands;
mod doctor;
mod fit;
mod footer;
mod graph;
mod header;
mod help;
mod log;
mod paint;
mod palette;
mod pane;
mod plot;
mod review;
mod service;
mod slos;
mod spark;
mod strokes;
mod table;
mod tail;
mod timeline;
mod tree;
mod verdict;
mod what_if;

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::{Screen, State};
use super::theme::{Role, Theme};
use crate::domain::ServiceName;

pub(in crate::tui) use review::Extent;
pub(in crate::tui) use slos::sample_age;

/// Where the parts of the screen are. Parts that do not fit are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    header: Rect,
    banner: Rect,
    body: Rect,
    guide: Rect,
    footer: Rect,
}

fn layout(state: &State, area: Rect) -> Layout {
    let footer = u16::from(area.height >= 4);
    let header = match area.height {
        0..3 => 0,
        3..14 => 1,
        _ => 2,
    };
    let banner = u16::from(area.height >= 6 && state.picture().staleness(state.now).is_some());
    let guide = u16::from(area.height >= 12 && state.scene.is_some());
    let body = area.height.saturating_sub(header + banner + guide + footer);
    let mut y = area.y;
    let mut take = |height: u16| {
        let part = Rect { y, height, ..area };
        y += height;
        part
    };
    Layout {
        header: take(header),
        banner: take(banner),
        body: take(body),
        guide: take(guide),
        footer: take(footer),
    }
}

/// Columns and rows below which nothing of use can be shown.
const SMALLEST: (u16, u16) = (24, 5);

/// Whether there is too little room for any screen.
pub(super) fn too_small(area: Rect) -> bool {
    area.width < SMALLEST.0 || area.height < SMALLEST.1
}

/// Says that there is too little room, as far as there is room for that.
fn draw_too_small(theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (width, height) = SMALLEST;
    let text = format!("too small: {}x{} of {width}x{height}", area.width, area.height);
    for (row, line) in paint::wrap(&text, usize::from(area.width)).iter().enumerate() {
        paint::text(buf, area, row, 0, area.width, line, theme.style(Role::Failure));
    }
}

/// Draws everything.
pub fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    // What has no style of its own stands on the theme's ground.
    buf.set_style(area, theme.style(Role::Text));
    if too_small(area) {
        return draw_too_small(theme, area, buf);
    }
    let parts = layout(state, area);
    header::draw(state, theme, parts.header, buf);
    header::draw_banner(state, theme, parts.banner, buf);
    match state.screen {
        Screen::Slos => slos::draw(state, theme, parts.body, buf),
        Screen::Tree => tree::draw(state, theme, parts.body, buf),
        Screen::Verdict => verdict::draw(state, theme, parts.body, buf),
        Screen::Actions => actions::draw(state, theme, parts.body, buf),
        Screen::Commands => commands::draw(state, theme, parts.body, buf),
        Screen::Doctor => doctor::draw(state, theme, parts.body, buf),
        Screen::Log => log::draw(state, theme, parts.body, buf),
        Screen::Timeline => timeline::draw(state, theme, parts.body, buf),
        Screen::Service => service::draw(state, theme, parts.body, buf),
        Screen::WhatIf => what_if::draw(state, theme, parts.body, buf),
    }
    review::draw(state, theme, parts.body, buf);
    review::draw_arming(state, theme, parts.body, buf);
    footer::draw_guide(state, theme, parts.guide, buf);
    footer::draw(state, theme, parts.footer, buf);
    palette::draw(state, theme, area, buf);
    if state.help.is_some() {
        help::draw(state, theme, area, buf);
    }
}

fn screen_area(state: &State) -> Rect {
    Rect::new(0, 0, state.size.0, state.size.1)
}

/// Lines of the current screen's list that are visible at once.
pub(super) fn page(state: &State) -> usize {
    usize::from(list_area(state).height)
}

fn list_area(state: &State) -> Rect {
    let body = layout(state, screen_area(state)).body;
    match state.screen {
        Screen::Slos => slos::list_area(body),
        Screen::Tree => tree::list_area(body),
        Screen::Verdict => verdict::list_area(body),
        Screen::Actions => actions::list_area(body),
        Screen::Commands => commands::list_area(body),
        Screen::Doctor => body,
        Screen::Log => log::list_area(body),
        Screen::Timeline => timeline::list_area(body),
        Screen::Service => service::list_area(state, body),
        Screen::WhatIf => what_if::list_area(body),
    }
}

/// The line of the current screen's list that stands at this cell, counted from the list's first.
pub(super) fn line_at(state: &State, column: u16, row: u16) -> Option<usize> {
    let list = list_area(state);
    let inside = list.contains(ratatui::layout::Position { x: column, y: row });
    inside.then(|| state.list().offset + usize::from(row - list.y))
}

/// The service of the graph whose box stands at this cell.
pub(super) fn service_at(state: &State, column: u16, row: u16) -> Option<&ServiceName> {
    graph::service_at(state, layout(state, screen_area(state)).body, column, row)
}

/// Lines of the verdict's text, and those that belong to the selected service.
pub(super) fn verdict_extent(state: &State) -> (usize, Range<usize>) {
    let body = layout(state, screen_area(state)).body;
    verdict::extent(state, body)
}

/// Lines of the actions, and those that belong to the selected one.
pub(super) fn actions_extent(state: &State) -> (usize, Range<usize>) {
    let body = layout(state, screen_area(state)).body;
    actions::extent(state, body)
}

/// Why the calls cannot be drawn as a graph; `None` if they can.
pub(super) fn graph_obstacle(state: &State) -> Option<String> {
    graph::obstacle(layout(state, screen_area(state)).body)
}

/// Columns and rows of the graph that are visible at once.
pub(super) fn graph_size(state: &State) -> (usize, usize) {
    let area = graph::area(layout(state, screen_area(state)).body);
    (usize::from(area.width), usize::from(area.height))
}

/// Whether the terminal has too little room for any screen.
pub(super) fn is_too_small(state: &State) -> bool {
    too_small(screen_area(state))
}

/// Lines of the doctor's text.
pub(super) fn doctor_lines(state: &State) -> usize {
    doctor::lines(state, state.themes.current(), layout(state, screen_area(state)).body).len()
}

/// How much of the plan in the dialog there is to read.
pub(super) fn review_extent(state: &State) -> Extent {
    review::extent(state, layout(state, screen_area(state)).body)
}

/// Lines of the palette that are visible at once.
pub(super) fn palette_page(state: &State) -> usize {
    palette::page(screen_area(state))
}

/// Lines of the help.
pub(super) fn help_lines(state: &State) -> usize {
    help::lines(state).len()
}

/// Lines of the help that are visible at once.
pub(super) fn help_page(state: &State) -> usize {
    help::page(screen_area(state))
}

/// The offset nearest to `offset` at which `focus` is on a page of `page` lines;
/// the start of `focus` counts more than its end.
pub(super) fn keep_visible(offset: usize, focus: Range<usize>, page: usize) -> usize {
    let lowest = focus.end.saturating_sub(page);
    offset.max(lowest).min(focus.start)
}
