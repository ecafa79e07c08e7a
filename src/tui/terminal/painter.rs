//! Puts frames on the terminal: only the cells that changed, in one write, inside a synchronized
//! update; nothing at all if nothing changed.

use std::io::{self, Write};

use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Remembers what the terminal shows.
#[derive(Debug, Default)]
pub struct Painter {
    shown: Buffer,
    next: Buffer,
    /// Whether `shown` is what the terminal shows.
    known: bool,
}

impl Painter {
    /// Forgets what the terminal shows: the next frame is drawn completely.
    pub fn forget(&mut self) {
        self.known = false;
    }

    /// Draws a frame of `area` with `draw` and sends what changed to `out`.
    /// Returns whether anything was sent.
    ///
    /// # Errors
    /// The terminal does not take the bytes.
    pub fn paint(
        &mut self,
        out: &mut impl Write,
        area: Rect,
        draw: impl FnOnce(Rect, &mut Buffer),
    ) -> io::Result<bool> {
        let whole = !self.known || self.shown.area != area;
        if whole {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
        }
        self.next.reset();
        draw(area, &mut self.next);
        let mut changes = self.shown.diff_iter(&self.next).peekable();
        if changes.peek().is_none() && !whole {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(4096);
        queue!(bytes, BeginSynchronizedUpdate)?;
        if whole {
            queue!(bytes, Clear(ClearType::All))?;
        }
        CrosstermBackend::new(&mut bytes).draw(changes)?;
        queue!(bytes, EndSynchronizedUpdate)?;
        // If the write fails halfway, nobody knows what is on the terminal.
        self.known = false;
        out.write_all(&bytes)?;
        out.flush()?;
        self.known = true;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ratatui::style::Style;

    use super::*;

    fn write(text: &'static str) -> impl FnOnce(Rect, &mut Buffer) {
        move |area, buf| {
            buf.set_stringn(0, 0, text, usize::from(area.width), Style::new());
        }
    }

    #[test]
    fn an_unchanged_frame_sends_nothing() {
        let (mut painter, mut out) = (Painter::default(), Vec::new());
        let area = Rect::new(0, 0, 20, 2);
        assert!(painter.paint(&mut out, area, write("hello")).unwrap());
        let text = String::from_utf8(std::mem::take(&mut out)).unwrap();
        assert!(text.starts_with("\x1b[?2026h\x1b[2J") && text.ends_with("\x1b[?2026l"), "{text:?}");

        assert!(!painter.paint(&mut out, area, write("hello")).unwrap());
        assert!(out.is_empty());

        assert!(painter.paint(&mut out, area, write("hallo")).unwrap());
        let text = String::from_utf8(std::mem::take(&mut out)).unwrap();
        assert!(text.contains('a') && !text.contains("llo"), "{text:?}");
        assert!(out.len() < 100);
    }

    #[test]
    fn what_was_longer_before_is_blanked_and_a_new_size_draws_all() {
        let (mut painter, mut out) = (Painter::default(), Vec::new());
        let size = |n| std::num::NonZero::new(n).unwrap();
        let mut screen = vt100::Parser::new(size(2), size(20), 0);
        for (area, text) in [
            (Rect::new(0, 0, 20, 2), "a long line"),
            (Rect::new(0, 0, 20, 2), "short"),
            (Rect::new(0, 0, 10, 1), "small"),
        ] {
            painter.paint(&mut out, area, write(text)).unwrap();
            screen.process(&std::mem::take(&mut out));
            assert_eq!(screen.screen().contents().trim_end(), text);
        }
        painter.forget();
        assert!(painter.paint(&mut out, Rect::new(0, 0, 10, 1), write("small")).unwrap());
    }

    #[test]
    fn no_cells_at_all_are_fine() {
        let (mut painter, mut out) = (Painter::default(), Vec::new());
        painter.paint(&mut out, Rect::new(0, 0, 0, 0), |_, _| {}).unwrap();
        assert!(!painter.paint(&mut out, Rect::new(0, 0, 0, 0), |_, _| {}).unwrap());
    }
}
