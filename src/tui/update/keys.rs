//! Keys: typed into the filter, or looked up in the keymap and carried out.

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind};
use tui_input::backend::crossterm::EventHandler;

use super::{diagnose, dialogs, go, graph, inspect, look, looks, moves, palette, remedy, travel, what_if};
use crate::domain::Clean;
use crate::engine::Request;
use crate::tui::action::Action;
use crate::tui::available::{self, why_not};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Chord, Pressed};
use crate::tui::state::{Pending, Screen, SloOrder, State};
use crate::tui::{view, words};

/// Longest filter, in characters.
const FILTER_MAX: usize = 100;

/// A key was pressed.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    state.rhythm.key(state.now);
    state.notice = None;
    let chord = Chord::from(key);
    if state.review.is_some() || state.arming.is_some() {
        state.pending = None;
        return dialogs::press(state, key, chord);
    }
    if state.palette.is_some() {
        return palette::press(state, key, chord);
    }
    if state.typing {
        return type_filter(state, key, chord);
    }
    let mut keys = state.pending.take().map(|pending| pending.keys).unwrap_or_default();
    keys.push(chord);
    match state.keymap.pressed(&keys) {
        Pressed::Action(action) => return act(state, action),
        Pressed::Begun => state.pending = Some(Pending { keys, since: state.now }),
        // Escape only forgets what was begun.
        Pressed::Nothing if keys.len() > 1 && chord.code() == KeyCode::Esc => {}
        Pressed::Nothing => {
            let pressed: Vec<_> = keys.iter().map(ToString::to_string).collect();
            let help = state.keymap.keys(Action::Help).first();
            let hint = help.map_or_else(String::new, |k| format!("; {k} shows the keys"));
            state.say(format!("{} does nothing here{hint}", pressed.join(" ")));
        }
    }
    Vec::new()
}

/// Pasted text goes into the filter if it is open; anywhere else its letters would act as keys.
pub(super) fn paste(state: &mut State, text: &str) {
    if state.review.is_some() || state.arming.is_some() {
        dialogs::paste(state);
    } else if state.palette.is_some() {
        palette::paste(state, text);
    } else if state.typing {
        let filter = &mut state.list_mut().filter;
        let joined = Clean::capped(&format!("{}{text}", filter.value()), FILTER_MAX);
        *filter = filter.clone().with_value(joined.as_str().to_owned());
    }
}

fn type_filter(state: &mut State, key: KeyEvent, chord: Chord) -> Vec<Effect> {
    let action = state.keymap.action(chord).filter(|_| chord.typed().is_none());
    match (chord.code(), action) {
        (KeyCode::Enter, _) => state.typing = false,
        (KeyCode::Esc, _) => {
            state.list_mut().filter.reset();
            state.typing = false;
        }
        (KeyCode::Backspace, _) if state.list().filter.value().is_empty() => state.typing = false,
        // Moving in the list while typing is useful; everything else edits the text.
        (
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown,
            Some(action @ (Action::Up | Action::Down | Action::PageUp | Action::PageDown)),
        )
        | (_, Some(action @ (Action::Quit | Action::Suspend | Action::Redraw))) => return act(state, action),
        _ => {
            let list = state.list_mut();
            let full = list.filter.value().chars().count() >= FILTER_MAX;
            if chord.typed().is_none() || !full {
                list.filter.handle_event(&TerminalEvent::Key(key));
            }
        }
    }
    Vec::new()
}

/// Carries out an action.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    if state.help.is_some() {
        return act_in_help(state, action);
    }
    if let Some(why) = why_not(state, action) {
        state.say(why);
        return Vec::new();
    }
    match action {
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::Top | Action::Bottom => {
            moves::cursor(state, action);
        }
        Action::Fold | Action::Unfold if state.screen == Screen::WhatIf => {
            return what_if::slide(state, action == Action::Unfold);
        }
        Action::Fold | Action::Unfold if state.shows_graph() => graph::along(state, action == Action::Unfold),
        Action::Fold => moves::fold(state),
        Action::Unfold => moves::unfold(state),
        Action::Toggle => moves::toggle(state),
        Action::ToggleAll => moves::toggle_all(state),
        Action::Open => return open(state),
        Action::Back => return back(state),
        Action::NextSlo | Action::PreviousSlo => {
            moves::step_slo(state, action == Action::NextSlo);
            return look(state);
        }
        Action::ShowSlos => return go(state, Screen::Slos),
        Action::ShowTree => return go(state, Screen::Tree),
        Action::ShowVerdict => return show_verdict(state),
        Action::ShowActions => return go(state, Screen::Actions),
        Action::ShowCommands => return go(state, Screen::Commands),
        Action::NextContext => return next_context(state),
        Action::Palette => palette::open(state),
        Action::ShowDoctor => return go(state, Screen::Doctor),
        Action::ShowLog => return go(state, Screen::Log),
        Action::ShowTimeline => return go(state, Screen::Timeline),
        Action::OlderIncident | Action::NewerIncident => {
            travel::step_incident(state, action == Action::OlderIncident);
        }
        Action::StepBack | Action::StepForward => return travel::step(state, action == Action::StepForward),
        Action::Now => return travel::now(state),
        Action::Play | Action::PlaySlower => travel::play(state, action == Action::Play),
        Action::ShowWhatIf => return what_if::open(state),
        Action::ShowTrace => return inspect::trace(state),
        Action::Reset => return what_if::reset(state),
        Action::Diagnose => return ask_again(state),
        Action::Arm => return remedy::arm(state),
        Action::Undo => return remedy::undo(state),
        Action::Keep => return remedy::keep(state),
        Action::Refresh => {
            state.say("fetching again");
            let mut effects = vec![Effect::Ask(Request::Refresh)];
            if state.screen == Screen::Doctor && state.probing.is_none() {
                effects.extend(super::probe(state));
            }
            return effects;
        }
        Action::Retrain => {
            state.say("asked for a new training");
            return vec![Effect::Ask(Request::Retrain)];
        }
        Action::Filter => state.typing = true,
        Action::Pause => pause(state),
        Action::Sort => sort(state),
        Action::Graph => graph::toggle(state),
        Action::NextTheme => looks::next_theme(state),
        Action::Copy => return copy(state),
        Action::Redraw => return vec![Effect::Redraw],
        Action::Help => state.help = Some(0),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Quit => return vec![Effect::Quit],
    }
    Vec::new()
}

/// While the help is open, keys move in it or close it.
fn act_in_help(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Help | Action::Back | Action::Open => state.help = None,
        Action::Palette => palette::open(state),
        // The first press of the key that also quits only closes what lies on top.
        Action::Quit => return vec![Effect::Quit],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::NextTheme => looks::next_theme(state),
        action => moves::help(state, action),
    }
    Vec::new()
}

fn open(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Slos if state.slo.is_some() => go(state, Screen::Tree),
        Screen::Tree | Screen::Verdict => inspect::open(state),
        Screen::Slos => Vec::new(),
        Screen::Actions => remedy::open(state),
        Screen::Service => show_verdict(state),
        Screen::WhatIf => what_if::propose(state),
        Screen::Timeline => travel::open(state),
        Screen::Commands | Screen::Doctor | Screen::Log => {
            state.say("this is the last screen");
            Vec::new()
        }
    }
}

/// From the tree, the verdict opens at the service under the cursor.
fn show_verdict(state: &mut State) -> Vec<Effect> {
    if state.slo.is_none() {
        state.say("no SLO is known yet");
    }
    // The entry is where the cursor stands by itself: that is no choice of the user's.
    if state.screen == Screen::Tree
        && state.place.as_ref().is_some_and(|place| place.parent.is_some())
        && let (Some(place), Some(answer)) = (&state.place, state.selected_answer())
        && answer.verdict.ranking.iter().any(|r| r.service == place.service)
    {
        state.suspect = Some(place.service.clone());
        let effects = go(state, Screen::Verdict);
        let (_, focus) = view::verdict_extent(state);
        // The answer stays in sight if it can; the chosen service must.
        state.list_mut().offset = view::keep_visible(0, focus, view::page(state));
        return effects;
    }
    go(state, Screen::Verdict)
}

fn back(state: &mut State) -> Vec<Effect> {
    if !state.list().filter.value().is_empty() {
        state.list_mut().filter.reset();
        return Vec::new();
    }
    let effects = remedy::give_up(state);
    if !effects.is_empty() {
        state.say("cancelled: nothing was changed");
        return effects;
    }
    match state.trail.pop() {
        Some(screen) => state.screen = screen,
        None if state.screen != Screen::Slos => state.screen = Screen::Slos,
        None => {
            let key = state.keymap.keys(Action::Quit).first();
            let key = key.map(ToString::to_string).unwrap_or_default();
            state.say(format!("this is the first screen; {key} leaves"));
        }
    }
    Vec::new()
}

fn next_context(state: &mut State) -> Vec<Effect> {
    let Some(name) = available::next_context(state).cloned() else { return Vec::new() };
    state.say(format!("opening {name}"));
    vec![Effect::Context(name)]
}

fn ask_again(state: &mut State) -> Vec<Effect> {
    let Some(slo) = state.slo.clone() else {
        state.say("no SLO is known yet");
        return Vec::new();
    };
    let underway = state.asked.get(&slo).is_some_and(|a| a.failure.is_none());
    if underway {
        state.say(format!("already searching for the cause of {slo}"));
        return Vec::new();
    }
    let note = if state.paused.is_some() { "; unpause to see the answer" } else { "" };
    state.say(format!("searching for the cause of {slo}{note}"));
    diagnose(state, slo)
}

fn pause(state: &mut State) {
    state.playing = None;
    state.paused = match state.paused.take() {
        Some(_) => None,
        None => Some((state.now, state.live.clone())),
    };
}

fn sort(state: &mut State) {
    if state.screen == Screen::Tree {
        state.slowest_first = !state.slowest_first;
        state.say(if state.slowest_first { "slowest call first" } else { "by name" });
        return;
    }
    let (order, words) = match state.order {
        SloOrder::WorstFirst => (SloOrder::Configured, "in the order of the configuration"),
        SloOrder::Configured => (SloOrder::WorstFirst, "worst first"),
    };
    state.order = order;
    state.say(words);
}

fn copy(state: &mut State) -> Vec<Effect> {
    let copied = match state.screen {
        Screen::Actions => remedy::report(state),
        Screen::Commands => moves::command(state).map(|c| (c.line.to_string(), "command")),
        Screen::Log => moves::log_text(state).map(|text| (text, "line")),
        Screen::Timeline => travel::report(state).map(|text| (text, "line")),
        Screen::Service => inspect::report(state).map(|text| (text, "service")),
        Screen::WhatIf => what_if::report(state).map(|text| (text, "prediction")),
        _ => state.selected_answer().map(|answer| (words::report(&answer.verdict), "verdict")),
    };
    match copied {
        Some((text, what)) => {
            state.say(format!("{what} copied, if your terminal allows it (OSC 52)"));
            vec![Effect::Copy(text)]
        }
        None => {
            state.say("there is nothing to copy yet");
            Vec::new()
        }
    }
}
