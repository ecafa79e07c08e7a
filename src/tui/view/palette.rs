//! The palette over the screen: what is searched, the lines that fit, what the selected one does.

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};
use unicode_segmentation::UnicodeSegmentation;

use super::footer::caret;
use super::help::border;
use super::paint::{self, span};
use crate::tui::palette::{Entry, Palette};
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Widest and highest the box gets.
const LARGEST: (u16, u16) = (76, 20);

/// Behind what does nothing now.
const OFF: &str = " (off)";

/// The box; small screens are covered completely.
fn outer(area: Rect) -> Rect {
    let (width, height) = (area.width.min(LARGEST.0), area.height.min(LARGEST.1));
    let down = (area.height - height).min(2);
    Rect { x: area.x + (area.width - width) / 2, y: area.y + down, width, height }
}

/// Where the lines stand: below what is searched, above what the selected one does.
fn list(area: Rect) -> Rect {
    let inner = inner(area);
    paint::rows(inner, 1, inner.height.saturating_sub(1 + detail(inner)))
}

fn inner(area: Rect) -> Rect {
    outer(area).inner(Margin { horizontal: 1, vertical: 1 })
}

/// Rows for what the selected line does.
fn detail(inner: Rect) -> u16 {
    match inner.height {
        0..4 => 0,
        4..10 => 1,
        _ => 2,
    }
}

/// Lines that are visible at once.
pub(super) fn page(area: Rect) -> usize {
    usize::from(list(area).height)
}

/// Draws it over `area`.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(palette) = &state.palette else { return };
    let outer = outer(area);
    paint::clear(buf, outer, theme);
    let count = format!(" {} ", palette.entries.len());
    Block::bordered()
        .border_set(border(state))
        .border_style(theme.style(Role::Guide))
        .title(span(" Palette ", theme.style(Role::Title)))
        .title(Line::from(span(count, theme.style(Role::Muted))).right_aligned())
        .render(outer, buf);
    let inner = inner(area);
    let prompt = span(":", theme.style(Role::Key));
    let typed = caret(&palette.input, usize::from(inner.width).saturating_sub(2), Style::new());
    paint::line(buf, inner, 0, &Line::from([vec![prompt], typed].concat()));
    let list = list(area);
    let shown = palette.entries.iter().enumerate().skip(palette.offset).take(usize::from(list.height));
    for (row, (i, entry)) in shown.enumerate() {
        line(state, theme, entry, i == palette.at, list, row, buf);
    }
    if palette.entries.is_empty() {
        paint::text(buf, list, 0, 1, list.width, "Nothing fits that.", theme.style(Role::Unknown));
    }
    about(state, theme, palette, inner, buf);
}

fn line(
    state: &State,
    theme: &Theme,
    entry: &Entry,
    selected: bool,
    list: Rect,
    row: usize,
    buf: &mut Buffer,
) {
    let symbols = state.symbols();
    let off = entry.why_not.is_some();
    let style = if off { theme.style(Role::Muted) } else { Style::new() };
    let key = entry.key.clone().unwrap_or_default();
    let key_cells = paint::width(&key);
    let room = usize::from(list.width).saturating_sub(key_cells + 4 + if off { OFF.len() } else { 0 });
    let title = paint::clip(entry.title.as_str(), room, symbols.ellipsis);
    let mut spans =
        vec![span(if selected { symbols.cursor } else { " " }, theme.style(Role::Key)), span(" ", style)];
    for (i, cluster) in title.graphemes(true).enumerate() {
        let hit = u32::try_from(i).is_ok_and(|i| entry.hits.binary_search(&i).is_ok());
        let style = if hit { style.patch(theme.style(Role::Matched)) } else { style };
        // Neighbours in one style are one piece.
        match spans.last_mut().filter(|last: &&mut Span<'_>| last.style == style) {
            Some(last) => last.content.to_mut().push_str(cluster),
            None => spans.push(span(cluster, style)),
        }
    }
    // Without colours the word still says it.
    if off {
        spans.push(span(OFF, style));
    }
    paint::line(buf, list, row, &Line::from(spans));
    let x = list.width.saturating_sub(u16::try_from(key_cells + 1).unwrap_or(0));
    paint::text(buf, list, row, x, list.width, &key, theme.style(if off { Role::Muted } else { Role::Key }));
    if selected {
        paint::restyle(buf, list, row, theme.style(Role::Selected));
    }
}

/// What the selected line does, or why it does nothing.
fn about(state: &State, theme: &Theme, palette: &Palette, inner: Rect, buf: &mut Buffer) {
    let rows = detail(inner);
    let Some(entry) = palette.selected().filter(|_| rows > 0) else { return };
    let area = paint::indent(paint::rows(inner, inner.height - rows, rows), 1);
    let (text, role) = match &entry.why_not {
        Some(why) => (format!("{} off: {why}", state.symbols().unknown), Role::Unknown),
        None => (entry.help.clone(), Role::Muted),
    };
    let lines = paint::wrap(&text, usize::from(area.width));
    for (row, text) in lines.iter().take(usize::from(rows)).enumerate() {
        paint::text(buf, area, row, 0, area.width, text, theme.style(role));
    }
}
