//! Every service considered, best first, with a bar; the selected one opens into its resources.

use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::paint::{self, span};
use super::answer::heading;
use super::{Context, resources};
use crate::domain::Ranked;
use crate::tui::format;
use crate::tui::theme::Role;
use crate::tui::words;

/// Widest bar.
const BAR: usize = 20;
/// Cells of the longest resource word.
const RESOURCE: usize = 7;
/// Cells of a score.
const SCORE: usize = 8;

/// The ranking's lines, and which of them belong to the selected service.
pub(super) fn lines(c: &Context<'_>, inline: bool) -> (Vec<Line<'static>>, Range<usize>) {
    let rows = c.state.ranking_rows();
    let mut lines = vec![Line::default(), heading(c, "Ranking")];
    lines.extend(c.wrapped(words::basis(c.verdict.basis), c.style(Role::Muted)));
    if rows.is_empty() {
        let none = if c.verdict.ranking.is_empty() {
            "No service was considered."
        } else {
            "No name contains that."
        };
        lines.extend(c.wrapped(none, Style::new()));
        return (lines, 0..0);
    }
    let top = c.verdict.ranking.iter().map(|r| r.score).filter(|s| s.is_finite()).fold(0.0, f64::max);
    let widest = rows.iter().map(|(_, r)| paint::width(r.service.as_str())).max().unwrap_or(0);
    let mut focus = 0..0;
    for (place, ranked) in rows {
        let from = lines.len();
        lines.push(row(c, place, ranked, top, widest));
        if Some(&ranked.service) == c.state.suspect.as_ref() {
            if inline {
                lines.extend(resources::lines(c, false));
            }
            focus = from..lines.len();
        }
    }
    (lines, focus)
}

fn row(c: &Context<'_>, place: usize, ranked: &Ranked, top: f64, widest: usize) -> Line<'static> {
    let culprit = c.verdict.culprits.iter().any(|x| x.service == ranked.service);
    let role = if culprit { Role::Culprit } else { Role::Text };
    let sign = if culprit { c.symbols.culprit } else { " " };
    let head = format!("{place:>3} {sign} ");
    let head_width = paint::width(&head);
    let resource = words::suspected(c.verdict, &ranked.service).map_or("", |r| r.word());

    // The bar goes first, then the score, when there is little room for the name.
    let fixed = head_width + RESOURCE + 1;
    let room = c.width.saturating_sub(fixed);
    let with_score = room >= SCORE + 1 + 12;
    let room = if with_score { room - SCORE - 1 } else { room };
    let name_width = widest.min(room.saturating_sub(6).max(room.min(12)));
    let bar_width = room.saturating_sub(name_width + 1).min(BAR);

    let name = paint::clip(ranked.service.as_str(), name_width, c.symbols.ellipsis).into_owned();
    let pad = " ".repeat(name_width - paint::width(&name) + 1);
    let mut line = Line::from(vec![
        span(head, c.style(role)),
        span(name, c.style(role)),
        span(pad, Style::new()),
        span(format!("{resource:<RESOURCE$}"), c.style(Role::Muted)),
    ]);
    if with_score {
        line.push_span(span(format!(" {:>SCORE$}", format::quantity(Some(ranked.score))), Style::new()));
    }
    if bar_width >= 4 {
        let share = if top > 0.0 { ranked.score / top } else { 0.0 };
        let (full, _) = paint::bar(share, bar_width - 1, c.symbols.bar);
        line.push_span(span(format!(" {full}"), c.style(if culprit { Role::Over } else { Role::Bar })));
    }
    line
}
