//! The bottom line: the filter being typed, a remark, or what the keys do here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use tui_input::Input;

use super::fit::{Part, fit};
use super::paint::{self, span};
use crate::domain::Clean;
use crate::tui::action::Action;
use crate::tui::guide;
use crate::tui::keymap::Chord;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};

/// Draws the bottom line.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let inner = paint::indent(area, 1);
    let cells = usize::from(inner.width);
    let line = if state.typing {
        typing(state, theme, cells)
    } else if let Some(pending) = &state.pending {
        fit(begun(state, theme, &pending.keys), cells, 2)
    } else if let Some(notice) = &state.notice {
        let role = if notice.failure { Role::Failure } else { Role::Notice };
        let mark = if notice.failure { "! " } else { "" };
        let text = format!("{mark}{}", notice.text);
        Line::from(span(paint::clip(&text, cells, state.symbols().ellipsis), theme.style(role)))
    } else {
        fit(hints(state, theme), cells, 2)
    };
    paint::line(buf, inner, 0, &line);
}

/// The keys pressed so far, and what can follow them.
fn begun(state: &State, theme: &Theme, keys: &[Chord]) -> Vec<Part> {
    let key = theme.style(Role::Key);
    let label = |chords: &[Chord]| {
        let labels: Vec<_> = chords.iter().map(|c| c.label(state.ascii)).collect();
        labels.join(" ")
    };
    let so_far = format!("{} {}", label(keys), state.symbols().ellipsis);
    let mut parts = vec![Part::left(100, vec![span(so_far, theme.style(Role::Active))])];
    for (i, (rest, action)) in state.keymap.continuations(keys).into_iter().enumerate() {
        let spans = vec![span(label(&rest), key), span(format!(" {}", action.hint()), Style::new())];
        parts.push(Part::left(90u8.saturating_sub(u8::try_from(i).unwrap_or(u8::MAX)), spans));
    }
    parts
}

/// Draws the demo's guide.
pub(super) fn draw_guide(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(scene) = state.scene.as_ref().filter(|_| !area.is_empty()) else { return };
    let inner = paint::indent(area, 1);
    let sign = format!("{} ", state.symbols().cursor);
    let room = usize::from(inner.width).saturating_sub(2);
    let words = guide::words(scene, state, room);
    let text = paint::clip(&words, room, state.symbols().ellipsis).into_owned();
    let line = vec![span(sign, theme.style(Role::Key)), span(text, theme.style(Role::Notice))];
    paint::line(buf, inner, 0, &line.into());
}

/// What is typed into `input`, with the caret, on `room` cells and one for the caret.
pub(super) fn caret(input: &Input, room: usize, style: Style) -> Vec<Span<'static>> {
    let before: String = input.value().chars().take(input.cursor()).collect();
    let after: String = input.value().chars().skip(input.cursor()).collect();
    let (before, after) = (Clean::new(&before), Clean::new(&after));
    // The end of what was typed matters: the beginning gives way.
    let mut shown = before.as_str();
    while paint::width(shown) > room {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let mut rest = after.as_str().chars();
    let under = rest.next().unwrap_or(' ');
    let cursor = style.add_modifier(Modifier::REVERSED);
    vec![span(shown, style), span(under, cursor), span(rest.as_str(), style)]
}

fn typing(state: &State, theme: &Theme, cells: usize) -> Line<'static> {
    let key = theme.style(Role::Key);
    let typed = caret(&state.list().filter, cells.saturating_sub(2), Style::new());
    let text = [vec![span("/", key)], typed].concat();
    let help = vec![
        span(matches(state), theme.style(Role::Muted)),
        span("  enter", key),
        span(" keep  ", Style::new()),
        span("esc", key),
        span(" clear", Style::new()),
    ];
    fit(
        vec![
            Part::left(9, text),
            Part::right(1, help).or(vec![span(matches(state), theme.style(Role::Muted))]),
        ],
        cells,
        1,
    )
}

/// "3 of 12", of the current list.
fn matches(state: &State) -> String {
    let picture = state.picture();
    let (shown, all) = match state.screen {
        Screen::Slos => (state.slo_rows().len(), picture.snapshot.as_ref().map_or(0, |s| s.slos.len())),
        Screen::Tree => return format!("{} lines", state.tree.rows().len()),
        Screen::Verdict => {
            (state.ranking_rows().len(), state.selected_answer().map_or(0, |a| a.verdict.ranking.len()))
        }
        Screen::Actions => {
            let proposals = state.suggestions().map_or(0, |s| s.proposals.len());
            (state.action_rows().len(), proposals + state.ledger().operations().count())
        }
        Screen::Commands => (state.command_rows().len(), state.ledger().commands().count()),
        Screen::Service => (state.metric_rows().len(), state.detail().map_or(0, |d| d.metrics.len())),
        Screen::Doctor => return String::new(),
        Screen::Log => (state.log_rows().len(), state.log.lines().count()),
        Screen::Timeline => return format!("{} lines", state.happenings().len()),
        Screen::WhatIf => return String::new(),
    };
    format!("{shown} of {all}")
}

/// What keys do in the dialog before a change.
fn dialog_hints(state: &State, theme: &Theme) -> Vec<Part> {
    let hints = [
        (Action::NextSlo, "next"),
        (Action::Open, "press"),
        (Action::Back, "cancel"),
        (Action::PageDown, "read on"),
        (Action::Copy, "copy"),
    ];
    let hints = hints.into_iter().enumerate().filter_map(|(i, (action, words))| {
        let key = state.keymap.keys(action).first()?.label(state.ascii);
        let spans = vec![span(key, theme.style(Role::Key)), span(format!(" {words}"), Style::new())];
        Some(Part::left(90 - i as u8, spans))
    });
    hints.collect()
}

fn hints(state: &State, theme: &Theme) -> Vec<Part> {
    if state.review.is_some() {
        return dialog_hints(state, theme);
    }
    if state.palette.is_some() {
        let hints = [("enter", "do it"), ("esc", "close"), ("tab", "next"), ("shift-tab", "previous")];
        let hints = hints.into_iter().enumerate().map(|(i, (key, words))| {
            let spans = vec![span(key, theme.style(Role::Key)), span(format!(" {words}"), Style::new())];
            Part::left(90 - i as u8, spans)
        });
        return hints.collect();
    }
    let mut parts = Vec::new();
    let filter = state.list().filter.value();
    if !filter.is_empty() {
        let text = format!("filter \"{}\" {}", Clean::capped(filter, 20), matches(state));
        let esc = state.keymap.keys(Action::Back).first().map(|k| format!("  {k}")).unwrap_or_default();
        let clear = if esc.is_empty() { "" } else { " clears" };
        let notice = theme.style(Role::Notice);
        parts.push(
            Part::left(
                100,
                vec![
                    span(text.clone(), notice),
                    span(esc, theme.style(Role::Key)),
                    span(clear, Style::new()),
                ],
            )
            .or(vec![span(text, notice)]),
        );
    }
    for (i, action) in Action::hints(state.screen).iter().enumerate() {
        let Some(key) = state.keymap.keys(*action).first() else { continue };
        let words = match action {
            Action::Pause if state.paused.is_some() => "unpause",
            Action::Fold if state.screen == Screen::WhatIf => "less",
            Action::Unfold if state.screen == Screen::WhatIf => "more",
            Action::Open if state.screen == Screen::Timeline => "go there",
            Action::Open if state.screen == Screen::WhatIf => "propose",
            Action::ShowTrace if state.inspected.example => "chart",
            _ => action.hint(),
        };
        let spans = vec![
            span(key.label(state.ascii), theme.style(Role::Key)),
            span(format!(" {words}"), Style::new()),
        ];
        parts.push(Part::left(90 - i as u8, spans));
    }
    parts
}
