//! Drawing lines of text: clipped to their area, measured in cells, never outside of the buffer.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::tui::theme::{Role, Theme};

/// Width in cells.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `text`, or as much of it as fits `cells` with `ellipsis` at its end.
pub(super) fn clip<'t>(text: &'t str, cells: usize, ellipsis: &str) -> Cow<'t, str> {
    if text.width() <= cells {
        return Cow::Borrowed(text);
    }
    let Some(room) = cells.checked_sub(ellipsis.width()) else { return Cow::Borrowed("") };
    let mut used = 0;
    let mut out = String::with_capacity(text.len().min(4 * cells));
    for g in text.graphemes(true) {
        used += g.width();
        if used > room {
            break;
        }
        out.push_str(g);
    }
    out.push_str(ellipsis);
    Cow::Owned(out)
}

/// `text` broken into lines of at most `cells`, at spaces where possible.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    if cells == 0 {
        return lines;
    }
    for word in text.split(' ') {
        let w = word.width();
        if used > 0 && used + 1 + w > cells {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        // A word longer than a line is cut where the line ends.
        for g in word.graphemes(true) {
            // What is wider than a whole line cannot be shown at all.
            let g = if g.width() > cells { "?" } else { g };
            let gw = g.width();
            if used + gw > cells && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(g);
            used += gw;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// `text` cut into pieces of at most `cells`, wherever they end: nothing is left out.
pub(super) fn cut(text: &str, cells: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut piece, mut used) = (String::new(), 0);
    for g in text.graphemes(true) {
        if used + g.width() > cells && used > 0 {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        piece.push_str(g);
        used += g.width();
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Draws `line` as row `row` of `area`; rows outside of it are not drawn.
pub(super) fn line(buf: &mut Buffer, area: Rect, row: usize, line: &Line<'_>) {
    let Some(y) = row_y(buf, area, row) else { return };
    buf.set_line(area.x, y, line, area.width);
}

/// Draws `text` from column `x` of row `row` of `area`, at most `cells` wide.
pub(super) fn text(buf: &mut Buffer, area: Rect, row: usize, x: u16, cells: u16, text: &str, style: Style) {
    let Some(y) = row_y(buf, area, row) else { return };
    if x < area.width {
        buf.set_stringn(area.x + x, y, text, usize::from(cells.min(area.width - x)), style);
    }
}

/// Lays `style` over row `row` of `area`.
pub(super) fn restyle(buf: &mut Buffer, area: Rect, row: usize, style: Style) {
    if let Some(y) = row_y(buf, area, row) {
        buf.set_style(Rect { y, height: 1, ..area }, style);
    }
}

/// Draws everything in `area` in one quiet style: something lies over it.
pub(super) fn fade(buf: &mut Buffer, area: Rect, theme: &Theme) {
    let quiet = theme.style(Role::Text).patch(theme.style(Role::Muted));
    buf.set_style(area.intersection(buf.area), Style::reset().patch(quiet));
}

/// Leaves nothing but the theme's ground in `area`: something else will be drawn there.
pub(super) fn clear(buf: &mut Buffer, area: Rect, theme: &Theme) {
    Clear.render(area, buf);
    buf.set_style(area.intersection(buf.area), theme.style(Role::Text));
}

fn row_y(buf: &Buffer, area: Rect, row: usize) -> Option<u16> {
    let y = area.y.checked_add(u16::try_from(row).ok()?)?;
    let inside = area.width > 0 && y < area.bottom() && area.intersection(buf.area) == area;
    inside.then_some(y)
}

/// The part of `area` right of its first `columns` columns.
pub(super) fn indent(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// The rows of `area` from `from`, at most `rows`.
pub(super) fn rows(area: Rect, from: u16, rows: u16) -> Rect {
    let from = from.min(area.height);
    Rect { y: area.y + from, height: rows.min(area.height - from), ..area }
}

/// A bar of `cells` cells filled by `share`; anything above nothing shows at least one cell.
pub(super) fn bar(share: f64, cells: usize, signs: [&str; 2]) -> (String, String) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mut full = (share * cells as f64).round() as usize;
    if share > 0.0 {
        full = full.max(1);
    }
    let full = full.min(cells);
    (signs[0].repeat(full), signs[1].repeat(cells - full))
}

/// A piece of text in a style.
pub(super) fn span(text: impl Into<String>, style: Style) -> Span<'static> {
    Span::styled(text.into(), style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clipping_counts_cells() {
        assert_eq!(clip("checkout", 8, "…"), "checkout");
        assert_eq!(clip("checkout", 5, "…"), "chec…");
        assert_eq!(clip("結帳服務", 5, "…"), "結帳…");
        assert_eq!(clip("結帳服務", 4, "…"), "結…");
        assert_eq!(clip("ab", 0, "…"), "");
    }

    proptest! {
        #[test]
        fn nothing_clipped_or_wrapped_is_too_wide(s in "\\PC{0,60}", cells in 0usize..30) {
            prop_assert!(clip(&s, cells, "…").width() <= cells);
            for line in wrap(&s, cells.max(2)) {
                prop_assert!(line.width() <= cells.max(2), "{line:?}");
            }
        }

        #[test]
        fn cutting_loses_nothing(s in "\\PC{0,60}", cells in 2usize..30) {
            let pieces = cut(&s, cells);
            prop_assert_eq!(pieces.concat(), s);
            prop_assert!(pieces.iter().all(|p| p.width() <= cells || p.graphemes(true).count() == 1));
        }

        #[test]
        fn wrapping_loses_no_word(words in proptest::collection::vec("[a-z]{1,8}", 1..20), cells in 8usize..40) {
            let text = words.join(" ");
            prop_assert_eq!(wrap(&text, cells).join(" "), text);
        }
    }
}
