//! The dialog before a change: the plan that is shown, what was typed, and when Apply listens.
//!
//! The engine's guards decide what is carried out; this is about not approving by mistake. Apply is not
//! the default. It listens only to an Enter that stands alone, some time after the dialog opened and
//! after anything in it changed: a held key, a burst, pasted text or an impatient second press do not
//! reach it.

use std::sync::Arc;
use std::time::Duration;

use tui_input::Input;

use super::picture::since;
use super::rhythm::QUICK;
use crate::domain::{Clean, Timestamp};
use crate::remedy::{ActionKind, Approval, Ask, Confirmation, OperationId, Plan, ProposalId};

/// How long Apply is deaf after the dialog opened, changed, or was pressed in vain.
pub const DEAF: Duration = Duration::from_millis(700);

/// What is reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A proposal.
    Proposal(ProposalId, ActionKind),
    /// Taking an operation back.
    Undo(OperationId),
}

impl Subject {
    /// The question that is answered by its plan.
    pub fn ask(&self) -> Ask {
        match self {
            Self::Proposal(id, _) => Ask::Review(*id),
            Self::Undo(id) => Ask::Undo(id.clone()),
        }
    }

    /// Whether `plan` can be the answer.
    pub fn fits(&self, plan: &Plan) -> bool {
        match self {
            Self::Proposal(_, kind) => plan.undoes.is_none() && plan.kind == *kind,
            Self::Undo(id) => plan.undoes.as_ref() == Some(id),
        }
    }
}

/// What a field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The text of the plan's confirmation.
    Name,
    /// Why it is done.
    Reason,
    /// The second person's name.
    Second,
}

impl Wanted {
    /// The label in front of the field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "type",
            Self::Reason => "reason",
            Self::Second => "second person",
        }
    }
}

/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// Into a field.
    Field(usize),
    /// The button that changes nothing.
    Cancel,
    /// The other button.
    Go,
}

/// What the other button does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// Writing is not possible yet: asks for the context's name.
    Arm,
    /// Approves the plan.
    Apply,
    /// The plan expired: asks for it again.
    Again,
}

impl Go {
    /// Its label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Arm => "Arm",
            Self::Apply => "Apply",
            Self::Again => "Review again",
        }
    }
}

/// The open dialog.
#[derive(Clone, Debug)]
pub struct Review {
    /// What would be run.
    pub plan: Arc<Plan>,
    /// What it answers.
    pub subject: Subject,
    /// What has to be typed, and what was.
    pub fields: Vec<(Wanted, Input)>,
    /// Where keys go.
    pub focus: Focus,
    /// First line shown.
    pub offset: usize,
    /// Whether everything that must be read before Apply was on the screen.
    pub read: bool,
    /// What the other button meant when the dialog was last looked at.
    pub go: Go,
    /// Since when Apply is deaf.
    pub deaf_since: Timestamp,
    /// When Apply was pressed; it counts once no other key follows.
    pressed: Option<Timestamp>,
}

impl Review {
    /// A dialog that opens now.
    pub fn new(plan: Arc<Plan>, subject: Subject, go: Go, now: Timestamp) -> Self {
        let mut wanted = match plan.confirmation {
            Confirmation::Choose => vec![],
            Confirmation::Type(_) => vec![Wanted::Name],
            Confirmation::TypeWithReason(_) => vec![Wanted::Name, Wanted::Reason],
        };
        if plan.second_person {
            wanted.push(Wanted::Second);
        }
        let fields: Vec<_> = wanted.into_iter().map(|w| (w, Input::default())).collect();
        // Letters typed too early go into a field, never to a key of the screens.
        let focus = if fields.is_empty() { Focus::Cancel } else { Focus::Field(0) };
        Self { plan, subject, fields, focus, offset: 0, read: false, go, deaf_since: now, pressed: None }
    }

    /// What the other button does.
    pub fn go_now(&self, armed: bool, now: Timestamp) -> Go {
        match (self.plan.expires <= now, armed) {
            (true, _) => Go::Again,
            (false, false) => Go::Arm,
            (false, true) => Go::Apply,
        }
    }

    /// Something under the cursor changed, or Apply was pressed in vain: it is deaf again.
    pub fn disturb(&mut self, now: Timestamp) {
        self.deaf_since = now;
        self.pressed = None;
    }

    /// How long Apply stays deaf.
    pub fn deaf_for(&self, now: Timestamp) -> Option<Duration> {
        // A clock that was set back makes it longer, never shorter.
        let past = Duration::try_from(now.duration_since(self.deaf_since)).unwrap_or_default();
        DEAF.checked_sub(past).filter(|left| !left.is_zero())
    }

    /// Apply was pressed, and everything else is as it must be.
    pub fn press(&mut self, now: Timestamp) {
        self.pressed = Some(now);
    }

    /// Another key, or anything else, came after it: the press does not count.
    pub fn release(&mut self) -> bool {
        self.pressed.take().is_some()
    }

    /// How long until the press counts; zero if it does now.
    pub fn counts_in(&self, now: Timestamp) -> Option<Duration> {
        self.pressed.map(|at| QUICK.saturating_sub(since(at, now)))
    }

    /// The text that has to be typed.
    pub fn name(&self) -> Option<&str> {
        match &self.plan.confirmation {
            Confirmation::Choose => None,
            Confirmation::Type(text) | Confirmation::TypeWithReason(text) => Some(text),
        }
    }

    /// Whether a field has what it asks for.
    pub fn is_filled(&self, field: usize) -> bool {
        let Some((wanted, input)) = self.fields.get(field) else { return true };
        match wanted {
            Wanted::Name => Some(input.value()) == self.name(),
            Wanted::Reason | Wanted::Second => !input.value().trim().is_empty(),
        }
    }

    /// The first field that lacks something.
    pub fn missing(&self) -> Option<Wanted> {
        (0..self.fields.len()).find(|i| !self.is_filled(*i)).map(|i| self.fields[i].0)
    }

    /// Why the other button does not do what it says; `None` if a lone Enter on it does.
    pub fn held_back(&self, now: Timestamp, engine_gone: bool) -> Option<String> {
        if engine_gone {
            return Some("the engine stopped".to_owned());
        }
        match (self.go, self.missing()) {
            (Go::Again, _) => Some("it expired".to_owned()),
            (Go::Arm, _) => Some("this context is not armed".to_owned()),
            (Go::Apply, Some(Wanted::Name)) => {
                Some(format!("type {} first", Clean::new(self.name().unwrap_or_default())))
            }
            (Go::Apply, Some(Wanted::Reason)) => Some("say why first".to_owned()),
            (Go::Apply, Some(Wanted::Second)) => Some("name the second person first".to_owned()),
            (Go::Apply, None) if !self.read => Some("read on, there is more to it".to_owned()),
            (Go::Apply, None) => self.deaf_for(now).map(|_| "one moment".to_owned()),
        }
    }

    /// Moves to the next place for keys, or the one before.
    pub fn step(&mut self, forward: bool) {
        let fields = self.fields.len();
        let places = fields + 2;
        let at = match self.focus {
            Focus::Field(i) => i,
            Focus::Cancel => fields,
            Focus::Go => fields + 1,
        };
        let to = (at + if forward { 1 } else { places - 1 }) % places;
        self.focus = match to {
            to if to < fields => Focus::Field(to),
            to if to == fields => Focus::Cancel,
            _ => Focus::Go,
        };
    }

    /// The person's word that exactly this plan is to be carried out.
    pub fn approval(&self) -> Approval {
        let typed = |wanted: Wanted| {
            let input = self.fields.iter().find(|(w, _)| *w == wanted).map(|(_, input)| input);
            input.map(|input| Clean::new(input.value().trim()))
        };
        Approval {
            digest: self.plan.digest,
            typed: typed(Wanted::Name),
            reason: typed(Wanted::Reason),
            second: typed(Wanted::Second),
        }
    }
}

/// The question for the context's name, before anything can be written.
#[derive(Clone, Debug)]
pub struct Arming {
    /// What has to be typed.
    pub name: Clean,
    /// What was.
    pub input: Input,
}
