//! Why this one and not the others: the tail had each candidate been normal, all on one scale with the
//! objective and what is observed.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::paint::{self, span};
use super::super::pane::Pane;
use super::super::tail;
use super::Context;
use super::answer::heading;
use crate::domain::Culprit;
use crate::tui::format;
use crate::tui::theme::Role;

/// Widest scale.
const WIDEST: usize = 44;
/// Most cells of a name.
const NAME: usize = 32;
/// In place of a name.
const OBSERVED: &str = "nobody: as observed";
/// Cells of a latency, and of a probability.
const VALUE: usize = 9;

/// The section; empty where no tail was predicted.
pub(super) fn lines(c: &Context<'_>) -> Vec<Line<'static>> {
    let v = c.verdict;
    let blamed = |of: &Culprit| v.culprits.iter().any(|x| x.service == of.service);
    let others = v.suspects.iter().filter(|s| !blamed(s));
    let candidates: Vec<_> =
        v.culprits.iter().chain(others).filter(|x| x.counterfactual.is_some()).take(5).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let pane =
        Pane { state: c.state, theme: c.theme, symbols: c.symbols, width: c.width, compact: c.compact };
    let longest = candidates.iter().map(|x| paint::width(x.service.as_str()) + 2).max().unwrap_or(0);
    let name = longest.clamp(OBSERVED.len(), NAME).min(c.width * 2 / 5);
    let cells = c.width.saturating_sub(name + 2 * VALUE + 4).min(WIDEST);
    let row = |label: &str, role: Role, x: Option<&Culprit>| {
        let forecast = x.and_then(|x| x.counterfactual.as_ref());
        let label = pane.clip(label, name);
        let pad = " ".repeat(name - paint::width(&label) + 1);
        let mut line = Line::from(span(label + &pad, c.style(role)));
        let bar = tail::bar(&pane, forecast, v.slo.objective_ms, v.slo.observed_ms, cells);
        line.spans.extend(bar);
        let ms = forecast.map_or(v.slo.observed_ms, |f| Some(f.quantile_ms));
        let p = forecast.map_or_else(String::new, |f| format::probability(f.p_slo_met));
        line.push_span(span(format!(" {:>VALUE$}", format::latency(ms)), Style::new()));
        line.push_span(span(format!(" {p:>7}"), c.style(Role::Muted)));
        line
    };
    let mut lines = vec![Line::default(), heading(c, "Had it been normal")];
    let place = name + 1 + if cells < 8 { 0 } else { cells };
    let head = format!("{:place$} {:>VALUE$} {:>7}", "", v.slo.quantile.to_string(), "P(met)");
    lines.push(Line::from(span(pane.clip(&head, c.width), c.style(Role::Muted))));
    lines.push(row(OBSERVED, Role::Muted, None));
    for x in candidates {
        let (sign, role) = if blamed(x) { (c.symbols.culprit, Role::Culprit) } else { (" ", Role::Text) };
        lines.push(row(&format!("{sign} {}", x.service), role, Some(x)));
    }
    lines
}
