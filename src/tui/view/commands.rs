//! Screen 5: every command that was run, newest last, those that write marked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::fit::{Part, fit};
use super::paint::{self, span};
use super::pane::Pane;
use super::table::{Column, Grid};
use crate::remedy::CommandRecord;
use crate::tui::format;
use crate::tui::remedy_words;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};

/// Cells left of the table for the cursor.
const GUTTER: u16 = 2;

/// Lines about the selected command.
fn panel_height(body: Rect) -> u16 {
    match body.height {
        0..6 => 0,
        6..14 => 3,
        14..30 => 7,
        _ => 10,
    }
}

/// Where the lines of the table stand.
pub(super) fn list_area(body: Rect) -> Rect {
    let heading = u16::from(body.height >= 3);
    paint::rows(body, heading, body.height.saturating_sub(heading + panel_height(body)))
}

/// The line under the cursor: the newest, unless another one was chosen.
fn selected(state: &State, rows: &[&CommandRecord]) -> Option<usize> {
    let chosen = rows.iter().position(|c| Some(c.number) == state.command);
    chosen.or_else(|| rows.len().checked_sub(1))
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let rows = state.command_rows();
    if rows.is_empty() {
        return empty(state, theme, body, buf);
    }
    let list = list_area(body);
    let table = paint::indent(list, GUTTER);
    let symbols = state.symbols();
    let grid = grid(table.width);
    if body.height > list.height + panel_height(body) {
        let head = paint::indent(paint::rows(body, 0, 1), GUTTER);
        grid.headings(buf, head, 0, theme.style(Role::Muted), symbols.ellipsis);
    }
    let at = selected(state, &rows);
    let offset = state.list().offset;
    for (y, (i, command)) in rows.iter().enumerate().skip(offset).take(usize::from(list.height)).enumerate() {
        let (ended, role) = ended(command);
        let mut cell = |i: usize, text: &str, role: Role| {
            grid.cell(buf, table, y, i, text, theme.style(role), symbols.ellipsis);
        };
        cell(0, &command.started.strftime("%H:%M:%S").to_string(), Role::Muted);
        match command.writes {
            true => cell(1, &format!("{} writes", symbols.culprit), Role::Burning),
            false => cell(1, "  reads", Role::Muted),
        }
        cell(
            2,
            &remedy_words::short(command.line.as_str()),
            if command.writes { Role::Title } else { Role::Text },
        );
        cell(3, &ended, role);
        cell(4, &took(command), Role::Muted);
        if at == Some(i) {
            paint::text(buf, list, y, 0, 1, symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
    let from = body.height - panel_height(body);
    if let Some(command) = at.and_then(|i| rows.get(i)) {
        panel(state, theme, command, paint::rows(body, from, panel_height(body)), buf);
    }
}

fn grid(width: u16) -> Grid {
    Grid::new(
        vec![
            Column::left("UTC", 8, 6),
            Column::left("", 8, 8),
            Column::left("command", 10, 9).up_to(width),
            Column::left("ended", 10, 7).up_to(20),
            Column::right("took", 7, 5),
        ],
        width,
    )
}

/// How it ended.
fn ended(command: &CommandRecord) -> (String, Role) {
    match &command.ended {
        None => ("running".to_owned(), Role::Notice),
        Some(words) if words.as_str() == "exit 0" => (words.to_string(), Role::Ok),
        Some(words) => (words.to_string(), Role::Failure),
    }
}

fn took(command: &CommandRecord) -> String {
    format::latency(command.took.map(|took| 1e3 * took.as_secs_f64()))
}

/// The whole of the selected command.
fn panel(state: &State, theme: &Theme, command: &CommandRecord, area: Rect, buf: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let rule = state.symbols().rule.repeat(usize::from(area.width));
    paint::text(buf, area, 0, 0, area.width, &rule, theme.style(Role::Guide));
    let inner = paint::rows(paint::indent(area, GUTTER), 1, area.height - 1);
    let c = Pane::new(state, theme, inner.width);
    let (ended, role) = ended(command);
    let kind = match command.writes {
        true => "This command may change something.",
        false => "This command only reads.",
    };
    let facts = vec![
        Part::left(8, vec![span(command.started.strftime("%F %H:%M:%S UTC").to_string(), Style::new())]),
        Part::left(9, vec![span(ended, c.style(role))]),
        Part::left(7, vec![span(took(command), Style::new())]),
        Part::left(3, vec![span(kind, c.style(Role::Muted))]),
    ];
    let mut lines = vec![fit(facts, c.width, 2)];
    if let Some(complaint) = &command.complaint {
        lines.extend(c.wrapped(complaint.as_str(), c.style(Role::Failure)));
    }
    lines.extend(c.wrapped(command.line.as_str(), Style::new()));
    for (y, line) in lines.iter().enumerate() {
        paint::line(buf, inner, y, line);
    }
}

/// Nothing to list: why.
fn empty(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let filtered = !state.lists[Screen::Commands as usize].filter.value().is_empty();
    let text = match filtered {
        true => "No command contains that.",
        false => {
            "No command was run yet. Every kubectl and ssh that sagetop starts is listed here, reads too."
        }
    };
    let inner = paint::indent(body, GUTTER);
    for (y, line) in paint::wrap(text, usize::from(inner.width)).into_iter().enumerate() {
        paint::line(buf, inner, y + 1, &Line::from(span(line, theme.style(Role::Title))));
    }
}
