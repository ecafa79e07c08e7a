//! What could be done: one proposal in two lines, and everything known about the selected one.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::fit::{Part, fit};
use super::super::paint::{self, span};
use super::super::pane::Pane;
use super::super::tail;
use crate::remedy::{Obstacle, Proposal, Risk, Weight};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::remedy_words as words;
use crate::tui::theme::Role;

/// Cells that lines below the first one of a proposal are indented.
pub(super) const INDENT: usize = 3;
/// Cells of the widest scale.
const BAR: usize = 34;

/// The heading above `shown` proposals, or why there is none.
pub(super) fn head(c: &Pane<'_>, shown: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if !c.compact {
        let s = c.symbols;
        let legend = format!(
            "{i}{m}{i} predicted  {} at most  {} now",
            s.wall,
            s.measured,
            i = s.interval,
            m = s.middle
        );
        let parts = vec![
            Part::left(9, vec![span("What could be done, best first", c.style(Role::Title))])
                .or(vec![span("What could be done", c.style(Role::Title))]),
            Part::right(1, vec![span(if shown > 0 { legend } else { String::new() }, c.style(Role::Muted))]),
        ];
        lines.extend([Line::default(), fit(parts, c.width, 2)]);
    }
    if shown == 0 {
        lines.extend(super::nothing(c).into_iter().flat_map(|text| c.wrapped(&text, Style::new())));
    }
    lines
}

/// What else is to be said about the proposals.
pub(super) fn notes(c: &Pane<'_>) -> Vec<Line<'static>> {
    let notes = c.state.suggestions().into_iter().flat_map(|s| &s.notes);
    let style = c.style(Role::Muted);
    notes
        .flat_map(|n| c.hanging(vec![span(format!("{} ", c.symbols.dot), style)], n.as_str(), style))
        .collect()
}

/// The role of a risk class.
pub(in crate::tui::view) fn risk_role(risk: Risk) -> Role {
    match risk {
        Risk::R1 => Role::Ok,
        Risk::R2 => Role::Burning,
        Risk::R3 => Role::Failure,
    }
}

/// The role of an obstacle.
pub(in crate::tui::view) fn weight_role(weight: Weight) -> Role {
    match weight {
        Weight::Note => Role::Muted,
        Weight::Warning => Role::Burning,
        Weight::Refusal => Role::Failure,
    }
}

/// What stands against it: sign, word, and text.
pub(in crate::tui::view) fn obstacle(c: &Pane<'_>, o: &Obstacle) -> Vec<Line<'static>> {
    let style = c.style(weight_role(o.weight));
    let label = format!("{} {}: ", c.symbols.obstacle(o.weight), words::weight(o.weight));
    c.hanging(vec![span(label, style)], o.text.as_str(), Style::new())
}

/// "▲ 2 warnings", or "✖ refused".
fn warned(c: &Pane<'_>, p: &Proposal) -> Option<(String, Role)> {
    let worst = p.obstacles.iter().map(|o| o.weight).max()?;
    let sign = c.symbols.obstacle(worst);
    let text = match (worst, p.obstacles.iter().filter(|o| o.weight == worst).count()) {
        (Weight::Note, _) => return None,
        (Weight::Refusal, _) | (_, 1) => format!("{sign} {}", words::weight(worst)),
        (Weight::Warning, n) => format!("{sign} {n} warnings"),
    };
    Some((text, weight_role(worst)))
}

/// A proposal in short.
pub(super) fn lines(c: &Pane<'_>, p: &Proposal) -> Vec<Line<'static>> {
    let refused = p.refusal();
    let style = |role: Role| c.style(if refused.is_some() { Role::Muted } else { role });
    let warned = warned(c, p);
    let taken = 3 + warned.as_ref().map_or(0, |(text, _)| paint::width(text) + 1);
    let title = c.clip(&words::title(p.kind, &p.target), c.width.saturating_sub(taken));
    let mut parts = vec![
        Part::left(9, vec![span(format!("{:?}", p.risk), style(risk_role(p.risk)))]),
        Part::left(7, vec![span(title, style(Role::Text))]),
    ];
    if let Some((text, role)) = warned {
        parts.push(Part::right(8, vec![span(text, c.style(role))]));
    }
    let mut lines = vec![fit(parts, c.width, 1)];
    let inner = c.narrower(INDENT);
    let lead = || " ".repeat(INDENT);
    if let Some(obstacle) = refused {
        let text = inner.wrapped(obstacle.text.as_str(), c.style(Role::Muted));
        lines.extend(text.into_iter().map(|line| super::indented(line, INDENT)));
        return lines;
    }
    let change = words::changes(&p.changes, c.symbols.arrow);
    let now = c.state.selected_slo().and_then(|slo| slo.observed_ms);
    let met = |word: &str, p: f64| format!("{word}{}", format::probability(p));
    let numbers = |word: &str| match &p.forecast {
        Some(f) => format!("{}  {}", crate::tui::words::interval(f), met(word, f.p_slo_met)),
        None => "not predictable".to_owned(),
    };
    let text = Style::new();
    // Where there is room, the scale stands between the change and the numbers.
    let right = numbers("P(met) ");
    let change_cells = (inner.width / 3).clamp(14, 26);
    let room = inner.width.saturating_sub(change_cells + 2 + paint::width(&right) + 2).min(BAR);
    if room >= 14 && !c.compact {
        let shown = inner.clip(&change, change_cells);
        let pad = " ".repeat(change_cells - paint::width(&shown) + 2);
        let mut line = Line::from(vec![span(lead(), text), span(shown, text), span(pad, text)]);
        line.spans.extend(tail::bar(c, p.forecast.as_ref(), p.objective_ms, now, room));
        line.push_span(span(format!("  {right}"), text));
        lines.push(line);
    } else {
        // The change gives way to the numbers, the interval to the change.
        let only = p.forecast.as_ref().map_or_else(String::new, |f| met("", f.p_slo_met));
        let least = paint::width(&change).min(20);
        let forms = [right, numbers("met "), only.clone()];
        let fits = |form: &String| least + 2 + paint::width(form) <= inner.width;
        let form = forms.into_iter().find(fits).unwrap_or(only);
        let change = inner.clip(&change, inner.width.saturating_sub(paint::width(&form) + 2));
        let parts =
            vec![Part::left(9, vec![span(lead() + &change, text)]), Part::right(5, vec![span(form, text)])];
        lines.push(fit(parts, c.width, 2));
    }
    lines
}

/// Everything known about a proposal.
pub(super) fn details(c: &Pane<'_>, p: &Proposal) -> Vec<Line<'static>> {
    let label = |text: &str| vec![span(format!("{text:<9}"), c.style(Role::Muted))];
    let text = Style::new();
    let mut lines = c.hanging(label("why"), p.why.as_str(), text);
    if p.changes.len() > 1 {
        for change in &p.changes {
            lines.extend(c.hanging(label("change"), &words::change(change, c.symbols.arrow), text));
        }
    }
    let risk = vec![
        span(format!("{:<9}", "risk"), c.style(Role::Muted)),
        span(format!("{:?} ", p.risk), c.style(risk_role(p.risk))),
    ];
    lines.extend(c.hanging(risk, p.risk.words(), text));
    lines.extend(forecast(c, p));
    lines.extend(p.obstacles.iter().flat_map(|o| obstacle(c, o)));
    if p.patch.is_some()
        && let Some(key) = c.state.keymap.keys(Action::Copy).first()
    {
        lines.extend(c.wrapped(
            &format!("A repository owns it: {key} copies a patch for that."),
            c.style(Role::Notice),
        ));
    }
    let open = c.state.keymap.keys(Action::Open).first().map(|k| k.label(c.state.ascii));
    match (p.refusal(), open) {
        (None, Some(key)) => {
            let text = format!("{key} shows exactly what would be run, to approve it or not.");
            lines.extend(c.wrapped(&text, c.style(Role::Notice)));
        }
        _ => lines.extend(c.wrapped("It cannot be reviewed.", c.style(Role::Muted))),
    }
    lines
}

fn forecast(c: &Pane<'_>, p: &Proposal) -> Vec<Line<'static>> {
    let label = vec![span(format!("{:<9}", "predicts"), c.style(Role::Muted))];
    let at_most = format::latency(Some(p.objective_ms));
    let text = match &p.forecast {
        Some(f) => format!(
            "{} instead of {}, at most {at_most}: P(met) {}",
            crate::tui::words::interval(f),
            format::latency(c.state.selected_slo().and_then(|slo| slo.observed_ms)),
            format::probability(f.p_slo_met)
        ),
        None => "the model cannot tell what it would do".to_owned(),
    };
    c.hanging(label, &text, Style::new())
}
