//! A service of the verdict: what the latency would be had it been normal, and its resources,
//! observed against normal.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::paint::{self, span};
use super::Context;
use crate::domain::{Culprit, ResourceCause, ServiceName};
use crate::tui::format;
use crate::tui::theme::Role;
use crate::tui::words;

/// Cells in front of every line when they stand within the text.
const INSET: usize = 6;

/// The lines about the selected service, for below its line of the text.
pub(super) fn lines(c: &Context<'_>) -> Vec<Line<'static>> {
    let Some(service) = &c.state.suspect else { return Vec::new() };
    let inset = INSET.min(c.width / 4);
    let mut lines = of(&Context { width: c.width - inset, ..*c }, service);
    for line in &mut lines {
        line.spans.insert(0, span(" ".repeat(inset), Style::new()));
    }
    lines
}

/// The selected service on its own, and below it the others that the verdict details, as many as `rows` have
/// room for: what speaks against them is to be seen beside what speaks for it.
pub(super) fn beside(c: &Context<'_>, rows: usize) -> Vec<Line<'static>> {
    let Some(service) = &c.state.suspect else { return Vec::new() };
    let titled = |service: &ServiceName, role: Role| {
        let name = paint::clip(service.as_str(), c.width, c.symbols.ellipsis).into_owned();
        let mut lines = vec![Line::from(span(name, c.style(role)))];
        lines.extend(of(c, service));
        lines
    };
    let mut lines = titled(service, Role::Title);
    let detailed = c.verdict.culprits.iter().chain(&c.verdict.suspects);
    for other in detailed.filter(|other| other.service != *service) {
        let more = titled(&other.service, Role::Header);
        if lines.len() + 1 + more.len() > rows {
            break;
        }
        lines.push(Line::default());
        lines.extend(more);
    }
    lines
}

fn of(c: &Context<'_>, service: &ServiceName) -> Vec<Line<'static>> {
    match words::details(c.verdict, service) {
        Some(details) => detailed(c, details),
        None => plain(c, service),
    }
}

fn detailed(c: &Context<'_>, details: &Culprit) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(cf) = &details.counterfactual {
        let text = format!(
            "if normal: {} {}, P(SLO met) {}",
            c.verdict.slo.quantile,
            words::interval(cf),
            format::probability(cf.p_slo_met)
        );
        lines.extend(c.wrapped(&text, Style::new()));
    }
    if let Some(node) = &details.node {
        lines.extend(c.wrapped(&format!("its node {node} is what is unusual"), Style::new()));
    }
    if details.resources.is_empty() {
        lines.extend(c.wrapped("none of its metrics is unusual", c.style(Role::Muted)));
        return lines;
    }
    let layout = Layout::new(c.width);
    lines.push(layout.heading(c));
    lines.extend(details.resources.iter().flat_map(|r| layout.row(c, r)));
    lines
}

/// The verdict details its first services only; of the others the resource ranking is known.
fn plain(c: &Context<'_>, service: &ServiceName) -> Vec<Line<'static>> {
    let scores: Vec<_> = c
        .verdict
        .resource_ranking
        .iter()
        .filter(|r| r.service == *service)
        .map(|r| format!("{} {}", r.resource, format::quantity(Some(r.score))))
        .collect();
    let text = if scores.is_empty() {
        "no more is known: the verdict details its first services only".to_owned()
    } else {
        format!("scores by resource: {}", scores.join(", "))
    };
    c.wrapped(&text, c.style(Role::Muted))
}

/// Which columns fit.
struct Layout {
    metric: usize,
    odds: bool,
    met: bool,
    resource: bool,
}

const RESOURCE: usize = 9;
const VALUE: usize = 9;
const ODDS: usize = 12;
const MET: usize = 7;

impl Layout {
    fn new(width: usize) -> Self {
        let values = 2 * (VALUE + 1);
        let mut room = width.saturating_sub(values);
        let mut take = |cells: usize, least: usize| {
            let fits = room >= cells + least;
            if fits {
                room -= cells;
            }
            fits
        };
        let resource = take(RESOURCE, 8);
        let met = take(MET, 16);
        let odds = take(ODDS, 24);
        Self { metric: room.min(36), odds, met, resource }
    }

    fn line(&self, cells: [String; 6], styles: [Style; 6], ellipsis: &str) -> Line<'static> {
        let [resource, metric, observed, normal, odds, met] = cells;
        let mut line = Line::default();
        if self.resource {
            line.push_span(span(format!("{resource:<RESOURCE$}"), styles[0]));
        }
        let metric = paint::clip(&metric, self.metric, ellipsis).into_owned();
        let pad = " ".repeat(self.metric - paint::width(&metric));
        line.push_span(span(metric + &pad, styles[1]));
        line.push_span(span(format!(" {observed:>VALUE$}"), styles[2]));
        line.push_span(span(format!(" {normal:>VALUE$}"), styles[3]));
        if self.odds {
            line.push_span(span(format!(" {odds:>width$}", width = ODDS - 1), styles[4]));
        }
        if self.met {
            line.push_span(span(format!(" {met:>width$}", width = MET - 1), styles[5]));
        }
        line
    }

    fn heading(&self, c: &Context<'_>) -> Line<'static> {
        let titles = ["resource", "metric", "observed", "normal", "odds", "P(met)"].map(str::to_owned);
        self.line(titles, [c.style(Role::Muted); 6], c.symbols.ellipsis)
    }

    /// The first line has the values; the rest of a long metric's name stands below.
    fn row(&self, c: &Context<'_>, r: &ResourceCause) -> Vec<Line<'static>> {
        let name = c.plain(r.metric.as_str());
        // What is too long is broken between its words, which are joined by underscores.
        let parts = match paint::width(&name) > self.metric {
            true => paint::wrap(&name.replace('_', "_ "), self.metric),
            false => vec![name.into_owned()],
        };
        let mut metric = parts.into_iter().map(|part| part.replace("_ ", "_"));
        let cells = [
            r.resource.word().to_owned(),
            metric.next().unwrap_or_default(),
            words::measured(r, r.observed),
            words::measured(r, r.normal),
            format::odds(Some(r.surprise)),
            r.p_slo_met.map_or_else(|| format::NONE.to_owned(), format::probability),
        ];
        let (muted, text) = (c.style(Role::Muted), Style::new());
        let unusual = c.state.picture().snapshot.as_ref().is_some_and(|s| r.surprise >= s.unusual);
        let marked = if unusual { c.style(Role::Suspect) } else { text };
        let first = self.line(cells, [marked, text, marked, muted, text, text], c.symbols.ellipsis);
        let indent = if self.resource { " ".repeat(RESOURCE) } else { String::new() };
        let rest = metric.map(|part| Line::from(span(format!("{indent}{part}"), text)));
        std::iter::once(first).chain(rest).collect()
    }
}
