//! The top: where one is, how fresh it is, how the backends and the model are; and the banner
//! that says when none of it can be trusted.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::fit::{Part, fit};
use super::paint::{self, span};
use crate::domain::{BackendHealth, BackendKind, BackendState, Stage, Timestamp};
use crate::engine::ModelState;
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::picture::since;
use crate::tui::play::Playing;
use crate::tui::remedy_words;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};

/// Most cells of a remark that comes from elsewhere.
const NOTE: usize = 32;
/// Cells of a progress bar.
const BAR: usize = 12;

/// Draws one line or two, as many as `area` has.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let inner = paint::indent(area, 1);
    let cells = usize::from(inner.width);
    if area.height == 1 {
        let mut parts = vec![title(state, theme, 9), clock(state, theme, 3)];
        parts.extend(armed(state, theme));
        parts.extend(paused(state, theme));
        parts.extend(backends(state, theme, 4));
        parts.push(age(state, theme));
        parts.push(work(state, theme, 6));
        paint::line(buf, inner, 0, &fit(parts, cells, 2));
    } else {
        let mut parts = vec![name(state, theme), clock(state, theme, 7)];
        parts.extend(armed(state, theme));
        parts.extend(paused(state, theme));
        parts.extend(backends(state, theme, 6));
        paint::line(buf, inner, 0, &fit(parts, cells, 2));
        let mut parts: Vec<_> = Screen::ALL.iter().filter_map(|s| tab(state, theme, *s)).collect();
        parts.push(work(state, theme, 6));
        parts.push(age(state, theme));
        paint::line(buf, inner, 1, &fit(parts, cells, 2));
    }
}

/// Draws the line that says why the data is old.
pub(super) fn draw_banner(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(stale) = state.picture().staleness(state.now) else { return };
    let symbols = state.symbols();
    // The consequence comes first: the reason may be long.
    let consequence = match (stale.age, &state.picture().snapshot) {
        (Some(age), _) => format!("STALE: what you see is {} old. ", format::age(age)),
        (None, Some(s)) if s.data_until.is_some() => "What you see was stored before. ".to_owned(),
        (None, _) => String::new(),
    };
    let text = format!("{} {consequence}{}.", symbols.breached, stale.why);
    let inner = paint::indent(area, 1);
    let text = paint::clip(&text, usize::from(inner.width), symbols.ellipsis);
    paint::text(buf, inner, 0, 0, inner.width, &text, theme.style(Role::Failure));
}

fn name(state: &State, theme: &Theme) -> Part {
    let head = theme.style(Role::Header);
    match &state.picture().snapshot {
        Some(s) => {
            let context = paint::clip(s.context.as_str(), NOTE, state.symbols().ellipsis).into_owned();
            Part::left(5, vec![span("sagetop ", head), span(context.clone(), head)])
                .or(vec![span(context, head)])
        }
        None => Part::left(5, vec![span("sagetop", head)]),
    }
}

/// On small screens the name of the screen stands where the tabs do not fit.
fn title(state: &State, theme: &Theme, weight: u8) -> Part {
    Part::left(weight, vec![span(state.screen.title(), theme.style(Role::Active))])
}

/// `None` for a screen that is about one service while it is not shown: it has no tab of its own.
fn tab(state: &State, theme: &Theme, screen: Screen) -> Option<Part> {
    let current = state.screen == screen;
    let action = match screen {
        Screen::Slos => Action::ShowSlos,
        Screen::Tree => Action::ShowTree,
        Screen::Verdict => Action::ShowVerdict,
        Screen::Actions => Action::ShowActions,
        Screen::Commands => Action::ShowCommands,
        Screen::Timeline => Action::ShowTimeline,
        Screen::Doctor => Action::ShowDoctor,
        Screen::Log => Action::ShowLog,
        Screen::Service | Screen::WhatIf if !current => return None,
        Screen::Service => {
            let spans = vec![
                span("[", theme.style(Role::Active)),
                span(screen.title(), theme.style(Role::Active)),
                span("]", theme.style(Role::Active)),
            ];
            return Some(Part::left(9, spans));
        }
        Screen::WhatIf => Action::ShowWhatIf,
    };
    let style = theme.style(if current { Role::Active } else { Role::Text });
    let title = span(screen.title(), style);
    let keys = state.keymap.keys(action);
    // Tabs are numbered, if their actions have a number at all.
    let digit = keys.iter().find(|k| k.typed().is_some_and(|c| c.is_ascii_digit()));
    let key = digit.or(keys.first()).map(|k| format!("{} ", k.label(state.ascii)));
    let key = span(key.unwrap_or_default(), theme.style(Role::Key));
    // Underlining alone may be missing in a terminal: brackets say the same.
    let spans = if current { vec![key, span("[", style), title, span("]", style)] } else { vec![key, title] };
    if current {
        return Some(Part::left(9, spans));
    }
    // The last ones give way to their number first, the others after everything else in the line.
    let number = spans.first().map(|key| vec![span(key.content.trim_end().to_owned(), key.style)]);
    let weight = match screen {
        Screen::Log => 1,
        Screen::Doctor => 2,
        Screen::Timeline => 3,
        _ => 8,
    };
    Some(Part::left(weight, spans).or(number.unwrap_or_default()))
}

fn clock(state: &State, theme: &Theme, weight: u8) -> Part {
    let fixed = state.picture().snapshot.as_ref().filter(|s| s.frozen).map(|s| s.at);
    match fixed {
        Some(at) if state.playing.is_some() => {
            let speed = state.playing.as_ref().map_or(1, Playing::speed);
            let (style, head) = (theme.style(Role::Paused), state.symbols().heads[0]);
            let time = |pattern| minute(at, pattern);
            Part::left(
                10,
                vec![span(format!(" {head} PLAYING {speed}x {} UTC ", time("%F %H:%M:%S")), style)],
            )
            .or(vec![span(format!(" {head} PLAY {speed}x {} ", time("%m-%d %H:%M")), style)])
        }
        Some(at) => {
            let style = theme.style(Role::Frozen);
            Part::left(8, vec![span(format!(" PAST {} UTC ", minute(at, "%F %H:%M:%S")), style)])
                .or(vec![span(format!(" PAST {} ", minute(at, "%m-%d %H:%M")), style)])
        }
        None => Part::left(weight, vec![span(format!("{} UTC", minute(state.now, "%H:%M")), Style::new())])
            .or(vec![span(minute(state.now, "%H:%M"), Style::new())]),
    }
}

fn minute(at: Timestamp, pattern: &str) -> String {
    at.strftime(pattern).to_string()
}

fn paused(state: &State, theme: &Theme) -> Option<Part> {
    let (when, _) = state.paused.as_ref()?;
    let style = theme.style(Role::Paused);
    let long = format!(" PAUSED at {} ", minute(*when, "%H:%M:%S"));
    Some(Part::left(10, vec![span(long, style)]).or(vec![span(" PAUSED ", style)]))
}

/// On every screen while changes can be approved, with the time left.
fn armed(state: &State, theme: &Theme) -> Option<Part> {
    let until = state.ledger().armed(state.now)?;
    let style = theme.style(Role::Armed);
    let long = format!(" ARMED {} ", remedy_words::left(until, state.now));
    Some(Part::left(11, vec![span(long, style)]).or(vec![span(" ARMED ", style)]))
}

fn backends(state: &State, theme: &Theme, weight: u8) -> Vec<Part> {
    state.picture().health.values().map(|h| backend(state, theme, h, weight)).collect()
}

fn backend(state: &State, theme: &Theme, health: &BackendHealth, weight: u8) -> Part {
    let (name, short) = match health.kind {
        BackendKind::Prometheus => ("Prometheus", "prom"),
        BackendKind::Jaeger => ("Jaeger", "jaeger"),
    };
    let style = theme.style(backend_role(health.state));
    let sign = format!("{} ", state.symbols().backend(health.state));
    let word = backend_word(health.state);
    let more = match (health.state, health.latency_ms, health.last_ok) {
        (BackendState::Down, _, Some(at)) => format!(" for {}", format::age(since(at, state.now))),
        (BackendState::Up | BackendState::Degraded, Some(ms), _) => format!(" {}", format::latency(Some(ms))),
        _ => String::new(),
    };
    let next = state.picture().retry(state.now).filter(|_| health.state == BackendState::Down);
    let again = next.map(|next| format!("{more}, again in {}", remedy_words::left(next, state.now)));
    let muted = theme.style(Role::Muted);
    // What is not up gives way last.
    let weight = if health.state == BackendState::Up { weight } else { weight + 3 };
    let whole = |more: String| {
        let name = span(format!("{name} "), Style::new());
        vec![name, span(sign.clone(), style), span(word, style), span(more, muted)]
    };
    let part = match again {
        Some(again) => Part::right(weight, whole(again)).or(whole(more)),
        None => Part::right(weight, whole(more)),
    };
    part.or(vec![span(format!("{short} "), Style::new()), span(sign.clone(), style), span(word, style)])
        .or(vec![span(&short[..1], Style::new()), span(sign.trim_end().to_owned(), style)])
}

/// The word beside a backend's sign.
pub(super) fn backend_word(state: BackendState) -> &'static str {
    match state {
        BackendState::Connecting => "connecting",
        BackendState::Up => "up",
        BackendState::Degraded => "degraded",
        BackendState::Down => "down",
    }
}

/// The meaning of a backend's state.
pub(super) fn backend_role(state: BackendState) -> Role {
    match state {
        BackendState::Connecting => Role::Unknown,
        BackendState::Up => Role::Ok,
        BackendState::Degraded => Role::Burning,
        BackendState::Down => Role::Breached,
    }
}

fn age(state: &State, theme: &Theme) -> Part {
    let picture = state.picture();
    let Some(age) = picture.age(state.now) else {
        let nothing = picture.snapshot.is_some() && picture.is_empty();
        let words = if nothing { vec![span("no data", theme.style(Role::Unknown))] } else { Vec::new() };
        return Part::right(7, words);
    };
    let stale = picture.staleness(state.now).is_some();
    let style = theme.style(if stale { Role::Failure } else { Role::Muted });
    let text = format::age(age);
    Part::right(7, vec![span(format!("data {text} old"), style)]).or(vec![span(text, style)])
}

/// What the engine is busy with, else how the model is.
fn work(state: &State, theme: &Theme, weight: u8) -> Part {
    let picture = state.picture();
    let training = matches!(picture.model, Some(ModelState::Training { .. }));
    if let Some(w) = picture.working.as_ref().filter(|w| !(training && w.stage == Stage::Train)) {
        return progress(state, theme, w.stage.word(), w.done, w.total, w.note.as_str());
    }
    let text = Style::new();
    let clip = |s: &str| paint::clip(s, NOTE, state.symbols().ellipsis).into_owned();
    match &picture.model {
        None => Part::right(0, Vec::new()),
        Some(ModelState::Absent(why)) => {
            let style = theme.style(Role::Unknown);
            Part::right(weight, vec![span(format!("no model: {}", clip(why.as_str())), style)])
                .or(vec![span("no model", style)])
        }
        Some(ModelState::Training { done, total, note }) => {
            progress(state, theme, "training", *done, *total, note.as_str())
        }
        Some(ModelState::Ready(m)) => {
            let windows = format!("model of {} windows", format::count(m.windows as u64));
            let sign = span(state.symbols().ok, theme.style(Role::Ok));
            Part::right(weight, vec![span(windows, text)])
                .or(vec![span("model ready", text)])
                .or(vec![span("m", text), sign])
        }
        Some(ModelState::Stale(_, why)) => {
            let style = theme.style(Role::Burning);
            Part::right(weight + 1, vec![span(format!("model stale: {}", clip(why.as_str())), style)])
                .or(vec![span("model stale", style)])
        }
    }
}

fn progress(state: &State, theme: &Theme, word: &str, done: u64, total: u64, note: &str) -> Part {
    let share = if total == 0 { 0.0 } else { done as f64 / total as f64 };
    let symbols = state.symbols();
    let (full, empty) = paint::bar(share, BAR, symbols.bar);
    let percent = format::percent(Some(share.min(1.0)));
    let note = paint::clip(note, NOTE, symbols.ellipsis).into_owned();
    let (bar, muted): (Style, Style) = (theme.style(Role::Bar), theme.style(Role::Muted));
    let head: Vec<Span<'static>> = vec![span(format!("{word} "), Style::new())];
    let drawn = || vec![span(full.clone(), bar), span(empty.clone(), theme.style(Role::Guide))];
    let with_bar = [head.clone(), drawn(), vec![span(format!(" {percent}"), Style::new())]].concat();
    let long = [with_bar.clone(), vec![span(if note.is_empty() { note } else { format!(" {note}") }, muted)]]
        .concat();
    Part::right(7, long).or(with_bar).or(vec![span(format!("{word} {percent}"), Style::new())])
}
