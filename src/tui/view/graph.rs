//! Screen 2 on wide terminals: the calls as a graph, callers left of callees.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::call;
use super::fit::{Part, fit};
use super::paint::{self, span};
use super::strokes::{Canvas, Ink, Stroke};
use super::tree::{self, GUTTER};
use crate::domain::{ServiceName, VerdictKind};
use crate::tui::format;
use crate::tui::graph::{BOX_ROWS, Box, PORT, Wire};
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Columns and rows of the screen's body below which there is the tree only.
const LEAST: (u16, u16) = (100, 16);
/// A call that takes so many times longer than normal is drawn thick.
const SLOW: f64 = 2.0;
/// What lines look like, by rank: what must not be overlooked lies above the rest.
const RANKS: [Role; 4] = [Role::Guide, Role::Muted, Role::Suspect, Role::Culprit];
/// Rank of the lines of the selected service.
const CHOSEN: usize = RANKS.len();

/// Why there is no room for it; `None` if there is.
pub(super) fn obstacle(body: Rect) -> Option<String> {
    let (columns, rows) = LEAST;
    (body.width < columns || body.height < rows)
        .then(|| format!("no room for the graph: it needs {columns} columns and {} rows", rows + 3))
}

/// Where the graph stands.
pub(super) fn area(body: Rect) -> Rect {
    let inner = paint::indent(body, GUTTER);
    paint::rows(inner, 2, body.height.saturating_sub(2 + tree::panel_height(body)))
}

/// Where the drawing stands: in the middle, if there is more room than it needs.
fn place(state: &State, body: Rect) -> Rect {
    let area = area(body);
    let cells = |all: usize, room: u16| u16::try_from(all).unwrap_or(u16::MAX).min(room);
    let (width, height) = (cells(state.drawing.width, area.width), cells(state.drawing.height, area.height));
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    Rect { x, y, width, height }
}

/// The service whose box stands at this cell.
pub(super) fn service_at(state: &State, body: Rect, column: u16, row: u16) -> Option<&ServiceName> {
    let area = place(state, body);
    area.contains(Position { x: column, y: row }).then_some(())?;
    let (x, y) = (usize::from(column - area.x) + state.scroll.0, usize::from(row - area.y) + state.scroll.1);
    let here = |b: &&Box| (b.x..b.x + b.width).contains(&x) && (b.y..b.y + BOX_ROWS).contains(&y);
    state.drawing.boxes.iter().find(here).map(|b| &b.service)
}

/// Draws the screen; the tree has lines.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let inner = paint::indent(body, GUTTER);
    heading(state, theme, inner, buf);
    let area = place(state, body);
    let mut canvas = Canvas::new(area, state.scroll);
    // Of a big application most of the calls are out of view.
    let wires = state.drawing.wires.iter().filter(|wire| is_seen(wire, state.scroll, area));
    let wires: Vec<(&Wire, Ink)> = wires.map(|wire| (wire, ink(state, wire))).collect();
    for (wire, ink) in &wires {
        canvas.line(wire.net, &wire.points, *ink);
    }
    let stale = state.picture().staleness(state.now).is_some();
    let style = |rank: usize| match RANKS.get(rank) {
        Some(_) if stale => theme.style(Role::Guide),
        Some(role) => theme.style(*role),
        None => theme.style(Role::Title),
    };
    canvas.draw(area, buf, state.symbols(), style);
    for (wire, (_, rank)) in &wires {
        head(state, &canvas, wire, area, buf, style(*rank));
    }
    for of in &state.drawing.boxes {
        draw_box(state, theme, of, area, stale, buf);
    }
    let from = body.height - tree::panel_height(body);
    call::panel(state, theme, paint::rows(body, from, tree::panel_height(body)), buf);
}

/// Which SLO it is about; what thick and broken lines mean; where there is more.
fn heading(state: &State, theme: &Theme, inner: Rect, buf: &mut Buffer) {
    let symbols = state.symbols();
    let (left, right) = (state.scroll.0 > 0, state.scroll.0 + usize::from(inner.width) < state.drawing.width);
    let page = super::graph_size(state).1;
    let (up, down) = (state.scroll.1 > 0, state.scroll.1 + page < state.drawing.height);
    let more = [left, right, up, down].into_iter().zip(symbols.ways).filter(|(there, _)| *there);
    let more: Vec<_> = more.map(|(_, way)| way).collect();
    let muted = theme.style(Role::Muted);
    let thick = format!("  {} takes {SLOW}x as long as normal or longer", symbols.lines[1][10].repeat(2));
    let broken = format!("  {} not measured", symbols.broken[0].repeat(2));
    let mut parts = tree::title_parts(state, theme);
    parts.push(Part::right(2, vec![span(thick, muted)]).or(Vec::new()));
    parts.push(Part::right(1, vec![span(broken, muted)]).or(Vec::new()));
    if !more.is_empty() {
        parts.push(Part::right(8, vec![span(format!("  more {}", more.join(" ")), theme.style(Role::Key))]));
    }
    paint::line(buf, inner, 0, &fit(parts, usize::from(inner.width), 1));
}

/// Whether any of a call's line can be in the view from `scroll` on.
fn is_seen(wire: &Wire, scroll: (usize, usize), area: Rect) -> bool {
    let overlaps = |at: &dyn Fn(&(usize, usize)) -> usize, from: usize, cells: u16| {
        let (least, most) =
            wire.points.iter().map(at).fold((usize::MAX, 0), |(l, m), v| (l.min(v), m.max(v)));
        least < from + usize::from(cells) && from <= most
    };
    overlaps(&|p| p.0, scroll.0, area.width) && overlaps(&|p| p.1, scroll.1, area.height)
}

/// What a call is drawn with: by how it stands to normal, and whether it is the selected service's.
fn ink(state: &State, wire: &Wire) -> Ink {
    let waits = state.waits(&wire.place);
    let blamed = is_blamed(state, wire);
    let (stroke, rank) = match waits.map(|w| (w.now_ms.is_some(), w.ratio())) {
        _ if blamed => (Stroke::Thick, 3),
        Some((true, Some(ratio))) if ratio >= SLOW => (Stroke::Thick, 2),
        Some((true, _)) => (Stroke::Thin, 1),
        Some((false, _)) | None => (Stroke::Broken, 0),
    };
    let chosen = state.place.as_ref().map(|place| &place.service);
    let own = chosen == Some(&wire.place.service) || chosen == wire.place.parent.as_ref();
    (stroke, if own { CHOSEN } else { rank })
}

/// Whether the verdict's way from the cause to the impact leads over it.
fn is_blamed(state: &State, wire: &Wire) -> bool {
    let Some(verdict) = state.selected_answer().map(|answer| &answer.verdict) else { return false };
    matches!(verdict.kind, VerdictKind::Culprits | VerdictKind::Latent)
        && verdict
            .culprits
            .iter()
            .flat_map(|culprit| culprit.path.windows(2))
            .any(|pair| pair[0] == wire.place.service && Some(&pair[1]) == wire.place.parent.as_ref())
}

/// The head of a call's line, at the callee.
fn head(state: &State, canvas: &Canvas, wire: &Wire, area: Rect, buf: &mut Buffer, style: Style) {
    let (end, sign) = match wire.back {
        false => (wire.points.last(), state.symbols().heads[0]),
        true => (wire.points.first(), state.symbols().heads[1]),
    };
    if let Some((x, y)) = end.and_then(|end| canvas.at(*end))
        && let Some(cell) = buf.cell_mut((area.x + x as u16, area.y + y as u16))
    {
        cell.set_symbol(sign).set_style(style);
    }
}

/// A box, as much of it as is in view.
fn draw_box(state: &State, theme: &Theme, of: &Box, area: Rect, stale: bool, buf: &mut Buffer) {
    let (x, y) = (of.x as isize - state.scroll.0 as isize, of.y as isize - state.scroll.1 as isize);
    let outside = x + of.width as isize <= 0
        || y + BOX_ROWS as isize <= 0
        || x >= area.width as isize
        || y >= area.height as isize;
    if outside {
        return;
    }
    let whole = Rect::new(0, 0, of.width as u16, BOX_ROWS as u16);
    let mut drawn = Buffer::empty(whole);
    drawn.set_style(whole, theme.style(Role::Text));
    fill(state, theme, of, stale, &mut drawn);
    for row in 0..whole.height {
        for column in 0..whole.width {
            let (to_x, to_y) = (x + column as isize, y + row as isize);
            let inside =
                (0..area.width as isize).contains(&to_x) && (0..area.height as isize).contains(&to_y);
            if !inside {
                continue;
            }
            let mut cell = drawn[(column, row)].clone();
            // Half a wide character cannot be shown.
            if to_x as usize + paint::width(cell.symbol()) > usize::from(area.width) {
                cell.set_symbol(" ");
            }
            buf[(area.x + to_x as u16, area.y + to_y as u16)] = cell;
        }
    }
}

/// Name, latency and how it stands out.
fn fill(state: &State, theme: &Theme, of: &Box, stale: bool, buf: &mut Buffer) {
    let symbols = state.symbols();
    let Some(row) = state.tree.rows().get(of.row) else { return };
    let chosen = state.place.as_ref().is_some_and(|place| place.service == of.service);
    let view = tree::view_of(state, &of.service);
    let mark = tree::mark(state, &of.service, view);
    // Nothing of the frame's style stays under a text.
    let on = |role: Role| Style::reset().patch(theme.style(Role::Text)).patch(theme.style(role));
    let style = |role: Role| on(if stale { Role::Stale } else { role });
    let role = match &mark {
        Some((_, role)) => *role,
        None if !row.instrumented => Role::Muted,
        None => Role::Text,
    };
    let frame = match (&mark, chosen) {
        (_, true) => on(Role::Title),
        (Some((_, role)), false) => style(*role),
        (None, false) => on(Role::Guide),
    };
    let area = buf.area;
    frame_of(state, of, chosen, frame, buf);
    let cells = usize::from(area.width).saturating_sub(4);
    let sign = if chosen { format!("{} ", symbols.cursor) } else { String::new() };
    let room = cells.saturating_sub(paint::width(&sign));
    let name = paint::clip(of.service.as_str(), room, symbols.ellipsis);
    let title = format!(" {sign}{name} ");
    let name = if chosen && mark.is_none() && !stale { on(Role::Title) } else { style(role) };
    paint::text(buf, area, 0, 1, area.width - 2, &title, name);

    let reading = state.slo.as_ref().and_then(|slo| state.picture().serves(slo, &of.service));
    let reading = reading.filter(|r| r.now_ms.is_some()).or_else(|| state.waits(&row.place));
    let marked = mark.as_ref().map_or(Role::Text, |(_, role)| *role);
    let own = tree::own(row, view);
    let muted = style(Role::Muted);
    let mut parts = vec![
        Part::left(
            9,
            vec![span(format!("{:>7}", format::latency(reading.and_then(|r| r.now_ms))), style(marked))],
        ),
        Part::left(
            8,
            vec![span(format!("{:>5}", format::factor(reading.and_then(|r| r.ratio()))), style(marked))],
        ),
    ];
    if row.folded {
        parts.push(Part::right(
            7,
            vec![span(format!("{}{}", symbols.folded, row.children), theme.style(Role::Key))],
        ));
    } else if own != format::NONE && row.children > 0 {
        parts.push(Part::right(5, vec![span(format!("own {own}"), muted)]).or(vec![span(own, muted)]));
    }
    let inside = Rect { x: 2, y: 1, width: area.width - 4, height: 1 };
    paint::line(buf, inside, 0, &fit(parts, usize::from(inside.width), 1));

    let mut words: Vec<String> = mark.iter().map(|(text, _)| text.clone()).collect();
    if !row.instrumented {
        words.push("no telemetry".to_owned());
    }
    if !words.is_empty() {
        let words = paint::clip(&words.join(", "), cells, symbols.ellipsis).into_owned();
        let role = mark.as_ref().map_or(Role::Muted, |(_, role)| *role);
        paint::text(buf, area, 2, 1, area.width - 2, &format!(" {words} "), style(role));
    }
    if chosen {
        for row in 0..BOX_ROWS {
            paint::restyle(buf, area, row, theme.style(Role::Selected));
        }
    }
}

/// The sides of a box, thick if it is selected, with the places where lines leave and arrive.
fn frame_of(state: &State, of: &Box, chosen: bool, style: Style, buf: &mut Buffer) {
    let lines = &state.symbols().lines[usize::from(chosen)];
    let area = buf.area;
    let across = lines[10].repeat(usize::from(area.width).saturating_sub(2));
    let leaves = |back: bool| {
        let from_here = |w: &Wire| match back {
            true => w.place.service == of.service,
            false => w.place.parent.as_ref() == Some(&of.service),
        };
        state.drawing.wires.iter().any(|w| w.back == back && from_here(w))
    };
    let right = [
        lines[12],
        if leaves(false) { lines[7] } else { lines[5] },
        if leaves(true) { lines[11] } else { lines[9] },
    ];
    for (row, left) in [lines[6], lines[5], lines[3]].into_iter().enumerate() {
        let between = if row == PORT { " ".repeat(across.chars().count()) } else { across.clone() };
        paint::text(buf, area, row, 0, area.width, &format!("{left}{between}{}", right[row]), style);
    }
}
