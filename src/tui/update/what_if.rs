//! What-if: sliders are moved, the model is asked, and only its newest answer counts.

use std::fmt::Write as _;

use super::{go, inspect};
use crate::engine::{Prediction, Question, Request};
use crate::remedy::Ask;
use crate::tui::effect::Effect;
use crate::tui::format;
use crate::tui::state::{Screen, State};
use crate::tui::words;

/// Shows the sliders of the service in view.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let (Some(service), Some(_)) = (state.service_in_view(), &state.slo) else {
        state.say("no service and no SLO is known yet");
        return Vec::new();
    };
    inspect::turn_to(state, service);
    go(state, Screen::WhatIf)
}

/// Asks for what the sliders need, and for the tail under them if that is not known of the newest data.
pub(super) fn look(state: &mut State) -> Vec<Effect> {
    let (Some(service), Some(slo)) = (state.inspected.service.clone(), state.slo.clone()) else {
        return Vec::new();
    };
    let mut effects = inspect::look(state);
    let means = state.detail().map(|detail| detail.means).unwrap_or_default();
    let replicas = state.picture().replicas.get(&service).copied();
    let version = state.live.snapshot.as_ref().map_or(0, |s| s.version);
    let bench = &mut state.inspected.bench;
    bench.turn_to(service, slo);
    bench.know(means, replicas);
    if bench.version != version {
        effects.extend(ask(state));
    }
    effects
}

/// Asks the model about the sliders as they stand.
fn ask(state: &mut State) -> Option<Effect> {
    let version = state.live.snapshot.as_ref().map_or(0, |s| s.version);
    let bench = &mut state.inspected.bench;
    let (_, slo) = bench.about.clone()?;
    (bench.number, bench.version) = (bench.number + 1, version);
    Some(Effect::Ask(Request::WhatIf(Question { number: bench.number, slo, moves: bench.moves() })))
}

/// Moves the slider under the cursor.
pub(super) fn slide(state: &mut State, more: bool) -> Vec<Effect> {
    let bench = &mut state.inspected.bench;
    let Some(slider) = bench.sliders.get_mut(bench.selected) else { return Vec::new() };
    let most = slider.most();
    let steps = if more { (slider.steps + 1).min(most) } else { slider.steps.saturating_sub(1) };
    if steps == slider.steps {
        let why = match (slider.stuck(), more) {
            (Some(why), _) => why,
            (None, true) => "that is the most that can be tried",
            (None, false) => "that is how it is: less cannot be tried, only more",
        };
        state.say(why);
        return Vec::new();
    }
    slider.steps = steps;
    ask(state).into_iter().collect()
}

/// Makes actions of what is moved, to be reviewed among what the verdict calls for.
pub(super) fn propose(state: &mut State) -> Vec<Effect> {
    let moves = state.inspected.bench.moves();
    let about = state.inspected.bench.about.clone().filter(|_| !moves.is_empty());
    let Some((_, slo)) = about.filter(|_| state.ledger().off().is_none()) else {
        return go(state, Screen::Actions);
    };
    // Asked for once: what the screen would ask for by itself is part of it.
    state.proposing.insert(slo.clone(), state.now);
    state.tried = Some(slo.clone());
    let mut effects = go(state, Screen::Actions);
    effects.push(Effect::Ask(Request::Remedy(Ask::Try { slo, moves })));
    effects
}

/// Nothing is changed any more.
pub(super) fn reset(state: &mut State) -> Vec<Effect> {
    let bench = &mut state.inspected.bench;
    if bench.sliders.iter().all(|slider| slider.steps == 0) {
        state.say("nothing is moved");
        return Vec::new();
    }
    bench.sliders.iter_mut().for_each(|slider| slider.steps = 0);
    ask(state).into_iter().collect()
}

/// The model answered; an answer to an older question than the last answered one is dropped.
pub(super) fn told(state: &mut State, prediction: &Prediction) {
    let bench = &mut state.inspected.bench;
    let newest = bench.answer.as_ref().is_none_or(|known| known.number < prediction.number);
    // A question about another service or SLO was asked before these sliders were there.
    if newest && bench.about.is_some() && prediction.number <= bench.number {
        bench.answer = Some(prediction.clone());
    }
}

/// The prediction as text.
pub(super) fn report(state: &State) -> Option<String> {
    let bench = &state.inspected.bench;
    let (service, slo) = bench.about.as_ref()?;
    let (_, with) = bench.answer.as_ref().filter(|_| bench.is_answered())?.tails.as_ref().ok()?;
    let with = with.as_ref()?;
    let mut out = format!("What if {service} had");
    for slider in bench.sliders.iter().filter(|slider| slider.steps > 0) {
        let (now, then) = slider.values();
        let _ = write!(out, " {} {then} instead of {now};", slider.title());
    }
    let p = format::probability(with.p_slo_met);
    let _ = writeln!(out, " {slo} would be {}, P(SLO met) {p}", words::interval(with));
    Some(out)
}
