//! The first lines about a service: how it stands, who is around it, and what the verdict says of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::super::fit::{Part, fit};
use super::super::paint::{self, span};
use super::super::tree;
use crate::domain::{ServiceName, Verdict};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};
use crate::tui::words;

/// Draws as many lines as there are.
pub(super) fn draw(state: &State, theme: &Theme, service: &ServiceName, area: Rect, buf: &mut Buffer) {
    let cells = usize::from(area.width);
    let muted = theme.style(Role::Muted);
    let field = |weight: u8, name: &str, value: String| {
        Part::left(weight, vec![span(format!("{name} "), muted), span(value, Style::new())])
    };
    let snapshot = state.picture().snapshot.as_ref();
    let view = snapshot.and_then(|s| s.services.get(service));
    let name = paint::clip(service.as_str(), cells, state.symbols().ellipsis).into_owned();
    let mut first = vec![Part::left(9, vec![span(name, theme.style(Role::Header))])];
    if let Some((text, role)) = tree::mark(state, service, view) {
        first.push(Part::left(8, vec![span(text, theme.style(role))]));
    }
    let serves = state.slo.as_ref().and_then(|slo| state.picture().serves(slo, service));
    if let Some(r) = serves {
        let (now, normal) = (format::latency(r.now_ms), format::latency(r.normal_ms));
        let reading = format!("{} {now}, normally {normal}", r.quantile);
        first.push(field(7, "answers in", reading));
    }
    paint::line(buf, area, 0, &fit(first, cells, 2));
    let Some(graph) = snapshot.map(|s| &s.graph) else { return };
    let names = |of: Vec<&ServiceName>, none: &str| match of.is_empty() {
        true => none.to_owned(),
        false => of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let callers = names(graph.callers(service), "users only");
    let callees = names(graph.callees(service), "nothing");
    let short = |text: String, most: usize| paint::clip(&text, most, state.symbols().ellipsis).into_owned();
    let around =
        vec![field(8, "called by", short(callers, cells / 2)), field(7, "calls", short(callees, cells / 2))];
    paint::line(buf, area, 1, &fit(around, cells, 3));
    paint::line(buf, area, 2, &fit(places(state, service, field), cells, 3));
    let parts = state.selected_answer().map(|answer| level(state, theme, &answer.verdict, service));
    paint::line(buf, area, 3, &fit(parts.unwrap_or_default(), cells, 2));
}

/// Replicas, machines, load and limits.
fn places(state: &State, service: &ServiceName, field: impl Fn(u8, &str, String) -> Part) -> Vec<Part> {
    let view = state.picture().snapshot.as_ref().and_then(|s| s.services.get(service));
    let replicas = state.picture().replicas.get(service);
    let nodes: Vec<_> = view.iter().flat_map(|v| &v.nodes).map(ToString::to_string).collect();
    let nodes = if nodes.is_empty() { "unknown".to_owned() } else { nodes.join(", ") };
    let mut parts = vec![
        field(7, "replicas", replicas.map_or_else(|| "unknown".to_owned(), ToString::to_string)),
        field(6, "on", nodes),
        field(5, "load", format::load(view.and_then(|v| v.load.as_ref()))),
    ];
    let means = state.detail().map(|d| d.means).unwrap_or_default();
    if let Some(cores) = means.cpu_cores {
        parts.push(field(4, "CPU limit", format!("{} cores", format::quantity(Some(cores)))));
    }
    if let Some(bytes) = means.memory_bytes {
        parts.push(field(3, "memory limit", format::measured(Some(bytes), Some("bytes"))));
    }
    if state.metric_link().is_some() {
        let key = state.keymap.label(Action::Copy, state.ascii);
        parts.push(field(2, "Grafana", format!("{key} copies the link")));
    }
    parts
}

/// What the verdict says of its resources: the probability that bringing only one of them back to normal
/// would meet the objective.
fn level(state: &State, theme: &Theme, verdict: &Verdict, service: &ServiceName) -> Vec<Part> {
    let muted = theme.style(Role::Muted);
    let text = |text: String, style: Style| -> Vec<Span<'static>> { vec![span(text, style)] };
    let place = verdict.ranking.iter().position(|r| r.service == *service);
    let Some(details) = words::details(verdict, service) else {
        let told = match place {
            Some(i) => {
                format!("verdict: {} of {} in the ranking, not among its first", i + 1, verdict.ranking.len())
            }
            None => "verdict: not considered".to_owned(),
        };
        return vec![Part::left(1, text(told, muted))];
    };
    let mut parts = Vec::new();
    match &details.counterfactual {
        Some(cf) => {
            let p = format::probability(cf.p_slo_met);
            parts.push(Part::left(
                9,
                text(format!("if normal: {}, P(SLO met) {p}", words::interval(cf)), Style::new()),
            ));
        }
        None => parts.push(Part::left(9, text("verdict:".to_owned(), muted))),
    }
    let blamed = verdict.culprits.iter().any(|c| c.service == *service);
    for (i, r) in details.resources.iter().enumerate() {
        let p = r.p_slo_met.map_or_else(|| format::NONE.to_owned(), format::probability);
        let first = i == 0 && blamed;
        let sign = if first { format!("{} ", state.symbols().culprit) } else { String::new() };
        let style = if first { theme.style(Role::Culprit) } else { muted };
        let weight = 8u8.saturating_sub(u8::try_from(i).unwrap_or(u8::MAX));
        parts.push(Part::left(
            weight,
            text(format!("{sign}{} alone {p}", words::resource(r.resource)), style),
        ));
    }
    parts
}
