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

/// The ranking. Its lines are made when they are drawn: there may be hundreds of services.
pub(super) struct Ranking<'a> {
    head: Vec<Line<'static>>,
    rows: Vec<(usize, &'a Ranked)>,
    /// The selected row.
    open: Option<usize>,
    /// The lines below the selected row.
    details: Vec<Line<'static>>,
    /// The best score.
    top: f64,
    /// Cells of the longest name.
    widest: usize,
}

impl<'a> Ranking<'a> {
    /// The ranking of the context's verdict; `inline` if the resources stand within it.
    pub(super) fn new(c: &Context<'a>, inline: bool) -> Self {
        let rows = c.state.ranking_rows();
        let mut head = Vec::new();
        if !c.compact {
            head.extend([Line::default(), heading(c, "Ranking")]);
            head.extend(c.wrapped(words::basis(c.verdict.basis), c.style(Role::Muted)));
        }
        if rows.is_empty() {
            let none = if c.verdict.ranking.is_empty() {
                "No service was considered."
            } else {
                "No name contains that."
            };
            head.extend(c.wrapped(none, Style::new()));
        }
        let open = rows.iter().position(|(_, r)| Some(&r.service) == c.state.suspect.as_ref());
        let details = if inline && open.is_some() { resources::lines(c) } else { Vec::new() };
        let top = c.verdict.ranking.iter().map(|r| r.score).filter(|s| s.is_finite()).fold(0.0, f64::max);
        let widest = rows.iter().map(|(_, r)| r.service.0.width()).max().unwrap_or(0);
        Self { head, rows, open, details, top, widest }
    }

    /// Number of lines.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.rows.len() + self.details.len()
    }

    /// The lines of the selected service.
    pub(super) fn focus(&self) -> Option<Range<usize>> {
        let from = self.head.len() + self.open?;
        Some(from..from + 1 + self.details.len())
    }

    /// Line `i`.
    pub(super) fn line(&self, c: &Context<'_>, i: usize) -> Option<Line<'static>> {
        let Some(i) = i.checked_sub(self.head.len()) else { return self.head.get(i).cloned() };
        // Rows below the selected one stand below its details.
        let row = match self.open {
            Some(open) if i > open => match self.details.get(i - open - 1) {
                Some(line) => return Some(line.clone()),
                None => i - self.details.len(),
            },
            _ => i,
        };
        self.rows.get(row).map(|(place, ranked)| self::row(c, *place, ranked, self.top, self.widest))
    }
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
