//! What the program had to say, newest first; the selected line in full below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::paint::{self, span};
use super::pane::Pane;
use super::table::{Column, Grid};
use crate::tui::format;
use crate::tui::log::Level;
use crate::tui::picture::since;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};

/// Cells left of the table for the cursor.
const GUTTER: u16 = 2;

/// Lines about the selected one.
fn panel_height(body: Rect) -> u16 {
    match body.height {
        0..8 => 0,
        8..20 => 3,
        _ => 6,
    }
}

/// Where the lines of the table stand.
pub(super) fn list_area(body: Rect) -> Rect {
    let heading = u16::from(body.height >= 3);
    paint::rows(body, heading, body.height.saturating_sub(heading + panel_height(body)))
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let rows = state.log_rows();
    if rows.is_empty() {
        let filtered = !state.lists[Screen::Log as usize].filter.value().is_empty();
        let text = if filtered { "Nothing that was said contains that." } else { "Nothing was said yet." };
        let inner = paint::indent(body, GUTTER);
        paint::line(buf, inner, 1, &Line::from(span(text, theme.style(Role::Title))));
        return;
    }
    let (list, symbols) = (list_area(body), state.symbols());
    let table = paint::indent(list, GUTTER);
    let grid = Grid::new(
        vec![
            Column::left("UTC", 8, 6),
            Column::right("ago", 4, 5),
            Column::left("", 9, 9),
            Column::left("what", 10, 10).up_to(table.width),
        ],
        table.width,
    );
    if body.height > list.height + panel_height(body) {
        grid.headings(buf, paint::indent(body, GUTTER), 0, theme.style(Role::Muted), symbols.ellipsis);
    }
    let selected = rows.iter().position(|line| Some(line.number) == state.log_line).unwrap_or(0);
    let offset = state.list().offset;
    let page = rows.iter().enumerate().skip(offset).take(usize::from(list.height));
    for (y, (i, line)) in page.enumerate() {
        let (sign, role) = match line.level {
            Level::Note => (" ", Role::Muted),
            Level::Warning => (symbols.burning, Role::Burning),
            Level::Failure => (symbols.breached, Role::Failure),
        };
        let mut cell = |i: usize, text: &str, role: Role| {
            grid.cell(buf, table, y, i, text, theme.style(role), symbols.ellipsis);
        };
        cell(0, &line.at.strftime("%H:%M:%S").to_string(), Role::Muted);
        cell(1, &format::age(since(line.at, state.now)), Role::Muted);
        cell(2, &format!("{sign} {}", line.level.word()), role);
        cell(3, &line.text, Role::Text);
        if i == selected {
            paint::text(buf, list, y, 0, 1, symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
    let height = panel_height(body);
    if let (Some(line), true) = (rows.get(selected), height > 0) {
        let area = paint::rows(body, body.height - height, height);
        let rule = symbols.rule.repeat(usize::from(area.width));
        paint::text(buf, area, 0, 0, area.width, &rule, theme.style(Role::Guide));
        let inner = paint::rows(paint::indent(area, GUTTER), 1, height - 1);
        let pane = Pane::new(state, theme, inner.width);
        for (y, line) in pane.wrapped(&line.text, Style::new()).iter().enumerate() {
            paint::line(buf, inner, y, line);
        }
    }
}
