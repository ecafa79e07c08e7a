//! The metrics of a service: observed, normal, how they stand to each other, and the recent course.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::paint;
use super::super::pane::Pane;
use super::super::table::{Column, Grid};
use super::GUTTER;
use crate::domain::Clean;
use crate::engine::{Deviation, MetricView};
use crate::tui::format;
use crate::tui::state::State;
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};
use crate::tui::words;

/// The column of the recent course.
const COURSE: usize = 6;

fn grid(longest: usize, width: u16) -> Grid {
    let longest = u16::try_from(longest).unwrap_or(u16::MAX);
    let name = longest.clamp(12, (width * 2 / 5).max(14));
    Grid::new(
        vec![
            Column::left("  metric", name, 10).up_to(longest.max(12)),
            Column::left("resource", 8, 3),
            Column::right("observed", 9, 9).up_to(10),
            Column::right("normal", 9, 8).up_to(10),
            Column::left("", 14, 7).up_to(15),
            Column::right("odds", 9, 4),
            Column::left("recent", 8, 2).up_to(60),
        ],
        width,
    )
}

/// Draws the headings above `list`, and the lines in it.
pub(super) fn draw(state: &State, theme: &Theme, table: Rect, list: Rect, buf: &mut Buffer) {
    let (rows, symbols) = (state.metric_rows(), state.symbols());
    let Some(service) = &state.inspected.service else { return };
    let pane = Pane::new(state, theme, list.width);
    let named: Vec<_> = rows.iter().map(|m| pane.plain(&words::metric(m, service)).into_owned()).collect();
    let longest = named.iter().map(|name| paint::width(name) + 2).max().unwrap_or(0);
    let inner = paint::indent(list, GUTTER);
    let grid = grid(longest, inner.width);
    if table.height > list.height {
        grid.headings(buf, paint::indent(table, GUTTER), 0, theme.style(Role::Muted), symbols.ellipsis);
    }
    let chosen = state.inspected.metric.as_ref();
    let page = rows.iter().zip(&named).skip(state.list().offset).take(usize::from(list.height));
    let stale = state.picture().staleness(state.now).is_some();
    let style = |role: Role| theme.style(if stale { Role::Stale } else { role });
    for (y, (m, name)) in page.enumerate() {
        let (sign, role) = standing(m, symbols);
        let unit = m.unit.as_ref().map(Clean::as_str);
        let mut cell = |i: usize, text: &str, role: Role| {
            grid.cell(buf, inner, y, i, text, style(role), symbols.ellipsis);
        };
        cell(0, &format!("{sign} {name}"), role);
        cell(1, m.resource.map_or("latency", |r| r.word()), Role::Muted);
        cell(2, &format::measured(m.observed, unit), role);
        cell(3, &format::measured(m.normal, unit), Role::Muted);
        cell(4, words::deviation(m.deviation), role);
        cell(5, &odds(m), Role::Muted);
        let cells = grid.at(COURSE).map_or(0, |(_, width)| usize::from(width));
        cell(COURSE, &spark(m, cells, symbols), Role::Bar);
        if chosen.is_some_and(|(entity, what)| *entity == m.entity && *what == m.what) {
            paint::text(buf, list, y, 0, 1, symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
}

/// How a metric stands: the sign in front of its name, which the word and the colour repeat.
fn standing(m: &MetricView, symbols: &'static Symbols) -> (&'static str, Role) {
    match m.deviation {
        Deviation::High | Deviation::Low => (symbols.suspect, Role::Suspect),
        Deviation::Usual => (" ", Role::Text),
        Deviation::Unknown => (symbols.unknown, Role::Unknown),
    }
}

fn odds(m: &MetricView) -> String {
    m.surprise.map_or_else(String::new, |surprise| format::odds(Some(surprise)))
}

/// The newest values, from nothing to the highest of them.
fn spark(m: &MetricView, cells: usize, symbols: &Symbols) -> String {
    let shown = &m.recent[m.recent.len().saturating_sub(cells)..];
    let finite = |v: &Option<f64>| v.filter(|v| v.is_finite() && *v >= 0.0);
    let top = shown.iter().filter_map(finite).fold(0.0, f64::max);
    let sign = |v: &Option<f64>| match finite(v) {
        None => symbols.gap,
        Some(v) if top > 0.0 => symbols.spark[((v / top) * 7.0).round() as usize],
        Some(_) => symbols.spark[0],
    };
    shown.iter().map(sign).collect()
}
