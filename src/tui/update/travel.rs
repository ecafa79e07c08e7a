//! Time travel: one clock for every screen, and what is asked to know what happened.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::engine::Request;
use crate::tui::effect::Effect;
use crate::tui::play::Playing;
use crate::tui::state::{Screen, State};
use crate::tui::timeline::Kind;

/// Length of a window where none is known.
const WINDOW: Duration = Duration::from_secs(60);

/// Asks for what happened, unless it was asked about this very data.
pub(super) fn look(state: &mut State) -> Vec<Effect> {
    let Some(version) = state.live.snapshot.as_ref().map(|s| s.version) else { return Vec::new() };
    if state.timeline.asked == Some(version) {
        return Vec::new();
    }
    state.timeline.asked = Some(version);
    vec![Effect::Ask(Request::History)]
}

/// The line of the selected happening.
pub(super) fn row(state: &State) -> Option<usize> {
    let chosen = state.timeline.selected.as_ref()?;
    state.happenings().iter().position(|h| h.name() == *chosen)
}

/// The cursor stands on something that happened.
pub(super) fn settle(state: &mut State) {
    if state.screen != Screen::Timeline {
        return;
    }
    let rows = state.happenings();
    let Some(last) = rows.len().checked_sub(1) else { return };
    let list = &mut state.lists[Screen::Timeline as usize];
    let found =
        state.timeline.selected.as_ref().and_then(|chosen| rows.iter().position(|h| h.name() == *chosen));
    let at = found.unwrap_or_else(|| list.last_index.min(last));
    list.last_index = at;
    state.timeline.selected = Some(rows[at].name());
}

/// Puts the cursor on the next incident, `older` or newer than the selected line.
pub(super) fn step_incident(state: &mut State, older: bool) {
    let rows = state.happenings();
    let at = row(state).unwrap_or(0);
    let is_incident = |i: &usize| rows.get(*i).is_some_and(|h| h.kind == Kind::Incident);
    let found = if older { (at + 1..rows.len()).find(is_incident) } else { (0..at).rev().find(is_incident) };
    match found {
        Some(i) => state.timeline.selected = Some(rows[i].name()),
        None => state.say(if older { "there is no older incident" } else { "there is no newer incident" }),
    }
}

/// Goes to the moment of the selected line.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    state.playing = None;
    let rows = state.happenings();
    match row(state).and_then(|i| rows.get(i)) {
        Some(happening) => to(state, happening.at),
        None => {
            state.say("nothing is selected");
            Vec::new()
        }
    }
}

/// The selected line as text.
pub(super) fn report(state: &State) -> Option<String> {
    let rows = state.happenings();
    let happening = rows.get(row(state)?)?;
    let until = happening.until.map_or_else(String::new, |until| format!(" to {until}"));
    Some(format!("{}{until} {}: {}", happening.at, happening.kind.word(), happening.text))
}

/// One window back or forward.
pub(super) fn step(state: &mut State, forward: bool) -> Vec<Effect> {
    state.playing = None;
    let window = window(state);
    let shown = state.live.snapshot.as_ref().filter(|s| s.frozen).map(|s| s.at);
    // Steps that are pressed faster than they are answered add up.
    let Some(from) = state.heading.or(shown).or_else(|| (!forward).then_some(state.now)) else {
        state.say("this is the present: there is nothing later");
        return Vec::new();
    };
    let moved = if forward { from.checked_add(window) } else { from.checked_sub(window) };
    moved.map(|at| to(state, at)).unwrap_or_default()
}

/// Length of a window.
pub(in crate::tui) fn window(state: &State) -> Duration {
    state.live.snapshot.as_ref().map_or(WINDOW, |s| s.window.max(Duration::from_secs(1)))
}

/// Plays the past that is shown, or plays it faster or slower.
pub(super) fn play(state: &mut State, faster: bool) {
    let Some(shown) = state.live.snapshot.as_ref().filter(|s| s.frozen) else { return };
    let said = match &mut state.playing {
        None => {
            state.playing = Some(Playing::new(state.now, shown));
            state.paused = None;
            return;
        }
        Some(playing) => playing.change(faster).then(|| format!("{}x", playing.speed())),
    };
    if said.is_none() {
        state.playing = None;
    }
    state.say(said.unwrap_or_else(|| "stopped".to_owned()));
}

/// The next window, if the past is being played and it is time. What is slower to come than to be shown is
/// waited for.
pub(super) fn tick(state: &mut State) -> Vec<Effect> {
    let Some(playing) = &state.playing else { return Vec::new() };
    let length = window(state);
    if state.heading.is_some() || !playing.due_in(length, state.now).is_zero() {
        return Vec::new();
    }
    let shown = state.live.snapshot.as_ref().filter(|s| s.frozen).map(|s| s.at);
    match shown.and_then(|at| at.checked_add(length).ok()) {
        Some(at) if at < state.now => {
            state.heading = Some(at);
            leave(state);
            vec![Effect::Ask(Request::At(Some(at)))]
        }
        _ => now(state),
    }
}

/// Everything back to the present.
pub(super) fn now(state: &mut State) -> Vec<Effect> {
    state.playing = None;
    let past = state.live.snapshot.as_ref().is_some_and(|s| s.frozen) || state.heading.is_some();
    if !past {
        state.say("this is the present");
        return Vec::new();
    }
    state.heading = None;
    leave(state);
    state.say("back to the present");
    vec![Effect::Ask(Request::At(None))]
}

fn to(state: &mut State, at: Timestamp) -> Vec<Effect> {
    if at >= state.now {
        return now(state);
    }
    state.heading = Some(at);
    leave(state);
    state.say(format!("going to {} UTC", at.strftime("%F %H:%M:%S")));
    vec![Effect::Ask(Request::At(Some(at)))]
}

/// What is awaited for the moment that is left will not come.
fn leave(state: &mut State) {
    state.paused = None;
    state.asked.clear();
    state.proposing.clear();
    state.inspected.asked = None;
    state.inspected.tracing = None;
    state.inspected.bench.version = 0;
    state.timeline.asked = None;
    state.probing = None;
}

/// A snapshot came: whether the moment that was headed for is reached.
pub(super) fn arrived(state: &mut State) {
    let shown = state.live.snapshot.as_ref().filter(|s| s.frozen).map(|s| s.at);
    if shown.is_none() || shown != state.heading {
        return;
    }
    state.heading = None;
    let (now, snapshot) = (state.now, state.live.snapshot.clone());
    if let (Some(playing), Some(snapshot)) = (&mut state.playing, snapshot)
        && let Some((slo, stands)) = playing.arrived(now, &snapshot)
    {
        state.playing = None;
        state.say(format!("stopped: {slo} is {stands} now"));
    }
}
