//! An example trace as a waterfall: each span a line, indented below its parent, with a bar where it lies.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::super::paint::{self, span};
use super::super::pane::Pane;
use super::{GUTTER, titled};
use crate::domain::ServiceName;
use crate::engine::{SpanView, Waterfall};
use crate::tui::format;
use crate::tui::picture::since;
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Cells of a duration.
const TOOK: usize = 8;

/// Draws the trace, or why there is none.
pub(super) fn draw(state: &State, theme: &Theme, service: &ServiceName, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let awaited = state.inspected.tracing.as_ref().filter(|(of, _)| of == service);
    let known = state.picture().traces.get(service);
    let example = known.and_then(|e| e.trace.as_ref().ok()).and_then(Option::as_ref);
    let title = match (awaited, known, example) {
        (Some((_, asked)), ..) => {
            format!("Slowest trace: asked Jaeger {} ago", format::age(since(*asked, state.now)))
        }
        (None, Some(e), Some(w)) => title(w, &format::age(since(e.received, state.now))),
        _ => "Slowest trace".to_owned(),
    };
    let inner = titled(state, theme, &title, area, buf);
    let text = match known.map(|e| &e.trace) {
        Some(Err(why)) => format!("It could not be fetched: {why}"),
        Some(Ok(None)) => "No trace passed through it in the windows that count as now.".to_owned(),
        Some(Ok(Some(w))) => return spans(state, theme, service, w, inner, buf),
        None => return,
    };
    let role = if matches!(known.map(|e| &e.trace), Some(Err(_))) { Role::Failure } else { Role::Muted };
    for (y, line) in paint::wrap(&text, usize::from(inner.width)).into_iter().enumerate() {
        paint::line(buf, inner, y, &Line::from(span(line, theme.style(role))));
    }
}

/// Rows that all of the trace takes, with its title and the link below it.
pub(super) fn rows(state: &State) -> u16 {
    let known = state.inspected.service.as_ref().and_then(|service| state.picture().traces.get(service));
    let example = known.and_then(|e| e.trace.as_ref().ok()).and_then(Option::as_ref);
    u16::try_from(example.map_or(0, |w| w.spans.len()).saturating_add(3)).unwrap_or(u16::MAX)
}

fn title(w: &Waterfall, age: &str) -> String {
    let of = if w.truncated { format!("{} looked at, of more", w.of) } else { w.of.to_string() };
    let took = format::latency(Some(w.took_ms));
    format!("Slowest trace of {of}: {took} at {}, fetched {age} ago", w.start.strftime("%H:%M:%S"))
}

fn spans(state: &State, theme: &Theme, service: &ServiceName, w: &Waterfall, area: Rect, buf: &mut Buffer) {
    let pane = Pane::new(state, theme, area.width);
    let width = usize::from(area.width);
    // The last line is the link, so that it can be selected with the mouse too.
    let rows = usize::from(area.height).saturating_sub(1);
    // Of what does not fit, the longest spans matter.
    let shown = longest(&w.spans, rows);
    let name = (width * 2 / 5).clamp(8, 48).min(width);
    let bar = width.saturating_sub(name + TOOK + 2);
    for (y, s) in shown.iter().enumerate() {
        let role = match (s.error, s.service == *service) {
            (true, _) => Role::Failure,
            (false, true) => Role::Suspect,
            (false, false) => Role::Text,
        };
        let sign = if s.error { format!("{} ", pane.symbols.breached) } else { "  ".to_owned() };
        let depth = s.depth.min(name / 4);
        let text = format!("{}{sign}{} {}", " ".repeat(depth), s.service, s.operation);
        let text = pane.clip(&text, name);
        let pad = " ".repeat(name - paint::width(&text) + 1);
        let took = format::latency(Some(s.took_ms));
        let mut line = Line::from(vec![
            span(text, theme.style(role)),
            span(format!("{pad}{took:>TOOK$} "), theme.style(Role::Muted)),
        ]);
        if bar >= 4 {
            let (before, long) = extent(s, w.took_ms, bar);
            line.push_span(span(" ".repeat(before), Style::new()));
            let sign = if role == Role::Suspect { Role::Over } else { Role::Bar };
            line.push_span(span(pane.symbols.bar[0].repeat(long), theme.style(sign)));
        }
        paint::line(buf, area, y, &line);
    }
    let hidden = w.spans.len() - shown.len() + w.left_out;
    let more = if hidden > 0 { format!("{hidden} shorter spans more; ") } else { String::new() };
    let text = pane.clip(&format!("{more}{}", w.link), width.saturating_sub(usize::from(GUTTER)));
    paint::line(buf, area, shown.len(), &Line::from(span(format!("  {text}"), theme.style(Role::Muted))));
}

/// At most `most` of the spans, the longest ones, in their order.
fn longest(spans: &[SpanView], most: usize) -> Vec<&SpanView> {
    let mut by_length: Vec<usize> = (0..spans.len()).collect();
    by_length.sort_by(|a, b| spans[*b].took_ms.total_cmp(&spans[*a].took_ms).then(a.cmp(b)));
    by_length.truncate(most);
    by_length.sort_unstable();
    by_length.into_iter().map(|i| &spans[i]).collect()
}

/// Cells before a span's bar, and cells of it; at least one, within `cells`.
fn extent(s: &SpanView, whole_ms: f64, cells: usize) -> (usize, usize) {
    let share = |ms: f64| if whole_ms > 0.0 { (ms / whole_ms).clamp(0.0, 1.0) } else { 0.0 };
    let before = ((share(s.after_ms) * cells as f64) as usize).min(cells - 1);
    let long = ((share(s.took_ms) * cells as f64).round() as usize).clamp(1, cells - before);
    (before, long)
}
