//! Remedies: what is asked of the engine about them, and what its answers change on the screens.

use std::sync::Arc;

use super::{diagnose, go};
use crate::domain::Clean;
use crate::engine::Request;
use crate::remedy::{Ask, Operation, Outcome, Phase, Plan, Told};
use crate::tui::action::Action;
use crate::tui::available::why_not;
use crate::tui::effect::Effect;
use crate::tui::pick::{ActionRow, Pick};
use crate::tui::remedy_words as words;
use crate::tui::review::{Arming, Go, Review, Subject};
use crate::tui::state::{Notice, Screen, State};

fn ask(ask: Ask) -> Vec<Effect> {
    vec![Effect::Ask(Request::Remedy(ask))]
}

/// Asks what could be done about the selected SLO, unless that is known of the newest verdict.
pub(super) fn propose_if_needed(state: &mut State) -> Vec<Effect> {
    let Some(slo) = state.slo.clone() else { return Vec::new() };
    if state.ledger().off().is_some() {
        return Vec::new();
    }
    let Some(answered) = state.live.verdicts.get(&slo).map(|a| a.received) else {
        // Without a cause there is nothing to propose.
        let known = state.live.slo(&slo).is_some() && !state.asked.contains_key(&slo);
        return if known { diagnose(state, slo) } else { Vec::new() };
    };
    let current = state.live.suggestions.get(&slo).is_some_and(|s| s.received >= answered);
    if current || state.proposing.contains_key(&slo) {
        return Vec::new();
    }
    state.proposing.insert(slo.clone(), state.now);
    ask(Ask::Propose(slo))
}

/// Enter on a line of the actions that can be reviewed.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    match state.picked() {
        Some(ActionRow::Proposal(p)) => await_plan(state, Subject::Proposal(p.id, p.kind)),
        Some(ActionRow::Operation(_)) | None => Vec::new(),
    }
}

/// The undo key, on an operation that can be taken back.
pub(super) fn undo(state: &mut State) -> Vec<Effect> {
    match state.picked() {
        Some(ActionRow::Operation(o)) => await_plan(state, Subject::Undo(o.id.clone())),
        Some(ActionRow::Proposal(_)) | None => Vec::new(),
    }
}

fn await_plan(state: &mut State, subject: Subject) -> Vec<Effect> {
    if state.awaited.as_ref().is_some_and(|(awaited, _)| *awaited == subject) {
        state.say("the target is being read again");
        return Vec::new();
    }
    let question = subject.ask();
    state.awaited = Some((subject, state.now));
    ask(question)
}

/// Nobody waits for a plan any more.
pub(super) fn give_up(state: &mut State) -> Vec<Effect> {
    if state.awaited.take().is_some() { ask(Ask::Reject) } else { Vec::new() }
}

/// Asks for the plan again that expired in the dialog.
pub(super) fn review_again(state: &mut State) -> Vec<Effect> {
    let Some(review) = state.review.take() else { return Vec::new() };
    await_plan(state, review.subject)
}

/// Closes the dialog; the plan is forgotten.
pub(super) fn cancel(state: &mut State) -> Vec<Effect> {
    state.review = None;
    state.arming = None;
    state.say("cancelled: nothing was changed");
    ask(Ask::Reject)
}

/// The plan in the dialog is approved.
fn approve(state: &mut State) -> Vec<Effect> {
    let Some(review) = state.review.take() else { return Vec::new() };
    state.approved = Some((review.plan.digest, state.now));
    state.say("approved: it is checked once more and run");
    let mut effects = go(state, Screen::Actions);
    effects.extend(ask(Ask::Approve(review.approval())));
    effects
}

/// The arm key: asks for the context's name, or ends it at once.
pub(super) fn arm(state: &mut State) -> Vec<Effect> {
    if state.ledger().armed(state.now).is_some() {
        state.say("disarming");
        return ask(Ask::Disarm);
    }
    match (state.to_arm().cloned(), why_not(state, Action::Arm)) {
        (Some(name), None) => state.arming = Some(Arming { name, input: Default::default() }),
        (_, why) => state.say(why.unwrap_or_default()),
    }
    Vec::new()
}

/// The keep key, on a change that takes itself back.
pub(super) fn keep(state: &mut State) -> Vec<Effect> {
    let Some(ActionRow::Operation(o)) = state.picked() else { return Vec::new() };
    let id = o.id.clone();
    state.say("keeping it");
    ask(Ask::Keep(id))
}

/// As time goes by: plans expire, and a press of Apply that stood alone counts.
pub(super) fn tick(state: &mut State) -> Vec<Effect> {
    refresh(state);
    let counts = state.review.as_ref().and_then(|r| r.counts_in(state.now)).is_some_and(|d| d.is_zero());
    if !counts {
        return Vec::new();
    }
    if let Some(review) = &mut state.review {
        review.release();
    }
    match held_back(state) {
        None => approve(state),
        Some(why) => {
            state.say(format!("nothing runs yet: {why}"));
            Vec::new()
        }
    }
}

/// The dialog's other button may mean something else by now: then it is deaf for a while.
pub(super) fn refresh(state: &mut State) {
    let (now, armed) = (state.now, state.ledger().armed(state.now).is_some());
    if let Some(review) = &mut state.review {
        let go = review.go_now(armed, now);
        if go != review.go {
            review.go = go;
            review.disturb(now);
        }
    }
}

/// Why Apply does nothing now; `None` if a lone Enter on it approves.
pub(super) fn held_back(state: &State) -> Option<String> {
    let review = state.review.as_ref()?;
    review.held_back(state.now, state.live.engine_gone)
}

/// What was known before something was told.
#[derive(Default)]
pub(super) struct Before {
    /// The operation that the told one replaces.
    operation: Option<Arc<Operation>>,
    /// Whether writing was possible.
    armed: bool,
}

/// What is known before `told` is taken in.
pub(super) fn before(state: &State, told: &Told) -> Before {
    let operation = match told {
        Told::Operation(o) => state.ledger().find(&o.id).cloned(),
        _ => None,
    };
    Before { operation, armed: state.ledger().armed(state.now).is_some() }
}

/// What the engine tells about remedies.
pub(super) fn told(state: &mut State, told: &Told, before: &Before) -> Vec<Effect> {
    match told {
        Told::Standing(_) if state.screen == Screen::Actions => return propose_if_needed(state),
        Told::Standing(_) | Told::Command(_) | Told::Predictions { .. } => {}
        Told::Proposals { slo, proposals, .. } => {
            let awaited = state.proposing.remove(slo).is_some();
            let asked = proposals.iter().find(|proposal| proposal.asked).map(|proposal| proposal.id);
            let asked = asked.filter(|_| state.tried.take_if(|tried| tried == slo).is_some());
            if (awaited || asked.is_some()) && state.slo.as_ref() == Some(slo) && !state.picked_by_hand {
                // The best proposal is what one came for, or what one tried.
                state.pick = asked.map(Pick::Proposal);
                let list = &mut state.lists[Screen::Actions as usize];
                (list.offset, list.last_index) = (0, 0);
            }
        }
        Told::Preview(plan) => preview(state, plan),
        Told::Armed(until) => match until {
            Some(until) => {
                state.arming = None;
                state.say(format!("armed until {} UTC", until.strftime("%H:%M:%S")));
            }
            None if before.armed => state.say("not armed: nothing can be written"),
            None => {}
        },
        Told::Operation(operation) => operated(state, operation, before.operation.as_ref()),
        Told::Refused { what, why } => {
            state.awaited = None;
            state.approved = None;
            // Whatever failed, nobody has to wait for proposals that may never come.
            state.proposing.clear();
            state.notice = Some(Notice { text: format!("{what}: {why}"), failure: true, since: state.now });
        }
    }
    Vec::new()
}

/// A plan opens the dialog only if it was asked for, and replaces only the one it is a newer form of.
fn preview(state: &mut State, plan: &Arc<Plan>) {
    let awaited = state.awaited.take_if(|(subject, _)| subject.fits(plan)).map(|(subject, _)| subject);
    let open = || state.review.as_ref().map(|r| &r.subject).filter(|s| s.fits(plan)).cloned();
    let replaces = awaited.is_none();
    let Some(subject) = awaited.or_else(open) else {
        tracing::debug!(digest = %plan.digest, "a plan that nobody waits for");
        return;
    };
    if replaces {
        state.say("the plan changed: read it again");
    }
    let mut review = Review::new(Arc::clone(plan), subject, Go::Arm, state.now);
    review.go = review.go_now(state.ledger().armed(state.now).is_some(), state.now);
    state.help = None;
    state.typing = false;
    state.review = Some(review);
}

/// An operation went on.
fn operated(state: &mut State, o: &Arc<Operation>, before: Option<&Arc<Operation>>) {
    if before.is_none() && state.approved.take().is_some() {
        // What was approved just now is what one wants to look at.
        state.pick = Some(Pick::Operation(o.id.clone()));
    }
    // What the journal tells of earlier days is no news.
    if before.is_none() && o.phase == Phase::Done {
        return;
    }
    let title = words::title(o.kind, &o.target);
    let (text, failure) = match (before, &o.outcome) {
        (b, _) if is_new(b, o, |o| o.reverted.is_some()) => {
            let by = o.reverted.as_ref().map(ToString::to_string).unwrap_or_default();
            (format!("reverted by {by}: {title}"), true)
        }
        (b, _) if is_new(b, o, |o| o.undone_by.is_some()) => (format!("undone: {title}"), false),
        (b, _) if is_new(b, o, |o| words::verified(o).is_some()) => {
            (words::verified(o).unwrap_or_default(), false)
        }
        (b, Some(Outcome::Applied)) if is_new(b, o, |o| o.outcome.is_some()) => {
            (format!("applied, and read back: {title}"), false)
        }
        (b, Some(Outcome::NotApplied(why))) if is_new(b, o, |o| o.outcome.is_some()) => {
            (format!("not applied: {why}"), true)
        }
        (b, Some(Outcome::Unknown(why))) if is_new(b, o, |o| o.outcome.is_some()) => {
            (format!("unknown whether it is applied: {why}"), true)
        }
        (None, _) => (format!("running: {title}"), false),
        _ => return,
    };
    state.notice = Some(Notice { text, failure, since: state.now });
}

fn is_new(before: Option<&Arc<Operation>>, now: &Operation, what: impl Fn(&Operation) -> bool) -> bool {
    what(now) && !before.is_some_and(|b| what(b))
}

/// What is copied of the selected line.
pub(super) fn report(state: &State) -> Option<(String, &'static str)> {
    Some(match state.picked()? {
        ActionRow::Proposal(p) if p.patch.is_some() => (words::proposal_report(p), "patch"),
        ActionRow::Proposal(p) => (words::proposal_report(p), "proposal"),
        ActionRow::Operation(o) => (words::operation_report(o), "operation"),
    })
}

/// The selected SLO, for a new verdict on it.
pub(super) fn after_verdict(state: &mut State, slo: &Clean) -> Vec<Effect> {
    let looking = state.screen == Screen::Actions && state.slo.as_ref() == Some(slo);
    if looking { propose_if_needed(state) } else { Vec::new() }
}
