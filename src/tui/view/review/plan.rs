//! The plan as text: what changes, the exact command, how it is undone, what stands against it; then
//! what it should do and what the approval covers.

use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::super::actions::{obstacle, risk_role};
use super::super::paint::{self, span};
use super::super::pane::Pane;
use super::super::tail;
use crate::remedy::{Plan, Step};
use crate::tui::format;
use crate::tui::remedy_words as words;
use crate::tui::theme::Role;

/// Cells of labels.
const LABEL: usize = 9;
/// Cells in front of the lines of a command.
const GUTTER: usize = 2;

/// The lines, and how many of them must have been seen: up to what stands against it.
pub(super) fn lines(c: &Pane<'_>, plan: &Plan) -> (Vec<Line<'static>>, usize) {
    let text = Style::new();
    let field = |name: &str, value: &str, style: Style| {
        c.hanging(vec![span(format!("{name:<LABEL$}"), c.style(Role::Muted))], value, style)
    };
    let blank = |lines: &mut Vec<Line<'static>>| {
        if !c.compact {
            lines.push(Line::default());
        }
    };
    let mut lines = Vec::new();
    for change in &plan.changes {
        lines.extend(field("change", &words::change(change, c.symbols.arrow), c.style(Role::Header)));
    }
    let target = format!("{}, context {}", plan.target, plan.target.context());
    lines.extend(field("of", &target, text));
    let risk = vec![
        span(format!("{:<LABEL$}", "risk"), c.style(Role::Muted)),
        span(format!("{:?} ", plan.risk), c.style(risk_role(plan.risk))),
    ];
    lines.extend(c.hanging(risk, plan.risk.words(), text));
    blank(&mut lines);
    lines.push(c.heading("Runs exactly this, as one command without a shell"));
    lines.extend(step(c, &plan.step));
    blank(&mut lines);
    match &plan.undo {
        Some(undo) => {
            lines.push(c.heading("Is taken back by"));
            lines.extend(step(c, undo));
        }
        None => {
            lines.push(c.heading("Is taken back by"));
            let none = "there is none: nothing sagetop can run takes it back";
            lines.extend(
                c.narrower(GUTTER)
                    .wrapped(none, c.style(Role::Failure))
                    .into_iter()
                    .map(|line| indented(line)),
            );
        }
    }
    blank(&mut lines);
    if plan.obstacles.is_empty() {
        lines.extend(c.wrapped("Nothing is known to stand against it.", text));
    }
    lines.extend(plan.obstacles.iter().flat_map(|o| obstacle(c, o)));
    let needed = lines.len();
    blank(&mut lines);
    lines.extend(effect(c, plan));
    let dry_run = match &plan.dry_run {
        Some(answer) => answer.to_string(),
        None => "none: see what stands against it".to_owned(),
    };
    lines.extend(field("dry run", &dry_run, text));
    let covers = format!(
        "{}: the approval is for this command, server, target and present values alone, until {} UTC",
        plan.digest,
        plan.expires.strftime("%H:%M:%S")
    );
    lines.extend(field("sha-256", &covers, text));
    (lines, needed)
}

fn indented(mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, " ".repeat(GUTTER).into());
    line
}

/// What it should do to the tail.
fn effect(c: &Pane<'_>, plan: &Plan) -> Vec<Line<'static>> {
    let label = || vec![span(format!("{:<LABEL$}", "predicts"), c.style(Role::Muted))];
    let at_most = format::latency(Some(plan.objective_ms));
    let Some(f) = &plan.forecast else {
        return c.hanging(label(), "the model cannot tell what it would do to the tail", Style::new());
    };
    let text = format!(
        "{} instead of {}, at most {at_most}: P(met) {}",
        crate::tui::words::interval(f),
        format::latency(plan.observed_ms),
        format::probability(f.p_slo_met),
    );
    let mut lines = c.hanging(label(), &text, Style::new());
    let cells = c.width.saturating_sub(LABEL).min(50);
    let bar = tail::bar(c, plan.forecast.as_ref(), plan.objective_ms, plan.observed_ms, cells);
    if !bar.is_empty() && !c.compact {
        let mut line = Line::from(" ".repeat(LABEL));
        line.spans.extend(bar);
        lines.push(line);
    }
    lines
}

/// A command as it would be typed into a shell. Each argument is underlined, with a gap to the next
/// one; a line that goes on within an argument has a sign in front. Nothing is ever cut.
fn step(c: &Pane<'_>, step: &Step) -> Vec<Line<'static>> {
    let room = c.width.saturating_sub(GUTTER).max(1);
    let argument = Style::new().add_modifier(Modifier::UNDERLINED);
    let lead = || Line::from(" ".repeat(GUTTER));
    let mut lines: Vec<Line<'static>> = Vec::new();
    let (mut line, mut used) = (lead(), 0);
    for text in words::arguments(&step.argv) {
        let cells = text.len();
        if used > 0 && used + 1 + cells > room {
            lines.push(std::mem::replace(&mut line, lead()));
            used = 0;
        }
        if used > 0 {
            line.push_span(span(" ", Style::new()));
            used += 1;
        }
        for (i, part) in paint::cut(&text, room).into_iter().enumerate() {
            if i > 0 {
                let next = Line::from(span(format!("{:<GUTTER$}", c.symbols.goes_on), c.style(Role::Key)));
                lines.push(std::mem::replace(&mut line, next));
                used = 0;
            }
            used += paint::width(&part);
            line.push_span(span(part, argument));
        }
    }
    lines.push(line);
    if let Some(stdin) = &step.stdin {
        lines.push(indented(Line::from(span("and reads from standard input:", c.style(Role::Muted)))));
        for text in stdin.lines() {
            let parts = paint::cut(&words::script_line(text), room);
            if parts.is_empty() {
                lines.push(Line::default());
            }
            lines.extend(parts.into_iter().enumerate().map(|(i, part)| {
                let sign = if i > 0 { c.symbols.goes_on } else { c.symbols.wall };
                Line::from(vec![
                    span(format!("{sign:<GUTTER$}"), c.style(Role::Guide)),
                    span(part, Style::new()),
                ])
            }));
        }
    }
    lines
}
