//! The dialog before a change: the plan as a text that scrolls, the fields to type in, the buttons.

mod arming;
mod plan;

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};
use tui_input::Input;

pub(super) use arming::draw as draw_arming;

use super::fit::{Part, fit};
use super::paint::{self, span};
use super::pane::Pane;
use crate::domain::Clean;
use crate::tui::remedy_words as words;
use crate::tui::review::{Focus, Go, Review, Wanted};
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Widest the dialog gets.
const WIDEST: u16 = 100;

/// How much of the plan there is to read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::tui) struct Extent {
    /// Its lines.
    pub(in crate::tui) lines: usize,
    /// Those that must have been on the screen before it can be approved.
    pub(in crate::tui) needed: usize,
    /// Lines that are visible at once.
    pub(in crate::tui) page: usize,
}

/// The dialog, laid out.
struct Parts {
    outer: Rect,
    /// The plan.
    text: Rect,
    /// A line between the plan and what is below it.
    rule: Rect,
    fields: Rect,
    /// Why Apply does nothing, or that it would.
    status: Rect,
    buttons: Rect,
    lines: Vec<Line<'static>>,
    /// How many of the lines must have been on the screen.
    needed: usize,
}

fn parts(state: &State, theme: &Theme, review: &Review, area: Rect) -> Parts {
    let width = area.width.min(WIDEST);
    let margin = Margin { horizontal: if width < 60 { 1 } else { 2 }, vertical: 1 };
    let outer = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    let inner = outer.inner(margin);
    // The buttons and fields are there as long as anything is; the rest belongs to the plan.
    let buttons = 1.min(inner.height);
    let fields = u16::try_from(review.fields.len()).unwrap_or(0).min(inner.height - buttons);
    let rule = u16::from(inner.height >= 12);
    let status = u16::from(inner.height >= 8);
    let room = inner.height.saturating_sub(buttons + fields + rule + status);
    let (lines, needed) = plan::lines(&Pane::new(state, theme, inner.width), &review.plan);
    let text = room.min(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let spare = room - text;
    let outer = Rect { y: outer.y + spare / 2, height: outer.height - spare, ..outer };
    let inner = outer.inner(margin);
    let mut from = 0;
    let mut take = |height: u16| {
        let part = paint::rows(inner, from, height);
        from += height;
        part
    };
    Parts {
        outer,
        text: take(text),
        rule: take(rule),
        fields: take(fields),
        status: take(status),
        buttons: take(buttons),
        lines,
        needed,
    }
}

/// How much of the plan there is to read.
pub(super) fn extent(state: &State, area: Rect) -> Extent {
    let Some(review) = &state.review else { return Extent::default() };
    let parts = parts(state, state.themes.current(), review, area);
    Extent { lines: parts.lines.len(), needed: parts.needed, page: usize::from(parts.text.height) }
}

/// Draws the dialog into `area`, the part of the screen between header and footer.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(review) = &state.review else { return };
    let parts = parts(state, theme, review, area);
    if parts.outer.height < 3 || parts.outer.width < 4 {
        return;
    }
    paint::fade(buf, area, theme);
    paint::clear(buf, parts.outer, theme);
    let c = Pane::new(state, theme, parts.text.width);
    frame(&c, review, &parts, buf);
    let shown = parts.lines.iter().skip(review.offset).take(usize::from(parts.text.height));
    for (y, line) in shown.enumerate() {
        paint::line(buf, parts.text, y, line);
    }
    let rule = c.symbols.rule.repeat(c.width);
    paint::text(buf, parts.rule, 0, 0, parts.rule.width, &rule, c.style(Role::Guide));
    for (i, (wanted, input)) in review.fields.iter().enumerate() {
        let focused = review.focus == Focus::Field(i) && state.arming.is_none();
        let label = match wanted {
            Wanted::Name => format!("type {}", Clean::new(review.name().unwrap_or_default())),
            wanted => wanted.label().to_owned(),
        };
        let line = field(&c, &label, input, focused, review.is_filled(i));
        paint::line(buf, parts.fields, i, &line);
    }
    paint::line(buf, parts.status, 0, &status(&c, review));
    paint::line(buf, parts.buttons, 0, &buttons(&c, review));
}

fn frame(c: &Pane<'_>, review: &Review, parts: &Parts, buf: &mut Buffer) {
    let plan = &review.plan;
    let what = if plan.undoes.is_some() { "Undo" } else { "Review" };
    let expired = review.go == Go::Again;
    let left = match expired {
        true => " expired ".to_owned(),
        false => format!(" expires in {} ", words::left(plan.expires, c.state.now)),
    };
    let room = usize::from(parts.outer.width).saturating_sub(paint::width(&left) + 8);
    let title = c.clip(&format!("{what}: {}", words::title(plan.kind, &plan.target)), room);
    let (lines, page) = (parts.lines.len(), usize::from(parts.text.height));
    let more = match lines > page {
        true => format!(" {}-{} of {lines} ", review.offset + 1, (review.offset + page).min(lines)),
        false => String::new(),
    };
    let role = if expired { Role::Failure } else { Role::Muted };
    let border = if review.go == Go::Apply { Role::Burning } else { Role::Guide };
    Block::bordered()
        .border_set(super::help::border(c.state))
        .border_style(c.style(border).remove_modifier(Modifier::BOLD))
        .title(span(format!(" {title} "), c.style(Role::Title)))
        .title(Line::from(span(left, c.style(role))).right_aligned())
        .title_bottom(Line::from(span(more, c.style(Role::Muted))).right_aligned())
        .render(parts.outer, buf);
}

/// A label, and what was typed after it.
fn field(c: &Pane<'_>, label: &str, input: &Input, focused: bool, filled: bool) -> Line<'static> {
    let role = if focused { Role::Key } else { Role::Muted };
    let sign = if filled { c.symbols.ok } else { c.symbols.unknown };
    let mut line = Line::from(vec![
        span(format!("{sign} "), c.style(if filled { Role::Ok } else { Role::Unknown })),
        span(format!("{label}: "), c.style(role)),
    ]);
    let room = c.width.saturating_sub(line.width() + 1);
    let typed = Clean::new(input.value());
    // The end of what was typed matters: the beginning gives way.
    let mut shown = typed.as_str();
    while paint::width(shown) > room {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    line.push_span(span(shown, Style::new().add_modifier(Modifier::UNDERLINED)));
    if focused {
        line.push_span(span(" ", Style::new().add_modifier(Modifier::REVERSED)));
    }
    line
}

fn status(c: &Pane<'_>, review: &Review) -> Line<'static> {
    let held = review.held_back(c.state.now, c.state.live.engine_gone);
    let (text, role) = match held {
        Some(why) => {
            let role = if review.go == Go::Again { Role::Failure } else { Role::Muted };
            (format!("Nothing runs yet: {why}."), role)
        }
        None if review.focus == Focus::Go => ("Enter runs exactly what is shown.".to_owned(), Role::Burning),
        None => ("Nothing runs before Apply is chosen.".to_owned(), Role::Muted),
    };
    Line::from(span(c.clip(&text, c.width), c.style(role)))
}

fn buttons(c: &Pane<'_>, review: &Review) -> Line<'static> {
    let ready = review.held_back(c.state.now, c.state.live.engine_gone).is_none();
    let button = |label: &str, focus: Focus, live: bool| -> Vec<Span<'static>> {
        let focused = review.focus == focus && c.state.arming.is_none();
        let style = match (focused, live) {
            (true, _) => c.style(Role::Key).add_modifier(Modifier::REVERSED),
            (false, true) => c.style(Role::Text),
            (false, false) => c.style(Role::Muted),
        };
        let mark = if focused { c.symbols.cursor } else { " " };
        vec![span(mark, c.style(Role::Key)), span(format!("[ {label} ]"), style)]
    };
    let go = button(review.go.label(), Focus::Go, ready || review.go != Go::Apply);
    let parts = vec![
        Part::left(9, button("Cancel", Focus::Cancel, true)),
        Part::left(8, go),
        Part::right(1, vec![span(format!("sha-256 {}", review.plan.digest), c.style(Role::Muted))]),
    ];
    fit(parts, c.width, 1)
}
