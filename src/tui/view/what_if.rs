//! What if a service had more: one slider a lever, and below it what the model says of the tail.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::fit::{Part, fit};
use super::paint::{self, span};
use super::pane::Pane;
use super::tail;
use crate::domain::{Counterfactual, SloStatus};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::sliders::Slider;
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};
use crate::tui::words;

/// Cells left of the sliders for the cursor.
const GUTTER: u16 = 2;
/// Cells of a slider's name, and of its value now and then.
const NAME: usize = 18;
const VALUE: usize = 11;
/// Widest slider, and widest scale.
const WIDEST: usize = 60;

/// Where the sliders stand.
pub(super) fn list_area(body: Rect) -> Rect {
    paint::rows(body, u16::from(body.height > 6) * 2, body.height)
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let c = Pane::new(state, theme, body.width.saturating_sub(GUTTER));
    let bench = &state.inspected.bench;
    let (Some((service, _)), Some(slo)) = (&bench.about, state.selected_slo()) else {
        let text = "No service and no SLO is known yet, so there is nothing to try.";
        let inner = paint::indent(body, GUTTER);
        for (y, line) in c.wrapped(text, theme.style(Role::Title)).iter().enumerate() {
            paint::line(buf, inner, y, line);
        }
        return;
    };
    // With few lines the answer comes first: it is what one moves the sliders for.
    let compact = body.height < 16;
    let mut lines = vec![fit(
        vec![
            Part::left(9, vec![span(format!("What if {service} had"), theme.style(Role::Header))]),
            Part::left(4, vec![span(format!("for {}", slo.name), theme.style(Role::Muted))]),
        ],
        c.width,
        2,
    )];
    let answer = answer(&c, slo);
    let sliders: Vec<_> = bench.sliders.iter().enumerate().map(|(i, s)| (i, slider(&c, s))).collect();
    let gap = usize::from(!compact);
    if compact {
        lines.extend(answer.iter().take(2).cloned());
    }
    lines.extend(std::iter::repeat_n(Line::default(), gap));
    let from = lines.len();
    // The slider under the cursor stays in sight.
    let room = usize::from(body.height).saturating_sub(from).max(1);
    let first = if compact { (bench.selected + 1).saturating_sub(room) } else { 0 };
    for (i, line) in sliders.into_iter().skip(first) {
        if i == bench.selected {
            let y = lines.len();
            paint::text(buf, body, y, 0, 1, c.symbols.cursor, theme.style(Role::Key));
        }
        lines.push(line);
    }
    if !compact {
        lines.push(Line::default());
        lines.extend(answer);
    }
    let inner = paint::indent(body, GUTTER);
    for (y, line) in lines.iter().enumerate() {
        paint::line(buf, inner, y, line);
    }
    let cursor = from + bench.selected - first.min(bench.selected);
    if !bench.sliders.is_empty() {
        paint::restyle(buf, body, cursor, theme.style(Role::Selected));
    }
}

/// Name, value now and then, and how far it was moved.
fn slider(c: &Pane<'_>, slider: &Slider) -> Line<'static> {
    let muted = c.style(Role::Muted);
    let name = NAME.min(c.width * 2 / 5);
    let mut line = Line::from(span(format!("{:<name$}", c.clip(&slider.title(), name)), Style::new()));
    if let Some(why) = slider.stuck() {
        line.push_span(span(c.clip(why, c.width.saturating_sub(name)), muted));
        return line;
    }
    let (now, then) = slider.values();
    // What is not moved has one value, in the same place.
    let width = paint::width(c.symbols.arrow);
    let (arrow, then) = if slider.steps > 0 { (c.symbols.arrow, then) } else { ("", String::new()) };
    line.push_span(span(format!("{now:>VALUE$} {arrow:<width$} "), muted));
    line.push_span(span(format!("{then:<VALUE$}"), c.style(Role::Notice)));
    let used: usize = line.width() + 1;
    let cells = c.width.saturating_sub(used).min(WIDEST);
    if cells >= 8 {
        let most = slider.most().max(1);
        let at = (f64::from(slider.steps) / f64::from(most) * (cells - 1) as f64).round() as usize;
        let at = at.min(cells - 1);
        line.push_span(span(format!(" {}", c.symbols.interval.repeat(at)), c.style(Role::Bar)));
        line.push_span(span(c.symbols.middle, c.style(Role::Key)));
        line.push_span(span(c.symbols.rule.repeat(cells - 1 - at), c.style(Role::Guide)));
    }
    line
}

/// What the model says, on one scale with the objective and what is observed.
fn answer(c: &Pane<'_>, slo: &SloStatus) -> Vec<Line<'static>> {
    let bench = &c.state.inspected.bench;
    let muted = c.style(Role::Muted);
    let mut lines = Vec::new();
    let moved = bench.sliders.iter().any(|slider| slider.steps > 0);
    let waiting = match (bench.is_answered(), bench.answer.is_some()) {
        (true, _) => "",
        (false, true) => " (being computed again)",
        (false, false) => " (being computed)",
    };
    let tails = bench.answer.as_ref().map(|answer| &answer.tails);
    match tails {
        Some(Ok((without, with))) => {
            let shown = if moved { with } else { without };
            match shown {
                Some(f) => lines.extend(predicted(c, slo, f, moved, waiting)),
                None => {
                    let text = "Nobody can tell what that would do: what it helps against is not measured here (a CPU limit and its use, or memory and its limit).";
                    lines.extend(c.wrapped(text, c.style(Role::Unknown)));
                }
            }
            lines.extend(scales(c, slo, without.as_ref(), with.as_ref().filter(|_| moved)));
        }
        Some(Err(why)) => lines.extend(c.wrapped(&format!("No prediction: {why}"), c.style(Role::Failure))),
        None => lines.extend(c.wrapped(&format!("The model is asked{waiting}."), c.style(Role::Notice))),
    }
    lines.push(Line::default());
    let in_range = c.state.selected_answer().and_then(|a| a.verdict.model.as_ref()).map(|m| m.in_range);
    match in_range {
        Some(false) => {
            let text = format!(
                "{} this situation lies outside of what the model was trained on: a hint only",
                c.symbols.burning
            );
            lines.extend(c.wrapped(&text, c.style(Role::Burning)));
        }
        Some(true) => {}
        None => lines.extend(c.wrapped(
            "There is no verdict on this SLO yet: whether the model knows this situation is not known.",
            muted,
        )),
    }
    let key =
        |action: Action| c.state.keymap.keys(action).first().map(ToString::to_string).unwrap_or_default();
    let text = match moved {
        true => format!(
            "This is a prediction; nothing is changed. {} makes a proposal of it, to be reviewed.",
            key(Action::Open)
        ),
        false => format!(
            "This is a prediction; nothing is changed. {} shows what could really be done.",
            key(Action::ShowActions)
        ),
    };
    lines.extend(c.wrapped(&text, muted));
    lines
}

/// The prediction in a sentence.
fn predicted(
    c: &Pane<'_>,
    slo: &SloStatus,
    f: &Counterfactual,
    moved: bool,
    waiting: &str,
) -> Vec<Line<'static>> {
    let met = f.quantile_ms <= slo.objective_ms;
    let (sign, word) = if met { (c.symbols.ok, "met") } else { (c.symbols.breached, "violated") };
    let what = if moved { "Predicted" } else { "As it is, the model says" };
    let text = format!(
        "{what} {}, objective {}: {sign} {word}, P(SLO met) {}{waiting}",
        words::interval(f),
        format::latency(Some(slo.objective_ms)),
        format::probability(f.p_slo_met),
    );
    c.wrapped(&text, c.style(if met { Role::Ok } else { Role::Breached }))
}

/// Observed, as the model explains it, and predicted: one line each on one scale.
fn scales(
    c: &Pane<'_>,
    slo: &SloStatus,
    without: Option<&Counterfactual>,
    with: Option<&Counterfactual>,
) -> Vec<Line<'static>> {
    let label = 10;
    let cells = c.width.saturating_sub(label + 10).min(WIDEST);
    // One scale for all: what is highest in any of them is in each.
    let mut lines = Vec::new();
    let mut line =
        |name: &str, forecast: Option<&Counterfactual>, measured: Option<f64>, value: Option<f64>| {
            let mut spans = vec![span(format!("{name:<label$}"), c.style(Role::Muted))];
            spans.extend(tail::bar(c, forecast, slo.objective_ms, measured, cells));
            spans.push(span(format!(" {:>8}", format::latency(value)), Style::new()));
            lines.push(Line::from(spans));
        };
    line("observed", None, slo.observed_ms, slo.observed_ms);
    line("modelled", without, slo.observed_ms, without.map(|f| f.quantile_ms));
    if let Some(f) = with {
        line("then", Some(f), slo.observed_ms, Some(f.quantile_ms));
    }
    lines
}
