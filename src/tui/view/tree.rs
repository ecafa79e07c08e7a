//! Screen 2: who calls whom below the SLO's entry, how fast each is now and normally, and who stands out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::call;
use super::fit::{Part, fit};
use super::paint::{self, span};
use super::slos;
use super::table::{Column, Grid};
use crate::domain::{ServiceName, VerdictKind};
use crate::engine::{Reading, ServiceView};
use crate::tui::format;
use crate::tui::state::State;
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};
use crate::tui::tree::Row;
use crate::tui::words;

/// Below this, a part of a latency in milliseconds is as good as none.
const LEAST_OWN_MS: f64 = 0.01;
/// Cells left of the tree for the cursor.
pub(super) const GUTTER: u16 = 2;

pub(super) fn panel_height(body: Rect) -> u16 {
    match body.height {
        0..12 => 0,
        _ => 4,
    }
}

/// Lines above the tree: which SLO it belongs to, and the headings.
fn head_height(body: Rect) -> u16 {
    match body.height {
        0..3 => 0,
        3..6 => 1,
        _ => 2,
    }
}

/// Where the lines of the tree stand.
pub(super) fn list_area(body: Rect) -> Rect {
    let head = head_height(body);
    paint::rows(body, head, body.height.saturating_sub(head + panel_height(body)))
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let rows = state.tree.rows();
    if rows.is_empty() {
        return empty(state, theme, body, buf);
    }
    if state.shows_graph() {
        return super::graph::draw(state, theme, body, buf);
    }
    let list = list_area(body);
    let table = paint::indent(list, GUTTER);
    let symbols = state.symbols();
    let shown = || rows.iter().skip(state.list().offset).take(usize::from(list.height));
    let widest = shown().map(name_width).max().unwrap_or(0);
    let marked = shown().map(|row| paint::width(&stands_out(state, row).0)).max().unwrap_or(0);
    let grid = Grid::new(columns(widest, marked, table.width), table.width);
    let head = head_height(body);
    if head > 0 {
        let area = paint::indent(body, GUTTER);
        if head > 1 {
            paint::line(buf, area, 0, &title(state, theme, usize::from(area.width)));
        }
        grid.headings(buf, area, usize::from(head - 1), theme.style(Role::Muted), symbols.ellipsis);
    }
    let stale = state.picture().staleness(state.now).is_some();
    for (y, row) in shown().enumerate() {
        draw_row(state, theme, &grid, table, y, row, stale, buf);
        if Some(&row.place) == state.place.as_ref() {
            paint::text(buf, list, y, 0, 1, symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
    let from = body.height - panel_height(body);
    call::panel(state, theme, paint::rows(body, from, panel_height(body)), buf);
}

/// The columns for names of `widest` and marks of `marked` cells.
fn columns(widest: usize, marked: usize, width: u16) -> Vec<Column> {
    let most = u16::try_from(widest).unwrap_or(u16::MAX).max(16);
    // On narrow screens a mark may lose its resource, but not its word.
    let most_marked = match width {
        0..60 => 13,
        60..110 => 17,
        _ => 28,
    };
    let marked = u16::try_from(marked).unwrap_or(u16::MAX).clamp(13, most_marked);
    vec![
        Column::left("service", most.min((width * 2 / 5).max(16)), 10).up_to(most),
        Column::right("", 3, 5).up_to(5),
        Column::right("waits", 7, 9),
        Column::right("normal", 7, 7),
        Column::right("ratio", 6, 6),
        Column::right("own", 7, 4).up_to(8),
        Column::right("load", 7, 3).up_to(10),
        Column::left("", marked, 8).up_to(32),
        Column::left("known from", 10, 1),
        Column::right("seen", 5, 2),
    ]
}

fn title(state: &State, theme: &Theme, cells: usize) -> Line<'static> {
    let mut parts = title_parts(state, theme);
    if let Some(why) = super::graph_obstacle(state).filter(|_| state.as_graph) {
        parts.push(Part::right(2, vec![span(why, theme.style(Role::Muted))]));
    }
    fit(parts, cells, 1)
}

/// Which SLO it is about, and how that stands.
pub(super) fn title_parts(state: &State, theme: &Theme) -> Vec<Part> {
    let Some(slo) = state.selected_slo() else { return Vec::new() };
    let stale = state.picture().staleness(state.now).is_some();
    let style = theme.style(if stale { Role::Stale } else { slos::role(slo.state) });
    let sign = format!("{} {}", state.symbols().slo(slo.state), slo.state.word());
    let now = format::latency(slo.observed_ms);
    let reading = format!("{now}, at most {}", format::latency(Some(slo.objective_ms)));
    let sampled = state.slo.as_ref().and_then(|name| words::sampled(state.picture().entry(name)?));
    vec![
        Part::left(9, vec![span(sign, style)]),
        slos::name(&slo.name, state.symbols(), theme),
        Part::left(3, vec![span(reading, Style::new())]).or(vec![span(now, Style::new())]),
        Part::left(
            2,
            sampled.map(|text| span(format!(" {text}"), theme.style(Role::Muted))).into_iter().collect(),
        )
        .or(Vec::new()),
    ]
}

fn name_width(row: &Row) -> usize {
    // In front of all but the entry, a branch takes the place of the sign.
    2 + 2 * row.depth() + paint::width(row.place.service.as_str())
}

/// How a service stands out: what it is called, with which resource, and its role.
pub(super) fn mark(
    state: &State,
    service: &ServiceName,
    view: Option<&ServiceView>,
) -> Option<(String, Role)> {
    let symbols = state.symbols();
    if let Some(answer) = state.selected_answer() {
        let v = &answer.verdict;
        let named = matches!(v.kind, VerdictKind::Culprits | VerdictKind::Latent)
            && v.culprits.iter().any(|c| c.service == *service);
        if named {
            let resource = words::suspected(v, service).map_or("", |r| r.word());
            return Some((
                format!("{} culprit {resource}", symbols.culprit).trim_end().to_owned(),
                Role::Culprit,
            ));
        }
    }
    let view = view?;
    view.surprise.filter(|s| *s >= unusual(state))?;
    let resource = view.resource.map_or("", |r| r.word());
    Some((format!("{} suspect {resource}", symbols.suspect).trim_end().to_owned(), Role::Suspect))
}

/// From this surprise on a service stands out.
fn unusual(state: &State) -> f64 {
    state.picture().snapshot.as_ref().map_or(f64::INFINITY, |s| s.unusual)
}

pub(super) fn view_of<'s>(state: &'s State, service: &ServiceName) -> Option<&'s ServiceView> {
    state.picture().snapshot.as_ref()?.services.get(service)
}

/// How a line stands out, with the remarks on it.
fn stands_out(state: &State, row: &Row) -> (String, Role) {
    let mark = mark(state, &row.place.service, view_of(state, &row.place.service));
    let (text, role) = mark.unzip();
    let parts: Vec<String> = text.into_iter().chain(remarks(row).into_iter().map(str::to_owned)).collect();
    (parts.join(", "), role.unwrap_or(Role::Muted))
}

/// Remarks on a line besides the mark.
pub(super) fn remarks(row: &Row) -> Vec<&'static str> {
    let mut out = Vec::new();
    if row.cycle {
        out.push("a cycle");
    } else if row.repeated {
        out.push("see above");
    }
    if !row.instrumented {
        out.push("no telemetry");
    }
    out
}

#[allow(clippy::too_many_arguments, reason = "one line of a table needs its place and its data")]
fn draw_row(
    state: &State,
    theme: &Theme,
    grid: &Grid,
    table: Rect,
    y: usize,
    row: &Row,
    stale: bool,
    buf: &mut Buffer,
) {
    let symbols = state.symbols();
    let view = view_of(state, &row.place.service);
    let mark = mark(state, &row.place.service, view);
    let style = |role: Role| theme.style(if stale { Role::Stale } else { role });
    if let Some((x, width)) = grid.at(0) {
        let cells = usize::from(width);
        let mut line = Line::from(span(rails(row, symbols, cells / 2), theme.style(Role::Guide)));
        if row.children > 0 {
            let sign = if row.folded { symbols.folded } else { symbols.open };
            line.push_span(span(format!("{sign} "), theme.style(Role::Key)));
        } else if row.depth() == 0 {
            line.push_span(Span::raw("  "));
        }
        let role = match &mark {
            Some((_, role)) => *role,
            None if row.repeated || !row.instrumented => Role::Muted,
            None => Role::Text,
        };
        let used = line.width();
        let name = paint::clip(row.place.service.as_str(), cells.saturating_sub(used), symbols.ellipsis);
        line.push_span(span(name, style(role)));
        let area = paint::indent(table, x);
        paint::line(buf, Rect { width: width.min(area.width), ..area }, y, &line);
    }
    let mut cell = |i: usize, text: &str, role: Role| {
        grid.cell(buf, table, y, i, text, style(role), symbols.ellipsis);
    };
    let marked = mark.as_ref().map_or(Role::Text, |(_, role)| *role);
    // Each caller waits for itself, so a repeated service has numbers of its own here.
    let waits = state.waits(&row.place);
    cell(1, &quantile(waits), Role::Muted);
    cell(2, &format::latency(waits.and_then(|w| w.now_ms)), marked);
    cell(3, &format::latency(waits.and_then(|w| w.normal_ms)), Role::Muted);
    cell(4, &format::factor(waits.and_then(|w| w.ratio())), marked);
    if !row.repeated {
        cell(5, &own(row, view), Role::Text);
        cell(6, &format::load(view.and_then(|v| v.load.as_ref())), Role::Muted);
    }
    let (text, role) = stands_out(state, row);
    // A remark that would be cut is left out.
    let room = grid.at(7).map_or(0, |(_, width)| usize::from(width));
    let first = text.split(", ").next().unwrap_or_default();
    cell(7, if paint::width(&text) > room { first } else { &text }, role);
    cell(8, call::origin(state, row), Role::Muted);
    let (seen, old) = call::seen(state, row);
    cell(9, &seen, if old { Role::Stale } else { Role::Muted });
}

fn quantile(reading: Option<Reading>) -> String {
    reading.map_or_else(String::new, |r| r.quantile.to_string())
}

/// The service's own part: known where it calls nobody. Else it is less than what its slowest callee
/// leaves of it: how often each callee is called, and whether at once, is not known.
pub(super) fn own(row: &Row, view: Option<&ServiceView>) -> String {
    match view.and_then(|v| v.own_ms) {
        Some(_) if row.children == 0 => "all".to_owned(),
        Some(ms) if ms.is_finite() => format!("<{}", format::rough(ms.max(LEAST_OWN_MS))),
        _ => format::NONE.to_owned(),
    }
}

/// The lines in front of a service; where they would take too much room, only how deep it stands.
fn rails(row: &Row, symbols: &Symbols, most: usize) -> String {
    let Some(levels) = row.depth().checked_sub(1) else { return String::new() };
    let mut out = String::new();
    if 2 * levels + 4 > most {
        out.push_str(&format!("{}{} ", symbols.ellipsis, row.depth()));
    } else {
        for goes_on in &row.rails[1..] {
            out.push_str(if *goes_on { symbols.pass } else { " " });
            out.push(' ');
        }
    }
    out.push_str(if row.last { symbols.corner } else { symbols.tee });
    out.push_str(symbols.rule);
    if row.children == 0 {
        out.push_str(symbols.rule);
        out.push(' ');
    }
    out
}

/// No tree: why.
fn empty(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let text = match (&state.slo, state.selected_entry()) {
        (None, _) => "No SLO is known yet, so there is no tree to show.".to_owned(),
        (Some(slo), None) => format!("The entry service of {slo} is not known yet."),
        (Some(_), Some(entry)) => {
            format!("{entry} is not in the call graph yet: no span and no metric names it.")
        }
    };
    let inner = paint::indent(body, GUTTER);
    for (y, line) in paint::wrap(&text, usize::from(inner.width)).into_iter().enumerate() {
        paint::line(buf, inner, y + 1, &Line::from(span(line, theme.style(Role::Title))));
    }
}
