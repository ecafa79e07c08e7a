//! The guide: one line that leads a newcomer through the demo, from a red objective to recovery.
//!
//! It says what is to be seen and which key comes next, in the words of the current keymap, and
//! never takes a key itself.

use super::action::Action;
use super::state::{Screen, State};
use crate::domain::{Clean, SloState, VerdictKind};
use crate::engine::ModelState;

/// How far the story is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Everything is as usual; an incident comes once the model is there.
    Quiet,
    /// The incident has begun; what an operator could do about it.
    Incident {
        /// A command for another terminal.
        remedy: Clean,
    },
    /// The remedy was applied: the objective is to recover.
    Remedied,
    /// The objective is met again.
    Recovered,
}

/// What the guide says now.
pub fn words(scene: &Scene, state: &State) -> String {
    let key = |action: Action| {
        state
            .keymap
            .keys(action)
            .first()
            .map_or_else(|| action.hint().to_owned(), |key| key.label(state.ascii))
    };
    let violated = state
        .live
        .snapshot
        .iter()
        .flat_map(|s| &s.slos)
        .any(|slo| matches!(slo.state, SloState::Burning | SloState::Breached));
    match scene {
        Scene::Quiet if !matches!(state.live.model, Some(ModelState::Ready(_) | ModelState::Stale(..))) => {
            format!(
                "This is a simulated cluster. sagetop reads its history and learns it; {} shows the keys.",
                key(Action::Help)
            )
        }
        Scene::Quiet => {
            "The model is ready and all is well. Something will break in a moment: watch the objective."
                .to_owned()
        }
        Scene::Incident { .. } if !violated => {
            "Something just broke. The next window will show it.".to_owned()
        }
        Scene::Incident { remedy } => match state.screen {
            Screen::Slos => {
                format!("The objective is violated. {} shows who is on the path.", key(Action::Open))
            }
            Screen::Tree => format!("Suspects are marked. {} asks for the cause.", key(Action::ShowVerdict)),
            Screen::Verdict => match state.selected_answer().map(|answer| answer.verdict.kind) {
                Some(VerdictKind::Culprits) => format!("In another terminal: {remedy}"),
                Some(VerdictKind::Healthy) => {
                    format!("This answer is from before the incident: {} asks again.", key(Action::Diagnose))
                }
                Some(_) => format!(
                    "The model is not sure yet; {} asks again when a window more is there.",
                    key(Action::Diagnose)
                ),
                None => "The model is asked what the tail would have been, had each service been normal."
                    .to_owned(),
            },
        },
        Scene::Remedied if violated => {
            "The cluster has taken the change. Two or three windows will show whether it helps.".to_owned()
        }
        Scene::Remedied | Scene::Recovered => {
            format!("The objective is met again. {} ends the demo; nothing stays behind.", key(Action::Quit))
        }
    }
}
