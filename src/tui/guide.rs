//! The guide: one line that leads a newcomer through the demo, from a red objective to recovery.
//!
//! It says what is to be seen and which key comes next, in the words of the current keymap, and
//! never takes a key itself.

use super::action::Action;
use super::state::{Screen, State};
use crate::domain::{Clean, SloStatus, VerdictKind};
use crate::engine::ModelState;

/// How far the story is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Everything is as usual; an incident comes once the model is there.
    Quiet,
    /// The incident has begun; what an operator could do about it.
    Incident {
        /// A command for another terminal, if there is one that helps.
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
    let key = |action: Action| {
        state
            .keymap
            .keys(action)
            .first()
            .map_or_else(|| action.hint().to_owned(), |key| key.label(state.ascii))
    };
    let violated = state.live.snapshot.iter().flat_map(|s| &s.slos).any(violated);
    match scene {
        Scene::Quiet if !matches!(state.live.model, Some(ModelState::Ready(_) | ModelState::Stale(..))) => {
            format!(
                "A simulated cluster: its history is being learned. {} shows the keys.",
                key(Action::Help)
            )
        }
        Scene::Quiet => "The model is ready. Something will break soon: watch the objective.".to_owned(),
        Scene::Incident { .. } if !violated => {
            "Something just broke. The next window will show it.".to_owned()
        }
        Scene::Incident { remedy } => match state.screen {
            Screen::Slos => {
                format!("The objective is violated. {} shows who is on the path.", key(Action::Open))
            }
            Screen::Tree => format!("Suspects are marked. {} asks for the cause.", key(Action::ShowVerdict)),
            Screen::Verdict => match (state.selected_answer().map(|answer| answer.verdict.kind), remedy) {
                (None, _) => {
                    "What would the tail be, had each service been normal? The model is asked.".to_owned()
                }
                (Some(VerdictKind::Healthy), _) => {
                    format!("This answer is from before the incident: {} asks again.", key(Action::Diagnose))
                }
                (Some(VerdictKind::Unsure | VerdictKind::Unresolved), _) => {
                    format!("Not sure yet. {} asks again when there is a window more.", key(Action::Diagnose))
                }
                (Some(_), Some(remedy)) => {
                    // The command is there to be copied: it must not be cut.
                    let forms = ["Remedy, in another terminal: ", "Remedy: ", ""];
                    let form = forms.into_iter().find(|form| form.len() + remedy.width() <= room);
                    format!("{}{remedy}", form.unwrap_or_default())
                }
                (Some(_), None) => "More replicas do not help against this; it passes by itself.".to_owned(),
            },
        },
        Scene::Recovered => {
            format!("The objective is met again. {} ends the demo; nothing stays behind.", key(Action::Quit))
        }
    }
}
