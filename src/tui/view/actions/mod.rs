//! Screen 4: what could be done about the selected SLO, best first, and what was done. One text that
//! scrolls; on wide screens the details of the selected line stand beside it.

mod operations;
mod proposals;

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

pub(super) use proposals::{obstacle, risk_role};

use super::fit::{Part, fit};
use super::paint::{self, span};
use super::pane::Pane;
use super::slos;
use crate::remedy::Standing;
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::pick::ActionRow;
use crate::tui::picture::since;
use crate::tui::remedy_words as words;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};

/// From this width on, the details stand beside the text.
const WIDE: u16 = 140;
/// Cells left of the text for the cursor.
const GUTTER: u16 = 2;

/// Where the text stands.
pub(super) fn list_area(body: Rect) -> Rect {
    if body.width < WIDE { body } else { Rect { width: body.width * 3 / 5, ..body } }
}

/// The lines, and those of the selected proposal or operation.
struct Document {
    lines: Vec<Line<'static>>,
    focus: Range<usize>,
}

impl Document {
    /// Adds a proposal or an operation; `inline` if its details stand below it once it is selected.
    fn push(&mut self, c: &Pane<'_>, row: &ActionRow<'_>, inline: bool) {
        let from = self.lines.len();
        self.lines.extend(match row {
            ActionRow::Proposal(p) => proposals::lines(c, p),
            ActionRow::Operation(o) => operations::lines(c, o),
        });
        if Some(row.pick()) != c.state.pick {
            return;
        }
        let inner = c.narrower(proposals::INDENT);
        let details = match row {
            // With few lines, what is known of a proposal is left to its review.
            ActionRow::Proposal(_) if c.compact => Vec::new(),
            ActionRow::Proposal(p) => proposals::details(&inner, p),
            ActionRow::Operation(o) => operations::details(&inner, o),
        };
        let details = details.into_iter().filter(|_| inline);
        self.lines.extend(details.map(|line| indented(line, proposals::INDENT)));
        self.focus = from..self.lines.len();
    }
}

/// Lines of the text, and those of what is selected.
pub(super) fn extent(state: &State, body: Rect) -> (usize, Range<usize>) {
    let document = document(&pane(state, state.themes.current(), body), body.width < WIDE);
    (document.lines.len(), document.focus)
}

fn pane<'a>(state: &'a State, theme: &'a Theme, body: Rect) -> Pane<'a> {
    Pane::new(state, theme, paint::indent(list_area(body), GUTTER).width)
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let c = pane(state, theme, body);
    let document = document(&c, body.width < WIDE);
    let list = list_area(body);
    let text = paint::indent(list, GUTTER);
    let offset = state.list().offset;
    for (y, line) in document.lines.iter().skip(offset).take(usize::from(list.height)).enumerate() {
        paint::line(buf, text, y, line);
        if !document.focus.is_empty() && document.focus.start == offset + y {
            paint::text(buf, list, y, 0, 1, c.symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
    if body.width >= WIDE {
        let side = paint::indent(body, list.width + 1);
        for y in 0..usize::from(side.height) {
            paint::text(buf, side, y, 0, 1, c.symbols.wall, theme.style(Role::Guide));
        }
        let side = paint::indent(side, 2);
        for (y, line) in details(&Pane::new(state, theme, side.width)).iter().enumerate() {
            paint::line(buf, side, y, line);
        }
    }
}

/// More about what is selected, under its name.
fn details(c: &Pane<'_>) -> Vec<Line<'static>> {
    let Some(row) = c.state.picked() else { return Vec::new() };
    let (kind, target) = match row {
        ActionRow::Proposal(p) => (p.kind, &p.target),
        ActionRow::Operation(o) => (o.kind, &o.target),
    };
    let mut lines = c.wrapped(&words::title(kind, target), c.style(Role::Title));
    lines.push(Line::default());
    lines.extend(match row {
        ActionRow::Proposal(p) => proposals::details(c, p),
        ActionRow::Operation(o) => operations::details(c, o),
    });
    lines
}

fn document(c: &Pane<'_>, inline: bool) -> Document {
    let rows = c.state.action_rows();
    let proposals = rows.iter().take_while(|row| matches!(row, ActionRow::Proposal(_))).count();
    let (proposed, done) = rows.split_at(proposals);
    let mut document = Document { lines: head(c), focus: 0..0 };
    document.lines.extend(proposals::head(c, proposed.len()));
    proposed.iter().for_each(|row| document.push(c, row, inline));
    document.lines.extend(proposals::notes(c));
    if !done.is_empty() {
        document.lines.extend(operations::head(c));
    }
    done.iter().for_each(|row| document.push(c, row, inline));
    document
}

fn indented(mut line: Line<'static>, cells: usize) -> Line<'static> {
    line.spans.insert(0, " ".repeat(cells).into());
    line
}

/// The SLO, and whether anything can be changed now.
fn head(c: &Pane<'_>) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(slo) = c.state.selected_slo() {
        let style = c.style(slos::role(slo.state));
        let now = format::latency(slo.observed_ms);
        let reading = format!("{now}, at most {}", format::latency(Some(slo.objective_ms)));
        let parts = vec![
            Part::left(9, vec![span(format!("{} {}", c.symbols.slo(slo.state), slo.state.word()), style)]),
            slos::name(&slo.name, c.symbols, c.theme),
            Part::left(3, vec![span(reading, Style::new())]).or(vec![span(now, Style::new())]),
        ];
        lines.push(fit(parts, c.width, 1));
    }
    lines.extend(standing(c));
    if let Some((when, _)) = &c.state.paused {
        let text = format!(
            "Paused at {}: the proposals are of then; what was done is live.",
            when.strftime("%H:%M:%S")
        );
        lines.extend(c.wrapped(&text, c.style(Role::Notice)));
    }
    if let Some(refusal) = &c.state.ledger().refusal {
        let text = format!("{} {}: {}", c.symbols.breached, refusal.what, refusal.why);
        lines.extend(c.wrapped(&text, c.style(Role::Failure)));
    }
    let waits = |what: &str, since_then| {
        let ago = format::age(since(since_then, c.state.now));
        c.wrapped(&format!("{what} (asked {ago} ago)"), c.style(Role::Notice))
    };
    if let Some((_, at)) = &c.state.awaited {
        lines.extend(waits("Reading the target again, to tell exactly what would be run", *at));
    }
    if let Some((digest, at)) = &c.state.approved {
        lines.extend(waits(&format!("Approved {digest}: it is checked once more and run"), *at));
    }
    lines
}

fn standing(c: &Pane<'_>) -> Vec<Line<'static>> {
    let key = |action: Action| c.state.keymap.keys(action).first().map(|k| k.label(c.state.ascii));
    let ledger = c.state.ledger();
    match (&ledger.standing, ledger.armed(c.state.now)) {
        (Some(Standing::Off(why)), _) => {
            c.wrapped(&format!("Nothing can be changed here: {why}"), c.style(Role::Unknown))
        }
        (_, Some(until)) => {
            let name = c.state.to_arm().map_or_else(String::new, |name| format!(" for {name}"));
            let disarm = key(Action::Arm).map_or_else(String::new, |k| format!(": {k} disarms"));
            let text = format!("Armed{name} until {} UTC{disarm}.", until.strftime("%H:%M"));
            c.wrapped(&text, c.style(Role::Burning))
        }
        (_, None) if c.compact => Vec::new(),
        (_, None) => {
            let arm = key(Action::Arm).map_or_else(String::new, |k| format!(" {k} arms."));
            c.wrapped(&format!("Read-only: nothing can be written.{arm}"), c.style(Role::Muted))
        }
    }
}

/// Why there is no proposal, where it is known.
fn nothing(c: &Pane<'_>) -> Option<String> {
    let state = c.state;
    let slo = state.slo.as_ref()?;
    let filtered = !state.lists[Screen::Actions as usize].filter.value().is_empty();
    let key = state.keymap.keys(Action::Diagnose).first().map(ToString::to_string).unwrap_or_default();
    Some(match (state.suggestions(), state.selected_answer()) {
        (Some(s), _) if filtered && !s.proposals.is_empty() => "No proposal contains that.".to_owned(),
        (Some(s), _) if s.proposals.is_empty() && !s.notes.is_empty() => return None,
        (Some(_), _) => format!("Nothing can be proposed for {slo}."),
        _ if state.ledger().off().is_some() => return None,
        (None, _) if state.proposing.contains_key(slo) => "Sizing what could be done.".to_owned(),
        (None, None) if state.asked.get(slo).is_some_and(|a| a.failure.is_none()) => {
            format!("Searching for the cause of {slo} first: proposals answer to a verdict.")
        }
        (None, None) => format!("There is no verdict on {slo}: {key} asks why."),
        (None, Some(_)) => format!("No proposals for {slo} yet."),
    })
}
