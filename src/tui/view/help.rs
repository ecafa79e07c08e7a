//! The help over the screen: every action with its keys, and what the signs mean.

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::text::Line;
use ratatui::widgets::{Block, Widget};

use super::paint::{self, span};
use crate::domain::SloState;
use crate::tui::action::{Action, Group, Scope};
use crate::tui::state::State;
use crate::tui::theme::{Role, Theme};

/// Fewest and most cells of a column, and the cells between two of them.
const COLUMN: (u16, u16) = (72, 84);
const BETWEEN: u16 = 4;

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// The signs of a frame.
pub(super) fn border(state: &State) -> border::Set<'static> {
    if state.ascii { ASCII_BORDER } else { border::PLAIN }
}

/// How many columns of text there is room for, and their width.
fn columns(area: Rect) -> (u16, u16) {
    let room = area.width.saturating_sub(4);
    let count = ((room + BETWEEN) / (COLUMN.0 + BETWEEN)).max(1);
    (count, ((room + BETWEEN) / count).saturating_sub(BETWEEN).min(COLUMN.1))
}

/// The most room there is for the box; small screens are covered completely.
fn outer(area: Rect) -> Rect {
    let (count, width) = columns(area);
    let width = (count * (width + BETWEEN) - BETWEEN + 4).min(area.width);
    let margin = u16::from(area.height > 16);
    Rect { x: area.x + (area.width - width) / 2, y: area.y + margin, width, height: area.height - 2 * margin }
}

/// Where the text stands.
fn inner(outer: Rect) -> Rect {
    outer.inner(Margin { horizontal: 2, vertical: 1 })
}

/// Lines that are visible at once.
pub(super) fn page(area: Rect) -> usize {
    usize::from(inner(outer(area)).height) * usize::from(columns(area).0)
}

/// The first line of every column and the rows they take, if all of it fits at once: groups stay whole, and the
/// columns are as even as that allows.
fn spread(lines: &[HelpLine], count: usize, most: usize) -> Option<(Vec<usize>, usize)> {
    let heads: Vec<usize> =
        (0..lines.len()).filter(|i| matches!(lines[*i], HelpLine::Heading(_))).chain([lines.len()]).collect();
    let fill = |rows: usize| {
        let mut starts = vec![0];
        for pair in heads.windows(2) {
            // The blank line after a group may fall off the end of its column.
            let blank = matches!(lines[pair[1] - 1], HelpLine::Blank);
            let end = pair[1] - usize::from(blank);
            if end - starts.last()? > rows {
                starts.push(pair[0]);
            }
            if end - pair[0] > rows {
                return None;
            }
        }
        (starts.len() <= count).then_some((starts, rows))
    };
    (lines.len().div_ceil(count.max(1))..=most).find_map(fill)
}

/// A line of the help, not styled yet.
#[derive(Debug)]
pub(super) enum HelpLine {
    /// A heading.
    Heading(String),
    /// Keys or a sign, and what it does or means.
    Entry(String, String),
    /// Nothing.
    Blank,
}

/// All lines, wrapped to the width there is.
pub(super) fn lines(state: &State) -> Vec<HelpLine> {
    let width = usize::from(columns(super::screen_area(state)).1);
    let keys_width = keys_width(width);
    let mut out = Vec::new();
    let entry = |out: &mut Vec<HelpLine>, keys: &str, text: &str| {
        let keys = paint::clip(keys, keys_width, state.symbols().ellipsis).into_owned();
        let mut texts = paint::wrap(text, width.saturating_sub(keys_width + 1)).into_iter();
        out.push(HelpLine::Entry(keys, texts.next().unwrap_or_default()));
        out.extend(texts.map(|t| HelpLine::Entry(String::new(), t)));
    };
    // What is only of use here comes first: mostly that is what one looks for.
    let here = |action: &Action| matches!(action.scope(), Scope::On(_)) && action.applies(state.screen);
    let group = |group: Option<Group>| {
        Action::ALL.iter().filter(move |a| here(a) == group.is_none() && group.is_none_or(|g| a.group() == g))
    };
    for heading in std::iter::once(None).chain(Group::ALL.into_iter().map(Some)) {
        if group(heading).next().is_none() {
            continue;
        }
        out.push(HelpLine::Heading(
            heading.map_or_else(|| format!("Only here: {}", state.screen.title()), |g| g.title().to_owned()),
        ));
        for action in group(heading) {
            let keys: Vec<_> = state.keymap.keys(*action).iter().map(|k| k.label(state.ascii)).collect();
            let keys = if keys.is_empty() { "(no key)".to_owned() } else { keys.join(" ") };
            let text = match action.scope() {
                _ if heading.is_none() => action.help().to_owned(),
                Scope::Anywhere => action.help().to_owned(),
                Scope::On(screens) => {
                    let titles: Vec<_> = screens.iter().map(|s| s.title()).collect();
                    format!("{}: {}", titles.join(", "), action.help())
                }
            };
            entry(&mut out, &keys, &text);
        }
        out.push(HelpLine::Blank);
    }
    out.push(HelpLine::Heading("Signs".to_owned()));
    for (sign, text) in signs(state) {
        entry(&mut out, &sign, text);
    }
    out
}

fn signs(state: &State) -> Vec<(String, &'static str)> {
    let s = state.symbols();
    let slo = |state: SloState| format!("{} {}", s.slo(state), state.word());
    vec![
        (slo(SloState::Ok), "Objective met, the error budget burns slowly."),
        (slo(SloState::Burning), "Objective met, but the error budget burns too fast."),
        (slo(SloState::Breached), "Objective violated."),
        (slo(SloState::Unknown), "No data, or data too old to tell. Never good."),
        (format!("{} culprit", s.culprit), "Named by the verdict."),
        (format!("{} suspect", s.suspect), "Its own part of the latency is unusual: less than 1 in 100."),
        (format!("{0}{1}{0}", s.interval, s.middle), "A predicted tail: its 90 % interval and its middle."),
        (format!("{} {}", s.wall, s.measured), "On its scale: the objective, and the tail now or after."),
        (s.spark.concat(), "Recent latency. Half height is the objective: what is taller violates it."),
    ]
}

fn keys_width(width: usize) -> usize {
    (width / 3).clamp(6, 24)
}

/// Draws the help over `area`.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (lines, page, mut outer) = (lines(state), page(area), outer(area));
    let (count, width) = columns(area);
    let offset = state.help.unwrap_or(0);
    let most = usize::from(inner(outer).height);
    let (starts, rows) = match spread(&lines, usize::from(count), most) {
        Some((starts, rows)) if count > 1 => {
            outer.height = u16::try_from(rows + 2).unwrap_or(outer.height).min(outer.height);
            (starts, rows)
        }
        _ => ((0..usize::from(count)).map(|column| offset + column * most).collect(), most),
    };
    let more = if lines.len() > page {
        format!(" {}-{} of {} ", offset + 1, (offset + page).min(lines.len()), lines.len())
    } else {
        String::new()
    };
    paint::clear(buf, outer, theme);
    Block::bordered()
        .border_set(border(state))
        .border_style(theme.style(Role::Guide))
        .title(span(" Keys ", theme.style(Role::Title)))
        .title_bottom(Line::from(span(more, theme.style(Role::Muted))).right_aligned())
        .render(outer, buf);
    let inner = inner(outer);
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    for ((start, end), column) in starts.iter().zip(ends).zip(0..count) {
        let place =
            Rect { width: width.min(inner.width), ..paint::indent(inner, column * (width + BETWEEN)) };
        let shown = lines.iter().take(end).skip(*start).take(rows);
        shown.enumerate().for_each(|(row, line)| draw_line(line, theme, place, row, buf));
    }
}

fn draw_line(line: &HelpLine, theme: &Theme, area: Rect, row: usize, buf: &mut Buffer) {
    let keys = u16::try_from(keys_width(usize::from(area.width))).unwrap_or(0);
    match line {
        HelpLine::Heading(text) => paint::text(buf, area, row, 0, area.width, text, theme.style(Role::Title)),
        HelpLine::Entry(head, text) => {
            paint::text(buf, area, row, 0, keys, head, theme.style(Role::Key));
            paint::text(buf, area, row, keys + 1, area.width, text, Style::new());
        }
        HelpLine::Blank => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(groups: &[usize]) -> Vec<HelpLine> {
        let mut lines = Vec::new();
        for size in groups {
            lines.push(HelpLine::Heading(String::new()));
            lines.extend((1..*size).map(|_| HelpLine::Entry(String::new(), String::new())));
            lines.push(HelpLine::Blank);
        }
        lines.pop();
        lines
    }

    #[test]
    fn groups_stay_whole_in_columns_as_even_as_that_allows() {
        assert_eq!(spread(&text(&[4, 2, 3]), 2, 20), Some((vec![0, 5], 6)));
        assert_eq!(spread(&text(&[2, 2, 6]), 2, 20), Some((vec![0, 6], 6)));
        assert_eq!(spread(&text(&[4, 2, 3]), 2, 5), None, "the box is too low");
        assert_eq!(spread(&text(&[9]), 2, 8), None, "a group is longer than a column");
        assert_eq!(spread(&text(&[3, 3, 3]), 3, 20), Some((vec![0, 4, 8], 4)));
    }
}
