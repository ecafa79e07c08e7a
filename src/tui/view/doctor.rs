//! Doctor: are the backends well, how did the training go and what does the model rest on, and which
//! metrics have data. One text that scrolls.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::fit::{Part, fit};
use super::header::{backend_role, backend_word};
use super::paint::{self, span};
use super::pane::Pane;
use crate::domain::{BackendHealth, BackendState};
use crate::engine::{ModelState, Probe};
use crate::tui::format;
use crate::tui::picture::since;
use crate::tui::remedy_words::left;
use crate::tui::state::{Screen, State, contains};
use crate::tui::theme::{Role, Theme};

/// Cells left of the text.
const GUTTER: u16 = 2;
/// Rows of the curve of a training.
const CURVE: usize = 4;
/// Fewest cells of one of several columns of queries.
const COLUMN: usize = 64;
/// Widest curve.
const WIDEST: usize = 100;

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let inner = paint::indent(body, GUTTER);
    let lines = lines(state, theme, body);
    let page = usize::from(body.height);
    for (y, line) in lines.iter().skip(state.lists[Screen::Doctor as usize].offset).take(page).enumerate() {
        paint::line(buf, inner, y, line);
    }
}

/// The whole text.
pub(super) fn lines(state: &State, theme: &Theme, body: Rect) -> Vec<Line<'static>> {
    let c = Pane::new(state, theme, body.width.saturating_sub(GUTTER));
    let mut lines = vec![c.heading("Backends")];
    let picture = state.picture();
    if picture.health.is_empty() {
        lines.extend(c.wrapped("None was asked yet.", c.style(Role::Muted)));
    }
    lines.extend(picture.health.values().flat_map(|h| backend(&c, h)));
    lines.extend([Line::default(), c.heading("Model")]);
    lines.extend(model(&c));
    lines.extend([Line::default(), c.heading("Metrics")]);
    lines.extend(metrics(&c));
    lines
}

fn field(c: &Pane<'_>, weight: u8, name: &str, value: String) -> Part {
    Part::left(weight, vec![span(format!("{name} "), c.style(Role::Muted)), span(value, Style::new())])
}

/// A backend's line, and its trouble below it.
fn backend(c: &Pane<'_>, h: &BackendHealth) -> Vec<Line<'static>> {
    let style = c.style(backend_role(h.state));
    let sign = format!("{} {}", c.symbols.backend(h.state), backend_word(h.state));
    let pad = " ".repeat(12usize.saturating_sub(paint::width(&sign)));
    let kind = format!("{:<11}", format!("{:?}", h.kind));
    let mut parts = vec![
        Part::left(9, vec![span(kind, Style::new()), span(sign, style), span(pad, Style::new())]),
        field(
            c,
            5,
            "version",
            h.flavour.as_ref().map_or_else(|| format::NONE.to_owned(), ToString::to_string),
        ),
        field(c, 7, "answered in", format::latency(h.latency_ms)),
        field(
            c,
            6,
            "clock",
            h.clock_offset_ms.map_or_else(|| format::NONE.to_owned(), |ms| format!("{ms:+} ms")),
        ),
    ];
    if let Some(at) = h.last_ok.filter(|_| h.state != BackendState::Up) {
        parts.push(field(c, 8, "last answer", format!("{} ago", format::age(since(at, c.state.now)))));
    }
    let next = c.state.picture().next.filter(|next| *next > c.state.now);
    if let Some(next) = next.filter(|_| h.state != BackendState::Up) {
        parts.push(field(c, 8, "tried again in", left(next, c.state.now)));
    }
    let mut lines = vec![fit(parts, c.width, 2)];
    lines.push(Line::from(span(c.clip(&format!("  {}", h.url), c.width), c.style(Role::Muted))));
    if let Some(detail) = &h.detail {
        let role = if h.state == BackendState::Down { Role::Failure } else { Role::Text };
        lines.extend(c.hanging(vec![span("  ", Style::new())], detail.as_str(), c.style(role)));
    }
    lines
}

/// How the model is, how its training went, and what it lacks.
fn model(c: &Pane<'_>) -> Vec<Line<'static>> {
    let picture = c.state.picture();
    let mut lines = match &picture.model {
        None => c.wrapped("Nothing is known of it yet.", c.style(Role::Muted)),
        Some(ModelState::Absent(why)) => {
            c.wrapped(&format!("{} none: {why}", c.symbols.unknown), c.style(Role::Unknown))
        }
        Some(ModelState::Training { done, total, note }) => {
            let share = format::percent(Some(*done as f64 / (*total).max(1) as f64));
            c.wrapped(
                &format!("training: epoch {done} of at most {total} ({share}), {note}"),
                c.style(Role::Notice),
            )
        }
        Some(ModelState::Ready(_)) => c.wrapped(&format!("{} ready", c.symbols.ok), c.style(Role::Ok)),
        Some(ModelState::Stale(_, why)) => {
            c.wrapped(&format!("{} stale: {why}", c.symbols.burning), c.style(Role::Burning))
        }
    };
    if let Some(facts) = &picture.facts {
        let date = |at: crate::domain::Timestamp| at.strftime("%F %H:%M").to_string();
        let age = format::age(since(facts.summary.trained_at, c.state.now));
        let in_range = c.state.selected_answer().and_then(|a| a.verdict.model.as_ref()).map(|m| m.in_range);
        let in_range = match in_range {
            None => "not known without a verdict",
            Some(true) => "yes",
            Some(false) => "no: an answer is a hint only",
        };
        let first = vec![
            field(c, 9, "learned from", format!("{} windows", format::count(facts.summary.windows as u64))),
            field(c, 8, "of", format!("{} to {} UTC", date(facts.from), date(facts.summary.trained_at))),
            field(c, 7, "ended", format!("{age} ago")),
        ];
        let known = facts.columns.saturating_sub(facts.silent.len());
        let coverage = format::percent(Some(known as f64 / facts.columns.max(1) as f64));
        let second = vec![
            field(c, 9, "services", facts.services.to_string()),
            field(c, 8, "inputs with data", format!("{known} of {} ({coverage})", facts.columns)),
            field(c, 7, "situation in range", in_range.to_owned()),
            field(c, 3, "fingerprint", facts.summary.fingerprint.to_string()),
        ];
        lines.extend([fit(first, c.width, 2), fit(second, c.width, 2)]);
        for remark in &facts.remarks {
            lines.extend(c.hanging(vec![span("  ", Style::new())], remark.as_str(), c.style(Role::Muted)));
        }
        let silent: Vec<_> = facts.silent.iter().take(5).map(ToString::to_string).collect();
        if !silent.is_empty() {
            let more = facts.silent.len() - silent.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let text = format!("{} no data lately: {}{more}", c.symbols.burning, silent.join("; "));
            lines.extend(c.wrapped(&text, c.style(Role::Burning)));
        }
    }
    lines.extend(curve(c));
    lines
}

/// The evidence lower bound of each epoch, from the lowest to the highest.
fn curve(c: &Pane<'_>) -> Vec<Line<'static>> {
    let points: Vec<f64> =
        c.state.picture().curve.iter().map(|(_, e)| *e).filter(|e| e.is_finite()).collect();
    let (Some(last), true) = (c.state.picture().curve.last(), points.len() > 1) else {
        let text = "No training was seen since the program started: a kept model has no curve.";
        return c.wrapped(text, c.style(Role::Muted));
    };
    let label = 10;
    let cells = c.width.saturating_sub(label + 1).min(WIDEST);
    if cells < 8 {
        return Vec::new();
    }
    let (low, high) =
        points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    // The first epochs are far below the rest: what follows them is what one wants to see.
    let mut sorted = points.clone();
    sorted.sort_by(f64::total_cmp);
    let low = low.max(sorted[sorted.len() / 10]);
    let columns = cells.min(points.len());
    let at = |x: usize| points[x * (points.len() - 1) / (columns - 1).max(1)];
    let eighths = |v: f64| {
        let share = if high > low { ((v - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
        ((share * (CURVE * 8) as f64).round() as usize).max(1)
    };
    let mut lines = vec![Line::from(span(
        "ELBO of the held-back windows by epoch; higher is better",
        c.style(Role::Muted),
    ))];
    for row in 0..CURVE {
        let below = (CURVE - 1 - row) * 8;
        let text: String = (0..columns)
            .map(|x| match eighths(at(x)).saturating_sub(below).min(8) {
                0 => " ",
                filled => c.symbols.spark[filled - 1],
            })
            .collect();
        let value = match row {
            0 => format!("{high:.2}"),
            r if r + 1 == CURVE => format!("{low:.2}"),
            _ => String::new(),
        };
        lines.push(Line::from(vec![
            span(format!("{value:>label$} "), c.style(Role::Muted)),
            span(text, c.style(Role::Bar)),
        ]));
    }
    let ends = format!("{:>label$} 1{:>width$}", "epoch", last.0, width = columns.saturating_sub(1));
    lines.push(Line::from(span(ends, c.style(Role::Muted))));
    lines
}

/// The queries of the catalogue: those that fail first, then those without data, then the rest.
fn metrics(c: &Pane<'_>) -> Vec<Line<'static>> {
    let asking = c.state.probing.map(|at| format!("asking (since {})", format::age(since(at, c.state.now))));
    let Some((at, probes)) = &c.state.picture().probes else {
        let text = asking.unwrap_or_else(|| "Not asked yet.".to_owned());
        return c.wrapped(&text, c.style(Role::Notice));
    };
    let with = probes.iter().filter(|p| p.series.is_some_and(|n| n > 0)).count();
    let failed = probes.iter().filter(|p| p.error.is_some()).count();
    let again = asking.map_or_else(String::new, |asking| format!("; {asking}"));
    let text = format!(
        "{with} of {} queries have data, {failed} failed, as of {} UTC{again}",
        probes.len(),
        at.strftime("%H:%M:%S")
    );
    let mut lines = c.wrapped(&text, Style::new());
    let needle = c.state.lists[Screen::Doctor as usize].needle();
    let mut rows: Vec<&Probe> = probes.iter().filter(|p| contains(p.name.as_str(), &needle)).collect();
    rows.sort_by_key(|p| (p.error.is_none(), p.series.is_some_and(|n| n > 0)));
    // Why one failed takes a line.
    let (failed, rest): (Vec<&Probe>, Vec<&Probe>) = rows.into_iter().partition(|p| p.error.is_some());
    lines.extend(failed.into_iter().map(|p| probe(c, p)));
    lines.extend(side_by_side(c, &rest));
    lines
}

/// The queries in as many columns as there is room for; one goes on at the top of the next.
fn side_by_side(c: &Pane<'_>, probes: &[&Probe]) -> Vec<Line<'static>> {
    let columns = (c.width / COLUMN).max(1);
    let cells = c.width / columns;
    let narrow = c.narrower(c.width - cells);
    let height = probes.len().div_ceil(columns);
    let row = |y: usize| {
        let mut line = Line::default();
        for (column, p) in probes.iter().skip(y).step_by(height.max(1)).enumerate() {
            let pad = (column * cells).saturating_sub(line.width());
            line.push_span(span(" ".repeat(pad), Style::new()));
            line.spans.extend(probe(&narrow, p).spans);
        }
        line
    };
    (0..height).map(row).collect()
}

fn probe(c: &Pane<'_>, p: &Probe) -> Line<'static> {
    let (sign, words, role) = match (p.series, &p.error) {
        (_, Some(error)) => (c.symbols.breached, format!("failed: {error}"), Role::Failure),
        (Some(0) | None, None) => (c.symbols.unknown, "no data: masked".to_owned(), Role::Unknown),
        (Some(n), None) => (c.symbols.ok, format!("{} series", format::count(n as u64)), Role::Ok),
    };
    let name = (c.width / 2).clamp(1, 48);
    let text = c.clip(p.name.as_str(), name);
    let pad = " ".repeat(name - paint::width(&text) + 1);
    let room = c.width.saturating_sub(name + 5);
    Line::from(vec![
        span(format!("{sign} "), c.style(role)),
        span(text + &pad, Style::new()),
        span(c.clip(&words, room), c.style(role)),
    ])
}
