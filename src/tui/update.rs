//! The only place where the state changes: `update(state, event)` says what else is to be done.

mod context;
mod dialogs;
mod graph;
mod inspect;
mod keys;
mod looks;
mod mouse;
mod moves;
mod palette;
mod remedy;
mod settle;
mod travel;
mod what_if;

use std::time::Duration;

use super::effect::Effect;
use super::event::Event;
use super::picture::since;
use super::state::{Notice, Screen, State};
use crate::domain::{Clean, Timestamp};
use crate::engine::{EngineEvent, Request};
pub(super) use travel::window;

/// How long a remark stays that is not a failure.
pub const NOTICE_STAYS: Duration = Duration::from_secs(8);

/// How long keys that more must follow are remembered.
pub const PENDING_STAYS: Duration = Duration::from_millis(1500);

/// Takes in an event and returns what is to be done outside of the state.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let effects = match event {
        Event::Time(now) => {
            return tick(state, now);
        }
        Event::Key(key) => keys::press(state, key),
        Event::Mouse(mouse) => mouse::used(state, mouse),
        Event::Paste(text) => {
            keys::paste(state, &text);
            Vec::new()
        }
        Event::Resize(columns, rows) => {
            state.size = (columns, rows);
            let now = state.now;
            if let Some(review) = &mut state.review {
                review.disturb(now);
                review.read = false;
            }
            Vec::new()
        }
        Event::Engine(event) => engine(state, &event),
        Event::Scene(scene) => {
            state.scene = Some(scene);
            Vec::new()
        }
        Event::Theme(changed) => {
            looks::reread(state, &changed);
            Vec::new()
        }
        Event::Context(name) => {
            context::enter(state, name);
            Vec::new()
        }
        Event::ContextFailed(name, why) => {
            let text = format!("{name} cannot be opened: {}", Clean::new(&why));
            state.notice = Some(Notice { text, failure: true, since: state.now });
            Vec::new()
        }
        Event::Copied(copied) => {
            looks::copied(state, &copied);
            Vec::new()
        }
        Event::EngineGone => {
            state.live.engine_gone = true;
            Vec::new()
        }
    };
    settle::settle(state);
    effects
}

fn tick(state: &mut State, now: Timestamp) -> Vec<Effect> {
    if now < state.now
        && let Some(review) = &mut state.review
    {
        // The clock was set back: what is counted from before means nothing.
        review.disturb(now);
    }
    state.now = now;
    if state.notice.as_ref().is_some_and(|n| !n.failure && since(n.since, now) >= NOTICE_STAYS) {
        state.notice = None;
    }
    if state.pending.as_ref().is_some_and(|p| since(p.since, now) >= PENDING_STAYS) {
        state.pending = None;
    }
    let mut effects = remedy::tick(state);
    effects.extend(travel::tick(state));
    effects
}

fn engine(state: &mut State, event: &EngineEvent) -> Vec<Effect> {
    let before = match event {
        EngineEvent::Remedy(told) => remedy::before(state, told),
        _ => remedy::Before::default(),
    };
    state.log.hear(event, &state.live, state.now);
    state.live.apply(event, state.now);
    match event {
        EngineEvent::Verdict { slo, verdict, .. } => {
            state.timeline.judged(verdict);
            let asked = state.asked.remove(slo).is_some();
            let selected = state.slo.as_ref() == Some(slo);
            if asked && selected && state.paused.is_none() {
                // A new answer is read from its beginning, with its first suspect open.
                state.suspect = None;
                let list = &mut state.lists[Screen::Verdict as usize];
                (list.offset, list.last_index) = (0, 0);
            }
            let in_view = selected && state.screen == Screen::Verdict;
            let text = match (asked, state.paused.is_some(), in_view) {
                (true, true, _) => format!("the verdict on {slo} is there: unpause to see it"),
                (true, false, false) => format!("the verdict on {slo} is there"),
                _ => return remedy::after_verdict(state, slo),
            };
            state.say(text);
            return remedy::after_verdict(state, slo);
        }
        EngineEvent::Snapshot(_) => return newer(state),
        EngineEvent::Probes(..) => state.probing = None,
        EngineEvent::Detail { .. } | EngineEvent::Replicas(..) => return inspect::told(state),
        EngineEvent::Trace { service, .. } => inspect::traced(state, service),
        EngineEvent::WhatIf(prediction) => what_if::told(state, prediction),
        EngineEvent::Remedy(told) => return remedy::told(state, told, &before),
        EngineEvent::Failed { slo, what, why } => {
            state.playing = None;
            let text = format!("{what} failed: {why}");
            if let Some(asked) = slo.as_ref().and_then(|slo| state.asked.get_mut(slo)) {
                asked.failure = Some(text.clone());
            }
            state.notice = Some(Notice { text, failure: true, since: state.now });
        }
        _ => {}
    }
    Vec::new()
}

/// Shows `screen`; Back leads to where one came from.
fn go(state: &mut State, screen: Screen) -> Vec<Effect> {
    let mut effects = Vec::new();
    if screen != state.screen {
        effects = remedy::give_up(state);
        match state.trail.iter().position(|s| *s == screen) {
            Some(i) => state.trail.truncate(i),
            None => state.trail.push(state.screen),
        }
        state.screen = screen;
        state.typing = false;
        state.picked_by_hand = false;
    }
    effects.extend(look(state));
    effects
}

/// Asks for what the current screen needs to show.
fn look(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Verdict => diagnose_if_needed(state),
        Screen::Actions => remedy::propose_if_needed(state),
        Screen::Service => inspect::look(state),
        Screen::WhatIf => what_if::look(state),
        Screen::Timeline => travel::look(state),
        Screen::Doctor => probe_if_needed(state),
        Screen::Slos | Screen::Tree | Screen::Commands | Screen::Log => Vec::new(),
    }
}

/// Asks every query of the catalogue whether it has data, the first time one looks.
fn probe_if_needed(state: &mut State) -> Vec<Effect> {
    if state.live.probes.is_some() || state.probing.is_some() {
        return Vec::new();
    }
    probe(state)
}

fn probe(state: &mut State) -> Vec<Effect> {
    state.probing = Some(state.now);
    vec![Effect::Ask(Request::Probe)]
}

/// Newer data: what was derived from the old is asked for again where it is in view.
fn newer(state: &mut State) -> Vec<Effect> {
    travel::arrived(state);
    match state.screen {
        Screen::Timeline => travel::look(state),
        Screen::Service => inspect::look(state),
        Screen::WhatIf => what_if::look(state),
        _ => Vec::new(),
    }
}

/// Asks why the selected SLO stands as it does, unless that is known of the newest data, or asked already.
fn diagnose_if_needed(state: &mut State) -> Vec<Effect> {
    let Some(slo) = state.slo.clone() else { return Vec::new() };
    let newest = state.live.snapshot.as_ref().map_or(0, |s| s.version);
    let answered = state.live.verdicts.get(&slo).is_some_and(|a| a.version >= newest);
    if answered || state.asked.contains_key(&slo) || state.live.slo(&slo).is_none() {
        return Vec::new();
    }
    diagnose(state, slo)
}

/// Asks why `slo` stands as it does.
fn diagnose(state: &mut State, slo: Clean) -> Vec<Effect> {
    let asked = super::state::Asked { since: state.now, failure: None };
    state.asked.insert(slo.clone(), asked);
    vec![Effect::Ask(Request::Diagnose(slo))]
}
