//! The question for the context's name, over whatever is on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::style::Modifier;
use ratatui::text::Line;
use ratatui::widgets::{Block, Widget};

use super::super::paint::{self, span};
use super::super::pane::Pane;
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Widest the question gets.
const WIDEST: u16 = 64;

/// Draws it in the middle of `area`.
pub(in crate::tui::view) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(arming) = &state.arming else { return };
    let width = area.width.min(WIDEST);
    let c = Pane::new(state, theme, width.saturating_sub(4));
    let text = format!(
        "Changes in {} can be approved for a while once you type its name. Each one is still shown and approved on its own.",
        arming.name
    );
    let mut lines = c.wrapped(&text, c.style(Role::Text));
    let field = super::field(&c, &format!("type {}", arming.name), &arming.input, true, {
        arming.input.value() == arming.name.as_str()
    });
    let help = Line::from(vec![
        span("enter", c.style(Role::Key)),
        span(" arms  ", c.style(Role::Text)),
        span("esc", c.style(Role::Key)),
        span(" does not", c.style(Role::Text)),
    ]);
    // Where there are few lines, the field counts more than what it is for.
    let room = usize::from(area.height).saturating_sub(4);
    lines.truncate(room);
    lines.extend([field, help]);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let outer =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    if outer.height < 3 || outer.width < 6 {
        return;
    }
    paint::fade(buf, area, theme);
    paint::clear(buf, outer, theme);
    Block::bordered()
        .border_set(super::super::help::border(state))
        .border_style(c.style(Role::Burning).remove_modifier(Modifier::BOLD))
        .title(span(" Arm ", c.style(Role::Title)))
        .render(outer, buf);
    let inner = outer.inner(Margin { horizontal: 2, vertical: 1 });
    for (y, line) in lines.iter().enumerate() {
        paint::line(buf, inner, y, line);
    }
}
