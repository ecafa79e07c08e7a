//! More about a call: what its caller waits, how it became known, and when it was seen last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::fit::{Part, fit};
use super::paint::{self, span};
use super::tree::{GUTTER, mark, own, remarks, view_of};
use crate::causal::EdgeOrigin;
use crate::domain::Resource;
use crate::engine::Reading;
use crate::tui::format;
use crate::tui::picture::since;
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};
use crate::tui::tree::Row;

/// A call that was seen within so many windows is seen now.
const RECENT: u32 = 5;

/// More about the selected service.
pub(super) fn panel(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let row = state.tree.rows().iter().find(|r| Some(&r.place) == state.place.as_ref());
    let (Some(row), true) = (row, area.height > 0) else { return };
    let symbols = state.symbols();
    let service = &row.place.service;
    let view = view_of(state, service);
    let muted = theme.style(Role::Muted);
    let rule = symbols.rule.repeat(usize::from(area.width));
    paint::text(buf, area, 0, 0, area.width, &rule, theme.style(Role::Guide));
    let inner = paint::rows(paint::indent(area, GUTTER), 1, area.height - 1);

    let mut first = vec![span(service.to_string(), theme.style(Role::Title))];
    if let Some((text, role)) = mark(state, service, view) {
        first.push(span(format!("  {text}"), theme.style(role)));
    }
    let mut rest: Vec<String> = remarks(row).into_iter().map(str::to_owned).collect();
    if let Some(surprise) = view.and_then(|v| v.surprise) {
        let odds = format::odds(Some(surprise));
        rest.push(match (mark(state, service, view), view.and_then(|v| v.resource)) {
            (None, _) => "nothing about it is unusual".to_owned(),
            (Some(_), Some(Resource::Latent)) => format!("slow beyond what its metrics explain: {odds}"),
            (Some(_), _) => format!("this unusual: {odds}"),
        });
    }
    first.push(span(format!("  {}", rest.join(", ")), muted));
    paint::line(buf, inner, 0, &Line::from(first));

    let cells = usize::from(inner.width);
    let field = |weight: u8, name: &str, value: String| {
        Part::left(weight, vec![span(format!("{name} "), muted), span(value, Style::new())])
    };
    let caller = row.place.parent.as_ref().map_or("users", |p| p.as_str());
    let reading = |r: Option<Reading>| match r {
        Some(r) => {
            format!("{} {}, normally {}", r.quantile, format::latency(r.now_ms), format::latency(r.normal_ms))
        }
        None => "unknown".to_owned(),
    };
    let serves = state.slo.as_ref().and_then(|slo| state.picture().serves(slo, service));
    let values = vec![
        field(9, &format!("{caller} {}", verb(state, row)), reading(state.waits(&row.place))),
        field(8, "answers in", reading(serves)),
        field(6, "own part", own(row, view)),
        field(7, "load", format::load(view.and_then(|v| v.load.as_ref()))),
    ];
    paint::line(buf, inner, 1, &fit(values, cells, 3));

    let nodes: Vec<_> = view.iter().flat_map(|v| &v.nodes).map(ToString::to_string).collect();
    let nodes = if nodes.is_empty() { "unknown".to_owned() } else { nodes.join(", ") };
    let graph = state.picture().snapshot.as_ref().map(|s| &s.graph);
    let callers: Vec<_> = graph.map(|g| g.callers(service)).unwrap_or_default();
    let callers: Vec<_> = callers.iter().map(ToString::to_string).collect();
    let callers = if callers.is_empty() { "users".to_owned() } else { callers.join(", ") };
    let mut places = vec![field(1, "nodes", nodes), field(2, "called by", callers)];
    places.push(field(4, "calls", fan_out(row)));
    places.extend(source(state, row).map(|(from, calls)| {
        let counted = calls.map_or_else(String::new, |n| format!(" ({})", format::count(n)));
        field(3, "call known from", format!("{from}{counted}"))
    }));
    places.extend(row.place.parent.as_ref().map(|_| {
        let (seen, old) = seen(state, row);
        field(if old { 8 } else { 2 }, "seen", if old { format!("{seen} ago") } else { seen })
    }));
    paint::line(buf, inner, 2, &fit(places, cells, 3));
}

/// How many services it calls.
fn fan_out(row: &Row) -> String {
    match (row.repeated, row.children) {
        (true, _) => "see above".to_owned(),
        (false, 0) => "nothing".to_owned(),
        (false, 1) => "1 service".to_owned(),
        (false, n) => format!("{n} services"),
    }
}

/// How the call became known, and how many were counted there.
fn source(state: &State, row: &Row) -> Option<(&'static str, Option<u64>)> {
    let graph = &state.picture().snapshot.as_ref()?.graph;
    let edge = graph.edge(row.place.parent.as_ref()?, &row.place.service)?;
    Some(match edge.origin {
        EdgeOrigin::Spans => ("both sides' spans", Some(edge.calls)),
        EdgeOrigin::Peer => ("caller's spans", Some(edge.calls)),
        EdgeOrigin::Metrics => ("metrics", None),
        EdgeOrigin::Dependencies => ("Jaeger's count", Some(edge.calls)),
    })
}

/// How the call became known, in a word.
pub(super) fn origin(state: &State, row: &Row) -> &'static str {
    let snapshot = state.picture().snapshot.as_ref();
    let edge = row.place.parent.as_ref().and_then(|p| snapshot?.graph.edge(p, &row.place.service));
    match edge.map(|edge| edge.origin) {
        None => "",
        Some(EdgeOrigin::Spans) => "both sides",
        Some(EdgeOrigin::Peer) => "caller",
        Some(EdgeOrigin::Metrics) => "metrics",
        Some(EdgeOrigin::Dependencies) => "Jaeger",
    }
}

/// What a caller's number means: where only the callee tells, the way to it is not in it.
fn verb(state: &State, row: &Row) -> &'static str {
    let edge = row.place.parent.clone().map(|p| (p, row.place.service.clone()));
    let snapshot = state.picture().snapshot.as_ref();
    let at_callee = edge.and_then(|e| snapshot?.calls.get(&e)).is_some_and(|c| !c.at_caller);
    match (at_callee, row.place.parent.is_some()) {
        (true, _) => "is served in",
        (false, true) => "waits",
        (false, false) => "wait",
    }
}

/// When the call was seen last, next to the newest data; and whether that is long ago.
pub(super) fn seen(state: &State, row: &Row) -> (String, bool) {
    let Some(parent) = row.place.parent.clone() else { return (String::new(), false) };
    let newest = state.picture().snapshot.as_ref().and_then(|s| {
        let call = s.calls.get(&(parent, row.place.service.clone()))?;
        Some((since(call.seen?, s.data_until?), s.window))
    });
    match newest {
        None => (format::NONE.to_owned(), false),
        Some((age, window)) if age < RECENT * window => ("now".to_owned(), false),
        Some((age, _)) => (format::age(age), true),
    }
}
