//! The answer in words, the path from cause to impact, and what the answer rests on.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::fit::{Part, fit};
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
    let sign = Part::left(9, vec![span(sign, c.style(slos::role(v.slo.state)))]);
    let now = format!("{} {}", v.slo.quantile, format::latency(v.slo.observed_ms));
    let reading =
        Part::left(3, vec![span(words::reading(v), Style::new())]).or(vec![span(now, Style::new())]);
    let mut lines = vec![fit(vec![sign, slos::name(&v.slo.name, c.symbols, c.theme), reading], c.width, 1)];
    lines.extend(c.wrapped(&words::headline(v), c.style(Role::Header)));
    let style = c.style(kind_role(v.kind));
    if c.compact {
        let mut line = Line::from(span(format!("{} ", v.kind.word()), style));
        line.spans.extend(freshness(c, answer).into_iter().next().unwrap_or_default().spans);
        lines.push(line);
        return lines;
    }
    lines.extend(c.wrapped(&format!("{}: {}.", v.kind.word(), words::meaning(v)), style));
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
    if !c.state.is_outdated(answer) {
        return c.wrapped(&format!("answered {age} ago"), c.style(Role::Muted));
    }
    let upto = c.verdict.at.strftime("%H:%M:%S");
    let now = c.state.picture().slo(&c.verdict.slo.name).map(|s| s.state);
    match now.filter(|state| *state != c.verdict.slo.state) {
        Some(state) => {
            let text = format!("this is about {upto}; by now the SLO is {state}: {key} asks again");
            c.wrapped(&text, c.style(Role::Notice))
        }
        None => c.wrapped(
            &format!("this is about {upto}; newer data is there: {key} asks again"),
            c.style(Role::Muted),
        ),
    }
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
        text.push_str(&format!(": {}, {} {}", words::resource(r.resource), r.metric, words::against(r)));
    }
    text
}

/// The first call on the way up that takes longer than normally.
fn first_failure(c: &Context<'_>, culprit: &Culprit) -> Option<String> {
    let picture = c.state.picture();
    culprit.path.windows(2).find_map(|call| {
        let [callee, caller] = call else { return None };
        let waits = picture.waits(&c.verdict.slo.name, Some(caller), callee)?;
        let slow = waits.ratio()? > SLOW;
        slow.then(|| {
            let (now, normal) = (format::latency(waits.now_ms), format::latency(waits.normal_ms));
            format!("{caller} waits {now} for {callee} ({}), normally {normal}", waits.quantile)
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
