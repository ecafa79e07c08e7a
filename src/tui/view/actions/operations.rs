//! What was done: one operation in two lines, and everything known about the selected one.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::fit::{Part, fit};
use super::super::paint::{self, span};
use super::super::pane::Pane;
use super::super::tail;
use super::proposals::INDENT;
use crate::remedy::{Operation, Outcome};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::remedy_words as words;
use crate::tui::theme::Role;

/// Cells of the widest scale.
const BAR: usize = 26;

/// The heading, and how good the predictions were so far.
pub(super) fn head(c: &Pane<'_>) -> Vec<Line<'static>> {
    let title = span("What was done, newest first", c.style(Role::Title));
    let (inside, all) = c.state.ledger().calibration();
    let calibration = match all {
        0 => String::new(),
        _ => format!("{inside} of {all} tails lay in their predicted interval"),
    };
    let short = if all == 0 { String::new() } else { format!("{inside} of {all} as predicted") };
    let style = c.style(Role::Muted);
    let parts = vec![
        Part::left(9, vec![title]).or(vec![span("What was done", c.style(Role::Title))]),
        Part::right(5, vec![span(calibration, style)]).or(vec![span(short, style)]),
    ];
    let mut lines = if c.compact { Vec::new() } else { vec![Line::default()] };
    lines.push(fit(parts, c.width, 2));
    lines
}

/// Sign and meaning of how an operation stands.
fn mark(c: &Pane<'_>, o: &Operation) -> (&'static str, Role) {
    let s = c.symbols;
    match &o.outcome {
        _ if o.undone_by.is_some() => (s.unknown, Role::Muted),
        _ if o.reverted.is_some() => (s.burning, Role::Burning),
        // It is there, and did not help: that is not good news.
        Some(Outcome::Applied) if failed(c, o) => (s.burning, Role::Burning),
        Some(Outcome::Applied) => (s.ok, Role::Ok),
        Some(Outcome::NotApplied(_)) => (s.breached, Role::Burning),
        Some(Outcome::Unknown(_)) => (s.unknown, Role::Failure),
        None => (s.open, Role::Notice),
    }
}

/// Whether it did not help, as far as that was its purpose: taking something back is to help nothing.
fn failed(c: &Pane<'_>, o: &Operation) -> bool {
    let violated = o.verification.as_ref().is_some_and(|seen| seen.met == Some(false));
    violated && c.state.ledger().undone(&o.id).is_none()
}

/// An operation in short.
pub(super) fn lines(c: &Pane<'_>, o: &Operation) -> Vec<Line<'static>> {
    let (sign, role) = mark(c, o);
    let text = Style::new();
    let outcome = format!("{sign} {}", words::outcome(o));
    let when = words::when(o.started, c.state.now);
    let takes_back = if c.state.ledger().undone(&o.id).is_some() { "taking back " } else { "" };
    let title = format!("{takes_back}{}", words::title(o.kind, &o.target));
    let taken = paint::width(&outcome) + 1;
    let parts = vec![
        Part::left(9, vec![span(outcome, c.style(role))]),
        Part::left(8, vec![span(c.clip(&title, c.width.saturating_sub(taken + when.len() + 1)), text)])
            .or(vec![span(c.clip(&title, c.width.saturating_sub(taken)), text)]),
        Part::right(5, vec![span(when, c.style(Role::Muted))]),
    ];
    let mut lines = vec![fit(parts, c.width, 1)];
    let change = words::changes(&o.changes, c.symbols.arrow);
    let (result, role) = result(c, o);
    let inner = c.narrower(INDENT);
    let change_cells = (inner.width / 3).clamp(14, 26);
    let room = inner.width.saturating_sub(change_cells + 4 + paint::width(&result)).min(BAR);
    let measured = o.verification.as_ref().and_then(|v| v.measured_ms);
    if room >= 14 && !c.compact && measured.is_some() {
        let shown = inner.clip(&change, change_cells);
        let pad = " ".repeat(change_cells - paint::width(&shown) + 2);
        let lead = " ".repeat(INDENT);
        let mut line = Line::from(vec![span(lead, text), span(shown, text), span(pad, text)]);
        line.spans.extend(tail::bar(c, o.forecast.as_ref(), o.objective_ms, measured, room));
        line.push_span(span(format!("  {result}"), c.style(role)));
        lines.push(line);
    } else {
        let change = " ".repeat(INDENT) + &inner.clip(&change, inner.width);
        let parts = vec![
            Part::left(5, vec![span(change, text)]),
            Part::right(9, vec![span(inner.clip(&result, inner.width), c.style(role))]),
        ];
        lines.push(fit(parts, c.width, 2));
    }
    lines
}

/// What came of it, in a few words.
fn result(c: &Pane<'_>, o: &Operation) -> (String, Role) {
    let measured =
        o.verification.as_ref().and_then(|v| Some((v.measured_ms.filter(|ms| ms.is_finite())?, v.hit)));
    if let (Some((ms, hit)), None) = (measured, &o.undone_by) {
        let violated = failed(c, o);
        let word = match hit {
            // Whether the model was right matters less than that the users still wait.
            _ if violated => ": still violated".to_owned(),
            Some(true) => ": as predicted".to_owned(),
            Some(false) => format!(": {} predicted", words::side(ms, false, o.forecast.as_ref())),
            None => String::new(),
        };
        let role = if violated { Role::Over } else { Role::Ok };
        return (format!("{}{word}", format::latency(Some(ms))), role);
    }
    match (&o.reverted, words::outcome_why(o), words::phase(&o.phase)) {
        (Some(by), _, _) => (format!("by {by}"), Role::Burning),
        (None, Some(why), _) => (why.to_string(), Role::Text),
        (None, None, Some(phase)) => (phase, Role::Notice),
        (None, None, None) => (String::new(), Role::Text),
    }
}

/// Everything known about an operation.
pub(super) fn details(c: &Pane<'_>, o: &Operation) -> Vec<Line<'static>> {
    let text = Style::new();
    let mut lines = Vec::new();
    let mut field = |name: &str, value: &str, style: Style| {
        let label = vec![span(format!("{name:<9}"), c.style(Role::Muted))];
        lines.extend(c.hanging(label, value, style));
    };
    let second = o.second.as_ref().map_or_else(String::new, |second| format!(" and {second}"));
    let approved = format!("by {}{second}, {}", o.by, o.started.strftime("%F %H:%M:%S UTC"));
    field("approved", &approved, text);
    if c.state.slo.as_ref() != Some(&o.slo) {
        field("for", o.slo.as_str(), text);
    }
    if o.changes.len() > 1 {
        for change in &o.changes {
            field("change", &words::change(change, c.symbols.arrow), text);
        }
    }
    if let Some(why) = words::outcome_why(o) {
        field("outcome", why.as_str(), text);
    }
    if let Some(phase) = words::phase(&o.phase) {
        field("now", &phase, c.style(Role::Notice));
    }
    if let Some(verified) = words::verified(o) {
        field("effect", &verified, text);
    } else if let Some(forecast) = &o.forecast {
        field("predicts", &crate::tui::words::interval(forecast), text);
    }
    if let Some(by) = &o.reverted {
        field("reverted", &format!("by {by}: the old value is back"), c.style(Role::Burning));
    }
    if let Some(id) = &o.undone_by {
        field("undone", &format!("by {id}"), text);
    }
    let key = |action: Action| c.state.keymap.keys(action).first().map(|k| k.label(c.state.ascii));
    if let (Some(until), Some(key)) = (o.keep_until.filter(|at| *at > c.state.now), key(Action::Keep)) {
        let left = words::left(until, c.state.now);
        field("keep", &format!("takes itself back in {left}: {key} keeps it"), c.style(Role::Burning));
    }
    for note in &o.notes {
        field("note", note.as_str(), text);
    }
    if let (true, None, Some(key)) = (o.can_undo, &o.undone_by, key(Action::Undo)) {
        let why = if failed(c, o) { "it did not help: " } else { "" };
        field("undo", &format!("{why}{key} shows what would take it back"), c.style(Role::Notice));
    }
    field("name", &o.id.to_string(), c.style(Role::Muted));
    lines
}
