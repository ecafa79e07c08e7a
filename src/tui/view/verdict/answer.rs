//! The answer in words, the path from cause to impact, and what the answer rests on.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::paint::span;
use super::super::slos;
use super::{Context, asked_text};
use crate::domain::{Culprit, VerdictKind};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::picture::{Answer, since};
use crate::tui::theme::Role;
use crate::tui::words;

/// A service counts as slow from this multiple of its normal latency on.
const SLOW: f64 = 1.25;

fn kind_role(kind: VerdictKind) -> Role {
    match kind {
        VerdictKind::Culprits | VerdictKind::Latent => Role::Culprit,
        VerdictKind::Load => Role::Burning,
        VerdictKind::Healthy => Role::Ok,
        VerdictKind::Unsure | VerdictKind::Unresolved => Role::Unknown,
    }
}

/// The SLO, the sentence, the kind of answer, and how old it is.
pub(super) fn head(c: &Context<'_>, answer: &Answer) -> Vec<Line<'static>> {
    let v = c.verdict;
    let sign = format!("{} {}", c.symbols.slo(v.slo.state), v.slo.state.word());
    let mut lines = vec![Line::from(vec![
        span(sign, c.style(slos::role(v.slo.state))),
        span(format!(" {}", v.slo.name), c.style(Role::Title)),
        span(format!(": {}", words::reading(v)), Style::new()),
    ])];
    lines.extend(c.wrapped(&words::headline(v), c.style(Role::Header)));
    let style = c.style(kind_role(v.kind));
    if c.compact {
        let mut line = Line::from(span(format!("{} ", v.kind.word()), style));
        line.spans.extend(freshness(c, answer).into_iter().next().unwrap_or_default().spans);
        lines.push(line);
        return lines;
    }
    lines.extend(c.wrapped(&format!("{}: {}.", v.kind.word(), words::meaning(v.kind)), style));
    // Who is told "unsure" wants to know what is missing before anything else.
    if matches!(v.kind, VerdictKind::Unsure | VerdictKind::Unresolved) {
        lines.extend(doubts(c));
    }
    lines.extend(freshness(c, answer));
    lines
}

/// What speaks against trusting the answer.
fn doubts(c: &Context<'_>) -> Vec<Line<'static>> {
    let style = c.style(Role::Burning);
    let mut texts: Vec<String> = c.verdict.warnings.iter().map(ToString::to_string).collect();
    if c.verdict.model.as_ref().is_some_and(|m| !m.in_range) {
        texts.push("this situation lies outside of what the model was trained on".to_owned());
    }
    texts.iter().flat_map(|t| c.wrapped(&format!("{} {t}", c.symbols.burning), style)).collect()
}

/// A new answer under way, or how old this one is.
fn freshness(c: &Context<'_>, answer: &Answer) -> Vec<Line<'static>> {
    let key = c.state.keymap.keys(Action::Diagnose).first().map(ToString::to_string).unwrap_or_default();
    if let Some(asked) = c.state.asked.get(&c.verdict.slo.name) {
        return match &asked.failure {
            None => c.wrapped(&asked_text(c.state, asked), c.style(Role::Notice)),
            Some(why) => c.wrapped(&format!("{why}; {key} asks again"), c.style(Role::Failure)),
        };
    }
    let age = format::age(since(answer.received, c.state.now));
    let newest = c.state.picture().snapshot.as_ref().map_or(0, |s| s.version);
    let text = if newest > answer.version {
        format!("answered {age} ago; the picture has changed since: {key} asks again")
    } else {
        format!("answered {age} ago")
    };
    c.wrapped(&text, c.style(Role::Muted))
}

/// Cause, first failure, impact.
pub(super) fn path(c: &Context<'_>) -> Vec<Line<'static>> {
    let Some(culprit) = c.verdict.culprits.first() else { return Vec::new() };
    let mut lines = vec![Line::default(), heading(c, "From cause to impact")];
    let mut field = |name: &str, text: String| {
        let label = format!("{name:<14}");
        let indent = label.len().min(c.width / 2);
        let inner = Context { width: c.width - indent, ..*c };
        for (i, line) in inner.wrapped(&text, Style::new()).into_iter().enumerate() {
            let lead = if i == 0 { label[..indent].to_owned() } else { " ".repeat(indent) };
            let mut whole = Line::from(span(lead, c.style(Role::Muted)));
            whole.spans.extend(line.spans);
            lines.push(whole);
        }
    };
    field("cause", cause(culprit));
    if let Some(text) = first_failure(c, culprit) {
        field("first failure", text);
    }
    let entry = culprit.path.last().unwrap_or(&culprit.service);
    field("impact", format!("{entry}: {}", words::reading(c.verdict)));
    if culprit.path.len() > 2 {
        let arrow = format!(" {} ", c.symbols.arrow);
        let names: Vec<_> = culprit.path.iter().map(ToString::to_string).collect();
        field("path", names.join(&arrow));
    }
    let others: Vec<_> = c.verdict.culprits.iter().skip(1).map(cause).collect();
    if !others.is_empty() {
        field("and", others.join("; "));
    }
    lines
}

fn cause(culprit: &Culprit) -> String {
    let mut text = culprit.service.to_string();
    if let Some(node) = &culprit.node {
        text.push_str(&format!(" on node {node}"));
    }
    if let Some(r) = culprit.resources.first() {
        let (observed, normal) = (format::quantity(r.observed), format::quantity(r.normal));
        text.push_str(&format!(
            ": {}, {} {observed}, normally {normal}",
            words::resource(r.resource),
            r.metric
        ));
    }
    text
}

/// The first service on the way up whose own clients wait longer than normally.
fn first_failure(c: &Context<'_>, culprit: &Culprit) -> Option<String> {
    let services = &c.state.picture().snapshot.as_ref()?.services;
    culprit.path.iter().find_map(|service| {
        let view = services.get(service)?;
        let (now, normal) = (view.latency_ms?, view.normal_ms?);
        let slow = now > SLOW * normal;
        slow.then(|| {
            let (now, normal) = (format::latency(Some(now)), format::latency(Some(normal)));
            format!("{service} answers in {now}, normally {normal}")
        })
    })
}

/// Warnings, the model and the timings.
pub(super) fn notes(c: &Context<'_>) -> Vec<Line<'static>> {
    let v = c.verdict;
    let muted = c.style(Role::Muted);
    let mut lines = vec![Line::default(), heading(c, "What this rests on")];
    lines.extend(doubts(c));
    match &v.model {
        Some(m) => {
            let model = format!(
                "Model {} of {} windows, trained up to {}.",
                m.fingerprint,
                format::count(m.windows as u64),
                m.trained_at.strftime("%F %H:%M UTC"),
            );
            lines.extend(c.wrapped(&model, Style::new()));
            if m.in_range {
                lines.extend(c.wrapped("This situation lies within what it was trained on.", Style::new()));
            }
        }
        None => lines.extend(c.wrapped("No model: only simple comparisons with normal times.", Style::new())),
    }
    let window = format!(
        "Windows {} to {}.",
        v.window.start.strftime("%F %H:%M:%S"),
        v.window.end.strftime("%H:%M:%S UTC")
    );
    lines.extend(c.wrapped(&window, muted));
    let timings: Vec<_> = v
        .timings_ms
        .iter()
        .map(|(step, ms)| format!("{} {}", step.replace('_', " "), format::latency(Some(*ms))))
        .collect();
    if !timings.is_empty() {
        lines.extend(c.wrapped(&timings.join(&format!(" {} ", c.symbols.dot)), muted));
    }
    lines
}

/// A heading within the text.
pub(super) fn heading(c: &Context<'_>, text: &str) -> Line<'static> {
    Line::from(span(text, c.style(Role::Title)))
}
