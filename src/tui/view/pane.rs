//! What a text of many lines is drawn with, and lines that hang under a label.

use std::borrow::Cow;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use crate::tui::state::State;
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};

/// What the lines of a text are made with.
#[derive(Clone, Copy)]
pub(super) struct Pane<'a> {
    pub(super) state: &'a State,
    pub(super) theme: &'a Theme,
    pub(super) symbols: &'static Symbols,
    /// Cells of a line.
    pub(super) width: usize,
    /// Whether there is so little room that only the essential is said.
    pub(super) compact: bool,
}

impl<'a> Pane<'a> {
    pub(super) fn new(state: &'a State, theme: &'a Theme, width: u16) -> Self {
        let compact = state.size.1 < 16;
        Self { state, theme, symbols: state.symbols(), width: usize::from(width), compact }
    }

    pub(super) fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// The same with lines that are `cells` shorter.
    pub(super) fn narrower(&self, cells: usize) -> Self {
        Self { width: self.width.saturating_sub(cells), ..*self }
    }

    /// `text` with arrows as they can be drawn.
    pub(super) fn plain<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.state.ascii {
            Cow::Owned(text.replace(Symbols::UNICODE.arrow, self.symbols.arrow))
        } else {
            text.into()
        }
    }

    pub(super) fn clip(&self, text: &str, cells: usize) -> String {
        paint::clip(&self.plain(text), cells, self.symbols.ellipsis).into_owned()
    }

    /// `text` in lines of the right width.
    pub(super) fn wrapped(&self, text: &str, style: Style) -> Vec<Line<'static>> {
        let text = self.plain(text);
        paint::wrap(&text, self.width).into_iter().map(|l| Line::from(span(l, style))).collect()
    }

    /// `text` right of `label`; its further lines stand below its first.
    pub(super) fn hanging(&self, label: Vec<Span<'static>>, text: &str, style: Style) -> Vec<Line<'static>> {
        let cells: usize = label.iter().map(|s| paint::width(&s.content)).sum();
        // A label that takes half of the line stands above its text.
        let indent = if cells > self.width / 2 { 2.min(self.width) } else { cells };
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut lead = Line::from(label);
        if indent != cells {
            lines.push(std::mem::take(&mut lead));
            lead = Line::from(" ".repeat(indent));
        }
        for text in self.narrower(indent).wrapped(text, style) {
            let mut line = std::mem::replace(&mut lead, Line::from(" ".repeat(indent)));
            line.spans.extend(text.spans);
            lines.push(line);
        }
        lines
    }

    /// A heading within the text.
    pub(super) fn heading(&self, text: &str) -> Line<'static> {
        Line::from(span(text, self.style(Role::Title)))
    }
}
