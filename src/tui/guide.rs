//! The guide: one line that leads a newcomer through the demo, from a red objective to recovery.
//!
//! It says what is to be seen and which key comes next, in the words of the current keymap, and
//! never takes a key itself.

use unicode_width::UnicodeWidthStr;

use super::action::Action;
use super::format;
use super::pick::ActionRow;
use super::remedy_words::side;
use super::review::{Focus, Go, Review};
use super::state::{Screen, State};
use super::words::interval;
use crate::domain::{Clean, SloStatus, VerdictKind};
use crate::engine::ModelState;
use crate::remedy::{Operation, Outcome, Phase};

/// How far the story is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Everything is as usual; an incident comes once the model is there.
    Quiet,
    /// The incident has begun; what an operator could do about it.
    Incident {
        /// A command for another terminal, for where nothing can be changed from here; `None` if none helps.
        remedy: Option<Clean>,
    },
    /// The objective is met again.
    Recovered,
}

/// Whether the objective is missed now; its state may stay BURNING for a while after that.
pub fn violated(slo: &SloStatus) -> bool {
    slo.observed_ms.is_some_and(|observed| observed > slo.objective_ms)
}

/// What the guide says now, on at most `room` cells where that can be.
pub fn words(scene: &Scene, state: &State, room: usize) -> String {
    match scene {
        Scene::Quiet if !matches!(state.live.model, Some(ModelState::Ready(_) | ModelState::Stale(..))) => {
            let help = key(state, Action::Help);
            format!("A simulated cluster: its history is being learned. {help} shows the keys.")
        }
        Scene::Quiet => "The model is ready. Something will break soon: watch the objective.".to_owned(),
        Scene::Incident { remedy } => incident(state, remedy.as_ref(), room),
        Scene::Recovered => recovered(state, room),
    }
}

fn key(state: &State, action: Action) -> String {
    let first = state.keymap.keys(action).first();
    first.map_or_else(|| action.hint().to_owned(), |key| key.label(state.ascii))
}

fn incident(state: &State, remedy: Option<&Clean>, room: usize) -> String {
    if let Some(arming) = &state.arming {
        return format!("Type {} and press enter: changes can then be approved for a while.", arming.name);
    }
    if let Some(review) = &state.review {
        return dialog(state, review);
    }
    if let Some(words) = last_operation(state).and_then(|o| after(state, o)) {
        return words;
    }
    let violated = state.live.snapshot.iter().flat_map(|s| &s.slos).any(violated);
    if !violated {
        return "Something just broke. The next window will show it.".to_owned();
    }
    match state.screen {
        Screen::Slos => {
            format!("The objective is violated. {} shows who is on the path.", key(state, Action::Open))
        }
        Screen::Tree => {
            format!("Suspects are marked. {} asks for the cause.", key(state, Action::ShowVerdict))
        }
        Screen::Verdict => verdict(state, remedy, room),
        Screen::Actions => actions(state, remedy, room),
        Screen::Doctor => {
            format!("How backends, model and metrics are. {} leads back.", key(state, Action::Back))
        }
        Screen::Log => format!("What the program had to say. {} leads back.", key(state, Action::Back)),
        Screen::Timeline => format!("What happened so far. {} leads back.", key(state, Action::Back)),
        Screen::Service => {
            format!("What of it is unusual? {} asks for the cause.", key(state, Action::ShowVerdict))
        }
        Screen::WhatIf if state.inspected.bench.moves().is_empty() => {
            format!("{} gives it more: the tail moves.", key(state, Action::Unfold))
        }
        Screen::WhatIf => {
            format!("{} makes a proposal of it, to be reviewed like any other.", key(state, Action::Open))
        }
        Screen::Commands => {
            format!("Every command that was run, reads too. {} leads back.", key(state, Action::Back))
        }
    }
}

/// The newest operation that was neither taken back nor took back another one.
fn last_operation(state: &State) -> Option<&Operation> {
    let ledger = state.ledger();
    let newest = ledger.operations().next()?;
    // Once something is taken back, the story goes on where it was before.
    let stands = newest.undone_by.is_none() && ledger.undone(&newest.id).is_none();
    stands.then_some(&**newest)
}

/// What an operation leads to; `None` once there is nothing more to wait for and nothing to be done about it.
fn after(state: &State, o: &Operation) -> Option<String> {
    let measured = o.verification.as_ref().and_then(|v| v.met);
    Some(match (&o.outcome, &o.phase, measured) {
        (None, _, _) => "It runs; then the target is read again, to know and not to hope.".to_owned(),
        (Some(Outcome::NotApplied(_)), _, _) => return None,
        (Some(Outcome::Unknown(_)), _, _) => {
            format!(
                "Nobody can tell whether it is applied: {} shows what ran.",
                key(state, Action::ShowCommands)
            )
        }
        (Some(Outcome::Applied), _, Some(true)) => return None,
        (Some(Outcome::Applied), _, Some(false)) if state.review.is_none() => {
            let undo = key(state, Action::Undo);
            match state.screen {
                Screen::Actions => {
                    format!(
                        "That did not help: still violated. {undo} on it takes it back; then try another."
                    )
                }
                _ => format!(
                    "That did not help: still violated. {} leads back.",
                    key(state, Action::ShowActions)
                ),
            }
        }
        (Some(Outcome::Applied), Phase::Settling(_), _) => {
            "Applied, and read back. It takes effect now; then whole windows count.".to_owned()
        }
        (Some(Outcome::Applied), Phase::Done, None) => return None,
        (Some(Outcome::Applied), _, _) => "Applied. Wait for the next window: did it help?".to_owned(),
    })
}

fn dialog(state: &State, review: &Review) -> String {
    let (next, press) = (key(state, Action::NextSlo), key(state, Action::Open));
    match (review.go, review.missing(), review.focus) {
        (Go::Again, _, _) => "It waited too long and expired: review it again.".to_owned(),
        (Go::Arm, _, Focus::Go) => format!("Nothing can be written yet. {press} arms this context."),
        (Go::Arm, _, _) => {
            format!("Exactly this would run; nothing can be written yet. {next} to Arm, {press}.")
        }
        (Go::Apply, Some(_), _) => {
            format!("Armed. It asks to be typed, since it is risky; then {next} to Apply.")
        }
        (Go::Apply, None, _) if !review.read => {
            format!(
                "Armed. {} reads on to the end; then {next} to Apply and {press}.",
                key(state, Action::PageDown)
            )
        }
        (Go::Apply, None, Focus::Go) => format!("{press} runs exactly what is shown, once."),
        (Go::Apply, None, _) => format!("Armed. Read it; then {next} to Apply and {press}."),
    }
}

fn verdict(state: &State, remedy: Option<&Clean>, room: usize) -> String {
    match state.selected_answer().map(|answer| answer.verdict.kind) {
        None => "What would the tail be, had each service been normal? The model is asked.".to_owned(),
        Some(VerdictKind::Healthy) => {
            format!("This answer is from before the incident: {} asks again.", key(state, Action::Diagnose))
        }
        Some(VerdictKind::Unsure | VerdictKind::Unresolved) => {
            format!("Not sure yet. {} asks again when there is a window more.", key(state, Action::Diagnose))
        }
        Some(_) if can_change(state) => {
            format!(
                "The cause has a name. {} shows what could be done about it.",
                key(state, Action::ShowActions)
            )
        }
        Some(_) => elsewhere(remedy, room),
    }
}

fn actions(state: &State, remedy: Option<&Clean>, room: usize) -> String {
    if !can_change(state) {
        return elsewhere(remedy, room);
    }
    if state.awaited.is_some() {
        return "The target is read again: what is shown next is what would really run.".to_owned();
    }
    let current = state.slo.as_ref().is_none_or(|slo| !state.proposing.contains_key(slo));
    match state.suggestions().filter(|_| current) {
        None => "What-if sizes each action: how much of it would meet the objective?".to_owned(),
        Some(_) if matches!(state.picked(), Some(ActionRow::Proposal(p)) if p.asked) => {
            format!("Your own idea, with the tail it predicts. {} reviews it.", key(state, Action::Open))
        }
        Some(s) if s.proposals.iter().all(|p| p.refusal().is_some()) => {
            "Nothing fits this one: the reasons are here. It passes by itself.".to_owned()
        }
        Some(_) => {
            format!("Best first, with the tail it predicts. {} reviews one.", key(state, Action::Open))
        }
    }
}

/// Whether anything can be changed from here.
fn can_change(state: &State) -> bool {
    state.ledger().off().is_none()
}

/// The command is there to be copied: it must not be cut.
fn elsewhere(remedy: Option<&Clean>, room: usize) -> String {
    let Some(remedy) = remedy else {
        return "More replicas do not help against this; it passes by itself.".to_owned();
    };
    let forms = ["Remedy, in another terminal: ", "Remedy: ", ""];
    let form = forms.into_iter().find(|form| form.len() + remedy.width() <= room);
    format!("{}{remedy}", form.unwrap_or_default())
}

/// The end, with what was predicted and what came of it.
fn recovered(state: &State, room: usize) -> String {
    let quit = key(state, Action::Quit);
    let end = format!("The objective is met again. {quit} ends the demo; nothing stays behind.");
    let told = last_operation(state).and_then(|o| {
        let v = o.verification.as_ref()?;
        let (measured, forecast) = (format::latency(Some(v.measured_ms?)), o.forecast.as_ref()?);
        let side = side(v.measured_ms?, v.hit?, Some(forecast));
        let predicted = interval(forecast);
        Some([
            format!(
                "Met again: {measured}, {side} the predicted {predicted}. {quit} ends; nothing stays behind."
            ),
            format!("Met again: {measured}, {side} the predicted {predicted}. {quit} ends."),
        ])
    });
    told.into_iter().flatten().find(|form| form.width() <= room).unwrap_or(end)
}
