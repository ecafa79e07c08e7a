//! One service in full: how it stands, every metric observed against normal, the course of the selected
//! one, and an example trace.

mod head;
mod metrics;
mod waterfall;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, span};
use super::pane::Pane;
use super::plot;
use crate::domain::Clean;
use crate::engine::MetricView;
use crate::tui::format;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};
use crate::tui::words;

/// Cells left of the table for the cursor.
const GUTTER: u16 = 2;
/// From this width on, chart and trace stand beside the metrics.
const WIDE: u16 = 150;
/// From this height on, they stand below them.
const TALL: u16 = 16;

/// Rows of one chart where several stand below one another.
const CHART: u16 = 12;

/// Where the parts stand; parts that do not fit are empty.
struct Parts {
    head: Rect,
    table: Rect,
    chart: Rect,
    trace: Rect,
}

fn parts(state: &State, body: Rect) -> Parts {
    let head = match body.height {
        0..4 => 0,
        4..10 => 1,
        _ => 4,
    };
    let (above, rest) = (paint::rows(body, 0, head), paint::rows(body, head, body.height - head));
    let nothing = Rect { height: 0, ..rest };
    let example = state.inspected.example;
    if body.width >= WIDE && rest.height >= plot::LEAST + 2 {
        let table = Rect { width: rest.width / 2, ..rest };
        let side = paint::indent(rest, table.width + 1);
        let chart = if example {
            side.height.saturating_sub(waterfall::rows(state)).max(side.height * 2 / 5)
        } else {
            side.height
        };
        let trace = if example { paint::rows(side, chart, side.height - chart) } else { nothing };
        return Parts { head: above, table, chart: paint::rows(side, 0, chart), trace };
    }
    let panel = if body.height < TALL { 0 } else { below_metrics(state, rest.height) };
    let table = paint::rows(rest, 0, rest.height - panel);
    let below = paint::rows(rest, table.height, panel);
    // Where there is room for neither, the trace that was asked for takes all of it.
    match (example, panel) {
        (true, 0) => Parts { head: above, table: nothing, chart: nothing, trace: rest },
        (true, _) => Parts { head: above, table, chart: nothing, trace: below },
        (false, _) => Parts { head: above, table, chart: below, trace: nothing },
    }
}

/// Rows below the metrics: what these leave, and two fifths at least.
fn below_metrics(state: &State, height: u16) -> u16 {
    let metrics = state.detail().map_or(0, |detail| detail.metrics.len());
    let left = height.saturating_sub(u16::try_from(metrics).unwrap_or(u16::MAX).saturating_add(2));
    let least = (height * 2 / 5).max(plot::LEAST + 2);
    least.min(16).max(left.min(3 * CHART))
}

/// Where the lines of the metrics stand.
pub(super) fn list_area(state: &State, body: Rect) -> Rect {
    let table = parts(state, body).table;
    let heading = u16::from(table.height >= 3);
    paint::rows(table, heading, table.height - heading)
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let Some(service) = &state.inspected.service else {
        return say(state, theme, "No service is looked at: enter on one in the tree opens it.", body, buf);
    };
    let parts = parts(state, body);
    head::draw(state, theme, service, paint::indent(parts.head, GUTTER), buf);
    match state.picture().details.get(service) {
        None => {
            let text = "Reading what is stored about it.";
            say(state, theme, text, parts.table, buf);
        }
        Some(Err(why)) => say(state, theme, why.as_str(), parts.table, buf),
        Some(Ok(detail)) if detail.metrics.is_empty() => {
            let text = "No metric and no latency of it was measured lately: nothing can be shown. `sagetop doctor` tells which queries have data.";
            say(state, theme, text, parts.table, buf);
        }
        Some(Ok(detail)) if state.metric_rows().is_empty() && !detail.metrics.is_empty() => {
            say(state, theme, "No metric's name contains that.", parts.table, buf);
        }
        Some(Ok(_)) => metrics::draw(state, theme, parts.table, list_area(state, body), buf),
    }
    charts(state, theme, parts.chart, buf);
    waterfall::draw(state, theme, service, parts.trace, buf);
}

/// A frame's upper edge with a title, and what is below it.
fn titled(state: &State, theme: &Theme, title: &str, area: Rect, buf: &mut Buffer) -> Rect {
    let rule = state.symbols().rule.repeat(usize::from(area.width));
    paint::text(buf, area, 0, 0, area.width, &rule, theme.style(Role::Guide));
    let title = paint::clip(title, usize::from(area.width.saturating_sub(4)), state.symbols().ellipsis);
    paint::text(buf, area, 0, GUTTER, area.width, &format!(" {title} "), theme.style(Role::Title));
    paint::rows(paint::indent(area, GUTTER), 1, area.height.saturating_sub(1))
}

/// The course of the selected metric, and below it of the others in their order, where there is room: what
/// changed together shows.
fn charts(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let rows = state.metric_rows();
    let chosen = state.inspected.metric.as_ref();
    let Some(at) =
        rows.iter().position(|m| chosen.is_some_and(|(e, what)| *e == m.entity && *what == m.what))
    else {
        return;
    };
    let others = rows.iter().enumerate().filter(|(i, m)| *i != at && m.recent.iter().any(Option::is_some));
    let order: Vec<_> = std::iter::once(&rows[at]).chain(others.map(|(_, m)| m)).collect();
    let count = usize::from(area.height / CHART).clamp(1, order.len());
    let height = (area.height / u16::try_from(count).unwrap_or(1)).min(2 * CHART);
    for (from, m) in (0..area.height).step_by(usize::from(height.max(1))).zip(order.into_iter().take(count)) {
        chart(state, theme, m, paint::rows(area, from, height), buf);
    }
}

/// The course of a metric.
fn chart(state: &State, theme: &Theme, m: &MetricView, area: Rect, buf: &mut Buffer) {
    let (Some(detail), true) = (state.detail(), area.height >= plot::LEAST) else { return };
    let unit = m.unit.as_ref().map(Clean::as_str);
    let told = |value: Option<f64>| format::measured(value, unit);
    let by = match (m.normal, m.modelled) {
        (None, _) => String::new(),
        (Some(_), true) => format!(", normally {} by the model", told(m.normal)),
        (Some(_), false) => format!(", normally {} by its history", told(m.normal)),
    };
    let title = format!("{} {}{by}", words::metric(m, &detail.service), told(m.observed));
    let title = Pane::new(state, theme, area.width).plain(&title).into_owned();
    let inner = titled(state, theme, &title, area, buf);
    let course = plot::Course {
        values: &m.recent,
        normal: m.normal,
        violated: &detail.violated,
        now: detail.now,
        until: detail.until,
        window: detail.window,
    };
    let label = |value: f64| told(Some(value));
    plot::draw(&course, label, state.symbols(), theme, inner, buf);
}

/// A sentence where there is nothing to show.
fn say(state: &State, theme: &Theme, text: &str, area: Rect, buf: &mut Buffer) {
    debug_assert!(state.screen == Screen::Service, "only this screen says so");
    let inner = paint::indent(area, GUTTER);
    for (y, line) in paint::wrap(text, usize::from(inner.width)).into_iter().enumerate() {
        paint::line(buf, inner, y, &Line::from(span(line, theme.style(Role::Title))));
    }
}
