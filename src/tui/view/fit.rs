//! One line made of parts of different importance: what does not fit is shortened, then left out.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// A part of a line.
pub(super) struct Part {
    /// The wordings, longest first; the last may be empty.
    pub(super) forms: Vec<Vec<Span<'static>>>,
    /// Parts with a lower number give way first.
    pub(super) weight: u8,
    /// Whether it stands at the right end.
    pub(super) right: bool,
}

impl Part {
    /// A part on the left with one wording.
    pub(super) fn left(weight: u8, spans: Vec<Span<'static>>) -> Self {
        Self { forms: vec![spans], weight, right: false }
    }

    /// A part on the right with one wording.
    pub(super) fn right(weight: u8, spans: Vec<Span<'static>>) -> Self {
        Self { forms: vec![spans], weight, right: true }
    }

    /// Adds a shorter wording.
    pub(super) fn or(mut self, spans: Vec<Span<'static>>) -> Self {
        self.forms.push(spans);
        self
    }
}

fn width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|s| s.content.width()).sum()
}

/// The parts in one line of `cells` cells, `gap` cells apart.
pub(super) fn fit(parts: Vec<Part>, cells: usize, gap: usize) -> Line<'static> {
    // Which wording of each part is used; past the last means left out.
    let mut form = vec![0usize; parts.len()];
    let total = |form: &[usize]| -> usize {
        let used: Vec<_> =
            parts.iter().zip(form).filter_map(|(p, f)| p.forms.get(*f)).map(|s| width(s)).collect();
        let used: Vec<_> = used.into_iter().filter(|w| *w > 0).collect();
        used.iter().sum::<usize>() + gap * used.len().saturating_sub(1)
    };
    while total(&form) > cells {
        // First every part is shortened, least important first; then parts are dropped.
        let shorter = (0..parts.len())
            .filter(|i| form[*i] + 1 < parts[*i].forms.len())
            .min_by_key(|i| parts[*i].weight);
        let gone =
            || (0..parts.len()).filter(|i| form[*i] < parts[*i].forms.len()).min_by_key(|i| parts[*i].weight);
        match shorter.or_else(gone) {
            Some(i) => form[i] += 1,
            None => break,
        }
    }
    let free = cells.saturating_sub(total(&form));
    let mut line = Line::default();
    let mut filled = false;
    for (part, form) in parts.into_iter().zip(form) {
        let Some(spans) = part.forms.into_iter().nth(form).filter(|s| width(s) > 0) else { continue };
        let has_text = !line.spans.is_empty();
        if part.right && !filled {
            filled = true;
            line.push_span(Span::raw(" ".repeat(free + if has_text { gap } else { 0 })));
        } else if has_text {
            line.push_span(Span::raw(" ".repeat(gap)));
        }
        for span in spans {
            line.push_span(span);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        vec![
            Part::left(3, vec!["important".into()]),
            Part::left(1, vec!["decoration".into()]).or(vec!["deco".into()]),
            Part::right(2, vec!["right".into()]),
        ]
    }

    #[test]
    fn the_least_important_gives_way_first() {
        assert_eq!(fit(parts(), 30, 1).to_string(), "important decoration     right");
        assert_eq!(fit(parts(), 20, 1).to_string(), "important deco right");
        assert_eq!(fit(parts(), 16, 1).to_string(), "important  right");
        assert_eq!(fit(parts(), 10, 1).to_string(), "important");
        assert_eq!(fit(parts(), 3, 1).to_string(), "");
    }
}
