//! Why an action would do nothing now. Keys, footer and palette say the same, because they ask here.

use super::action::{Action, Scope};
use super::pick::ActionRow;
use super::state::{Screen, State};
use crate::domain::Clean;
use crate::remedy::{Operation, Outcome, Phase};

/// Why `action` does nothing now; `None` if it does something.
pub fn why_not(state: &State, action: Action) -> Option<String> {
    if let Scope::On(screens) = action.scope()
        && !screens.contains(&state.screen)
    {
        let titles: Vec<_> = screens.iter().map(|s| s.title()).collect();
        let there = titles.join(", ");
        return Some(format!("{} does nothing on this screen, only on {there}", action.name()));
    }
    let no_slo = || state.slo.is_none().then(|| "no SLO is known yet".to_owned());
    match action {
        Action::Diagnose | Action::ShowTree => no_slo(),
        Action::Open if state.screen == Screen::Slos => no_slo(),
        Action::Open if state.screen == Screen::Actions => match state.picked() {
            Some(ActionRow::Proposal(p)) => p.refusal().map(|obstacle| format!("refused: {}", obstacle.text)),
            Some(ActionRow::Operation(_)) => {
                Some(format!("{} takes it back", state.keymap.label(Action::Undo, state.ascii)))
            }
            None => Some("there is nothing to review".to_owned()),
        },
        Action::Sort if state.shows_graph() => {
            Some("the graph is drawn by who calls whom: sorting is for the tree".to_owned())
        }
        Action::Play if !state.live.snapshot.as_ref().is_some_and(|s| s.frozen) => {
            let back = state.keymap.label(Action::StepBack, state.ascii);
            Some(format!("this is the present: there is nothing to play; {back} goes back in time"))
        }
        Action::PlaySlower if state.playing.is_none() => Some("nothing is being played".to_owned()),
        Action::Undo => match state.picked() {
            Some(ActionRow::Operation(o)) => cannot_undo(o),
            Some(ActionRow::Proposal(_)) => {
                Some("this is not done yet: undo is for what was done".to_owned())
            }
            None => Some("nothing was done that could be taken back".to_owned()),
        },
        Action::Keep => {
            let kept = match state.picked() {
                Some(ActionRow::Operation(o)) => o.keep_until.is_some_and(|until| until > state.now),
                _ => false,
            };
            (!kept).then(|| "only a change that takes itself back can be kept".to_owned())
        }
        Action::Arm if state.ledger().armed(state.now).is_none() && state.to_arm().is_none() => {
            Some(match state.ledger().off() {
                Some(why) => format!("cannot arm: {why}"),
                None => "cannot arm: the context is not known yet".to_owned(),
            })
        }
        Action::Copy => {
            let nothing = match state.screen {
                Screen::Actions => state.picked().is_none(),
                Screen::Commands => state.command_rows().is_empty(),
                _ => state.selected_answer().is_none(),
            };
            nothing.then(|| "there is nothing to copy yet".to_owned())
        }
        Action::NextContext => match next_context(state) {
            Some(name) => why_not_switch(state, name),
            None => Some("there is no other context in the configuration".to_owned()),
        },
        _ => None,
    }
}

/// Why the screens cannot go on with the context called `name`; `None` if they can.
pub fn why_not_switch(state: &State, name: &Clean) -> Option<String> {
    if state.context.as_ref() == Some(name) {
        return Some(format!("{name} is what you are looking at"));
    }
    let under_way = |o: &Operation| matches!(o.phase, Phase::Running | Phase::ReadBack | Phase::Settling(_));
    let running = state.ledger().operations().any(|o| under_way(o));
    running.then(|| "a change is under way here: wait until it was read back".to_owned())
}

/// The context after the present one, round and round.
pub fn next_context(state: &State) -> Option<&Clean> {
    let at = state.contexts.iter().position(|name| Some(name) == state.context.as_ref());
    let next = at.map_or(0, |at| (at + 1) % state.contexts.len());
    state.contexts.get(next).filter(|next| Some(*next) != state.context.as_ref())
}

/// Why an operation cannot be taken back.
fn cannot_undo(o: &Operation) -> Option<String> {
    match (&o.undone_by, o.can_undo, &o.outcome) {
        (Some(_), _, _) => Some("it was taken back already".to_owned()),
        (None, true, _) => None,
        (None, false, None) => Some("it is not known yet what it did".to_owned()),
        (None, false, Some(Outcome::NotApplied(_))) => Some("it was not applied: nothing to undo".to_owned()),
        (None, false, _) => Some("it cannot be taken back now: its notes say why".to_owned()),
    }
}
