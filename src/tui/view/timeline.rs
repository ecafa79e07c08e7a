//! What happened: a line of time with the incidents on it, and below it every single thing, newest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::paint::{self, span};
use super::table::{Column, Grid};
use crate::domain::Timestamp;
use crate::tui::format;
use crate::tui::picture::since;
use crate::tui::state::{Screen, State};
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};
use crate::tui::timeline::{Happening, Kind};

/// Cells left of the table for the cursor.
const GUTTER: u16 = 2;

/// Lines above the table: the line of time with its ends, and the headings.
fn head_height(body: Rect) -> u16 {
    match body.height {
        0..3 => 0,
        3..10 => 1,
        _ => 5,
    }
}

/// Where the lines of the table stand.
pub(super) fn list_area(body: Rect) -> Rect {
    let head = head_height(body);
    paint::rows(body, head, body.height - head)
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let rows = state.happenings();
    if rows.is_empty() {
        return empty(state, theme, body, buf);
    }
    let (list, symbols) = (list_area(body), state.symbols());
    let table = paint::indent(list, GUTTER);
    let grid = Grid::new(
        vec![
            Column::left("UTC", 11, 8),
            Column::right("ago", 5, 5),
            Column::left("", 10, 9),
            Column::right("lasted", 7, 4),
            Column::left("what", 12, 10).up_to(table.width),
        ],
        table.width,
    );
    let head = head_height(body);
    if head > 1 {
        axis(state, theme, &rows, paint::rows(paint::indent(body, GUTTER), 0, 3), buf);
    }
    if head > 0 {
        let area = paint::rows(paint::indent(body, GUTTER), head - 1, 1);
        grid.headings(buf, area, 0, theme.style(Role::Muted), symbols.ellipsis);
    }
    let shown = state.picture().snapshot.as_ref().filter(|s| s.frozen).map(|s| s.at);
    let page = rows.iter().skip(state.list().offset).take(usize::from(list.height));
    for (y, h) in page.enumerate() {
        let (sign, role) = sign(h, symbols);
        let mut cell = |i: usize, text: &str, role: Role| {
            grid.cell(buf, table, y, i, text, theme.style(role), symbols.ellipsis);
        };
        cell(
            0,
            &h.at.strftime("%m-%d %H:%M").to_string(),
            if shown == Some(h.at) { Role::Frozen } else { Role::Text },
        );
        cell(1, &format::age(since(h.at, state.now)), Role::Muted);
        cell(2, &format!("{sign} {}", h.kind.word()), role);
        cell(3, &lasted(h), Role::Muted);
        let text = h.text.replace(Symbols::UNICODE.arrow, symbols.arrow);
        cell(4, &text, if h.kind == Kind::Incident { Role::Over } else { Role::Text });
        if state.timeline.selected.as_ref() == Some(&h.name()) {
            paint::text(buf, list, y, 0, 1, symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
}

fn sign(h: &Happening, symbols: &'static Symbols) -> (&'static str, Role) {
    match h.kind {
        Kind::Incident if h.going_on => (symbols.breached, Role::Breached),
        Kind::Incident => (symbols.breached, Role::Over),
        Kind::Verdict => (symbols.culprit, Role::Culprit),
        Kind::Change => (symbols.suspect, Role::Suspect),
        Kind::Model => (symbols.dot, Role::Muted),
        Kind::Action => (symbols.middle, Role::Notice),
    }
}

fn lasted(h: &Happening) -> String {
    match (h.until, h.going_on) {
        (_, true) => "goes on".to_owned(),
        (Some(until), _) => format::age(since(h.at, until)),
        (None, false) => String::new(),
    }
}

/// The line of time from the oldest of `rows` to now, or to the last window of a past far back.
fn axis(state: &State, theme: &Theme, rows: &[Happening], area: Rect, buf: &mut Buffer) {
    let (Some(oldest), symbols) = (rows.iter().map(|h| h.at).min(), state.symbols()) else { return };
    let history = state.live.history.as_ref().and_then(|h| h.from);
    let from = history.map_or(oldest, |from| from.min(oldest));
    let until = state.live.history.as_ref().and_then(|h| h.until);
    let shown = state.picture().snapshot.as_ref().filter(|s| s.frozen).map(|s| s.at);
    // A day of last month would be a dot on a line that leads to now.
    let far = until.filter(|until| shown.is_some() && since(*until, state.now) > since(from, *until));
    let to = far.map_or(state.now, |until| shown.map_or(until, |shown| shown.max(until)));
    let cells = usize::from(area.width);
    let span_s = to.duration_since(from).as_secs_f64().max(1.0);
    if cells < 20 {
        return;
    }
    let x = |at: Timestamp| {
        let share = (at.duration_since(from).as_secs_f64() / span_s).clamp(0.0, 1.0);
        (share * (cells - 1) as f64).round() as usize
    };
    let rule = symbols.rule.repeat(cells);
    paint::text(buf, area, 1, 0, area.width, &rule, theme.style(Role::Guide));
    let mut put = |row: usize, at: usize, sign: &str, role: Role| {
        paint::text(buf, area, row, u16::try_from(at).unwrap_or(u16::MAX), 1, sign, theme.style(role));
    };
    for h in rows.iter().filter(|h| h.kind == Kind::Incident) {
        let end = h.until.unwrap_or(if h.going_on { to } else { h.at });
        (x(h.at)..=x(end)).for_each(|at| put(1, at, symbols.interval, Role::Over));
    }
    for h in rows.iter().filter(|h| h.kind != Kind::Incident && h.at <= to) {
        let (sign, role) = sign(h, symbols);
        put(0, x(h.at), sign, role);
    }
    if let Some(at) = shown {
        put(1, x(at), symbols.wall, Role::Frozen);
    }
    let muted = theme.style(Role::Muted);
    paint::text(buf, area, 2, 0, area.width, &from.strftime("%m-%d %H:%M").to_string(), muted);
    let right = if far.is_some() { to.strftime("%m-%d %H:%M").to_string() } else { "now".to_owned() };
    let cells_right = right.len() as u16;
    paint::text(buf, area, 2, area.width - cells_right, cells_right, &right, muted);
    if let Some(at) = shown {
        let text = "here";
        let at = x(at).clamp(12, cells.saturating_sub(usize::from(cells_right) + 6).max(12));
        paint::text(buf, area, 2, u16::try_from(at).unwrap_or(u16::MAX), 4, text, theme.style(Role::Frozen));
    }
}

/// Nothing to list: why.
fn empty(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let filtered = !state.lists[Screen::Timeline as usize].filter.value().is_empty();
    let text = match (filtered, &state.live.history) {
        (true, _) => "Nothing that happened contains that.",
        (false, None) => "Reading what happened.",
        (false, Some(_)) => {
            "Nothing happened as far back as windows are stored: no objective was violated, nothing was asked and nothing done."
        }
    };
    let inner = paint::indent(body, GUTTER);
    for (y, line) in paint::wrap(text, usize::from(inner.width)).into_iter().enumerate() {
        paint::line(buf, inner, y + 1, &Line::from(span(line, theme.style(Role::Title))));
    }
}
