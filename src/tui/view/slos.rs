//! Screen 1: every SLO with its state, and what is known about the selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::charts;
use super::fit::{Part, fit};
use super::header::{backend_role, backend_word};
use super::paint::{self, span};
use super::spark::spark;
use super::table::{Column, Grid};
use crate::domain::{BackendKind, Clean, SloState, SloStatus};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::picture::since;
use crate::tui::state::{Screen, SloOrder, State};
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};
use crate::tui::words;

/// Cells left of the table for the cursor.
const GUTTER: u16 = 2;

/// Rows of the part about the selected SLO.
fn panel_height(body: Rect) -> u16 {
    match body.height {
        0..12 => 0,
        12..20 => 5,
        _ => 8,
    }
}

/// Where the lines of the table stand.
pub(super) fn list_area(body: Rect) -> Rect {
    let heading = u16::from(body.height >= 3);
    let height = body.height.saturating_sub(heading + panel_height(body));
    paint::rows(body, heading, height)
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let rows = state.slo_rows();
    if rows.is_empty() {
        return empty(state, theme, body, buf);
    }
    let list = list_area(body);
    let table = paint::indent(list, GUTTER);
    let symbols = state.symbols();
    let burns: Vec<String> = rows
        .iter()
        .max_by_key(|s| s.burn.len())
        .map_or_else(Vec::new, |s| s.burn.iter().map(|b| b.window.to_string()).collect());
    let widest = rows.iter().map(|s| s.name.width()).max().unwrap_or(0);
    let grid = grid(&burns, state.order, widest, table.width);
    if body.height > list.height + panel_height(body) {
        let head = paint::indent(paint::rows(body, 0, 1), GUTTER);
        grid.headings(buf, head, 0, theme.style(Role::Muted), symbols.ellipsis);
    }
    let shown = rows.iter().skip(state.list().offset).take(usize::from(list.height));
    for (y, slo) in shown.enumerate() {
        row(state, theme, &grid, table, y, slo, burns.len(), buf);
        if Some(&slo.name) == state.slo.as_ref() {
            paint::text(buf, list, y, 0, 1, symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
    let from = body.height - panel_height(body);
    // Where a short table leaves room.
    let used = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(1);
    let free = paint::rows(paint::indent(list, GUTTER), used, list.height.saturating_sub(used + 1));
    charts::draw(state, theme, free, buf);
    panel(state, theme, paint::rows(body, from, panel_height(body)), buf);
}

fn grid(burns: &[String], order: SloOrder, widest: usize, width: u16) -> Grid {
    let name = match order {
        SloOrder::WorstFirst => "SLO, worst first",
        SloOrder::Configured => "SLO, in order",
    };
    let mut columns = vec![
        Column::left("state", 10, 10),
        Column::left(name, 11, 9).up_to(u16::try_from(widest.clamp(name.len(), 60)).unwrap_or(60)),
        Column::right("now", 7, 8),
        Column::right("at most", 7, 7),
        Column::right("age", 4, 4),
        Column::right("budget", 7, 5),
    ];
    for (i, window) in burns.iter().enumerate() {
        // The shortest window tells first; more than a handful of columns tell nothing.
        columns.push(Column::right(&format!("burn {window}"), 8, if i == 0 { 6 } else { 2 }));
    }
    columns.push(Column::left("recent", 12, 3).up_to(48));
    Grid::new(columns, width)
}

/// Whether an SLO's own data is too old to be trusted.
pub(super) fn is_stale(state: &State, slo: &SloStatus) -> bool {
    let limit = state.picture().stale_after().as_secs_f64();
    state.picture().staleness(state.now).is_some() || sample_age(state, slo).is_some_and(|age| age >= limit)
}

/// Age of the newest sample now, seconds.
pub(in crate::tui) fn sample_age(state: &State, slo: &SloStatus) -> Option<f64> {
    let frozen = state.picture().snapshot.as_ref().is_some_and(|s| s.frozen);
    let passed = if frozen { 0.0 } else { since(slo.at, state.now).as_secs_f64() };
    slo.newest_sample_age_s.filter(|a| a.is_finite()).map(|a| a.max(0.0) + passed)
}

fn age_text(state: &State, slo: &SloStatus) -> String {
    let age = sample_age(state, slo).and_then(|s| std::time::Duration::try_from_secs_f64(s).ok());
    age.map_or_else(|| format::NONE.to_owned(), format::age)
}

/// The meaning of an SLO's state.
pub(super) fn role(state: SloState) -> Role {
    match state {
        SloState::Ok => Role::Ok,
        SloState::Unknown => Role::Unknown,
        SloState::Burning => Role::Burning,
        SloState::Breached => Role::Breached,
    }
}

/// An SLO's name in the first line of another screen.
pub(super) fn name(name: &Clean, symbols: &Symbols, theme: &Theme) -> Part {
    let title = theme.style(Role::Title);
    let short = paint::clip(name.as_str(), 12, symbols.ellipsis);
    Part::left(2, vec![span(format!("{name}:"), title)]).or(vec![span(format!("{short}:"), title)])
}

#[allow(clippy::too_many_arguments, reason = "one line of a table needs its place and its data")]
fn row(
    state: &State,
    theme: &Theme,
    grid: &Grid,
    table: Rect,
    y: usize,
    slo: &SloStatus,
    burns: usize,
    buf: &mut Buffer,
) {
    let symbols = state.symbols();
    let stale = is_stale(state, slo);
    let style = |role: Role| theme.style(if stale { Role::Stale } else { role });
    let mut cell = |i: usize, text: &str, role: Role| {
        grid.cell(buf, table, y, i, text, style(role), symbols.ellipsis);
    };
    let burning = |rate: Option<f64>| if rate.is_some_and(|r| r > 1.0) { Role::Burning } else { Role::Text };
    let over = slo.observed_ms.is_some_and(|v| v > slo.objective_ms);
    cell(0, &format!("{} {}", symbols.slo(slo.state), slo.state.word()), role(slo.state));
    cell(1, slo.name.as_str(), Role::Text);
    cell(2, &format::latency(slo.observed_ms), if over { Role::Over } else { Role::Text });
    cell(3, &format::latency(Some(slo.objective_ms)), Role::Muted);
    cell(4, &age_text(state, slo), Role::Muted);
    let overspent = slo.budget_left.is_some_and(|b| b < 0.0);
    cell(5, &format::percent(slo.budget_left), if overspent { Role::Over } else { Role::Text });
    for (i, burn) in slo.burn.iter().take(burns).enumerate() {
        cell(6 + i, &format::factor(burn.rate), burning(burn.rate));
    }
    if let Some((x, width)) = grid.at(6 + burns) {
        let cells = usize::from(width).min(slo.recent_ms.len());
        let mut spans = spark(&slo.recent_ms, slo.objective_ms, cells, symbols, theme);
        if stale {
            spans = spans.into_iter().map(|s| span(s.content, theme.style(Role::Stale))).collect();
        }
        let area = paint::indent(table, x);
        paint::line(buf, Rect { width: width.min(area.width), ..area }, y, &Line::from(spans));
    }
}

/// What is known about the selected SLO.
fn panel(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (Some(slo), true) = (state.selected_slo(), area.height > 0) else { return };
    let symbols = state.symbols();
    let rule = symbols.rule.repeat(usize::from(area.width));
    paint::text(buf, area, 0, 0, area.width, &rule, theme.style(Role::Guide));
    let inner = paint::rows(paint::indent(area, GUTTER), 1, area.height - 1);
    let muted = theme.style(Role::Muted);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let ratio = slo.observed_ms.map(|v| v / slo.objective_ms);
    let how = match ratio {
        Some(r) if r > 1.0 => format!(
            " is {} over the objective of ",
            format::latency(slo.observed_ms.map(|v| v - slo.objective_ms))
        ),
        Some(_) => " is within the objective of ".to_owned(),
        None => "no data; the objective is ".to_owned(),
    };
    let observed = if slo.observed_ms.is_some() { format::latency(slo.observed_ms) } else { String::new() };
    let entry = state.selected_entry().map(|e| format!(" at {e}")).unwrap_or_default();
    let held = slo.state == SloState::Breached && ratio.is_some_and(|r| r <= 1.0);
    let held = if held { ", but not for long enough to call it met" } else { "" };
    let sampled = state.slo.as_ref().and_then(|name| words::sampled(state.picture().entry(name)?));
    let sampled = sampled.map_or_else(String::new, |words| format!("  {words}"));
    lines.push(Line::from(vec![
        span(slo.name.to_string(), theme.style(Role::Title)),
        span(
            format!("  {observed}{how}{}{entry}{held}", format::latency(Some(slo.objective_ms))),
            Style::new(),
        ),
        span(sampled, muted),
    ]));
    let burns: Vec<_> = slo.burn.iter().map(|b| format!("{} {}", b.window, format::factor(b.rate))).collect();
    let burns =
        if burns.is_empty() { format::NONE.to_owned() } else { burns.join(&format!(" {} ", symbols.dot)) };
    let field = |weight: u8, name: &str, value: String| {
        Part::left(weight, vec![span(name.to_owned(), muted), span(value, Style::new())])
    };
    let fields = vec![
        field(3, "burn rate ", burns),
        field(2, "budget left ", format::percent(slo.budget_left)),
        field(1, "newest sample ", age_text(state, slo)),
    ];
    lines.push(fit(fields, usize::from(inner.width), 3));
    lines.extend(why(state, theme, usize::from(inner.width), inner.height));
    let left = usize::from(inner.height).saturating_sub(lines.len());
    if let Some(snapshot) = &state.picture().snapshot {
        for warning in snapshot.warnings.iter().take(left) {
            lines.push(Line::from(span(format!("note: {warning}"), muted)));
        }
    }
    for (y, line) in lines.iter().enumerate() {
        paint::line(buf, inner, y, line);
    }
}

/// The verdict in a sentence, or how to get one.
fn why(state: &State, theme: &Theme, width: usize, height: u16) -> Vec<Line<'static>> {
    if let Some(answer) = state.selected_answer() {
        let room = usize::from(height.saturating_sub(2)).min(3);
        let text = words::headline(&answer.verdict);
        let lines = paint::wrap(&text, width).into_iter().take(room);
        return lines.map(|l| Line::from(span(l, theme.style(Role::Text)))).collect();
    }
    let asked = state.slo.as_ref().and_then(|s| state.asked.get(s));
    let text = match (asked, state.keymap.keys(Action::ShowVerdict).first()) {
        (Some(a), _) if a.failure.is_none() => "searching for the cause".to_owned(),
        (_, Some(key)) => format!("{key} asks why"),
        _ => String::new(),
    };
    vec![Line::from(span(text, theme.style(Role::Muted)))]
}

/// Nothing to list: why, and what is under way.
fn empty(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let picture = state.picture();
    let filter = state.lists[Screen::Slos as usize].filter.value();
    let head = match &picture.snapshot {
        None => "No data yet. Waiting for the first picture of the application.",
        Some(s) if s.slos.is_empty() => "No SLO is configured: `sagetop config init` writes an example.",
        Some(_) if !filter.is_empty() => "No SLO's name contains that.",
        Some(_) => "No SLO to show.",
    };
    let inner = paint::indent(body, GUTTER);
    let width = usize::from(inner.width);
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    lines.extend(paint::wrap(head, width).into_iter().map(|l| Line::from(span(l, theme.style(Role::Title)))));
    lines.push(Line::default());
    for health in picture.health.values() {
        let name = match health.kind {
            BackendKind::Prometheus => "Prometheus",
            BackendKind::Jaeger => "Jaeger    ",
        };
        let style = theme.style(backend_role(health.state));
        let state_word = format!("{} {}", state.symbols().backend(health.state), backend_word(health.state));
        lines.push(Line::from(vec![
            span(format!("{name}  "), Style::new()),
            span(format!("{state_word:<12}"), style),
            span(format!("  {}", health.url), theme.style(Role::Muted)),
        ]));
        if let Some(detail) = &health.detail {
            let wrapped = paint::wrap(detail.as_str(), width.saturating_sub(12));
            lines.extend(
                wrapped.into_iter().map(|l| Line::from(span(format!("            {l}"), Style::new()))),
            );
        }
    }
    for (y, line) in lines.iter().enumerate() {
        paint::line(buf, inner, y, line);
    }
}
