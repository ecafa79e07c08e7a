//! Plans: exactly what will be run, and the approval that is bound to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kind::{ActionKind, Risk};
use super::operation::OperationId;
use super::proposal::{Change, Obstacle};
use super::target::Target;
use crate::domain::{Clean, Counterfactual, Timestamp};

/// One command of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The program by absolute path and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// What it reads from standard input: a constant script, or nothing.
    pub stdin: Option<String>,
}

/// SHA-256 over everything that an approval covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    /// The first eight bytes in hexadecimal: enough to compare by eye.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What has to be done to approve a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Choosing Apply, which is not the default, and Enter.
    Choose,
    /// Typing this text.
    Type(String),
    /// Typing this text, and a reason.
    TypeWithReason(String),
}

/// What will be run, to be read before it is approved.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The SLO it is to help.
    pub slo: Clean,
    /// What is done.
    pub kind: ActionKind,
    /// To what.
    pub target: Target,
    /// Fields before and after, as they were read just now.
    pub changes: Vec<Change>,
    /// The command that writes. Its read-back and checks are not listed: they change nothing.
    pub step: Step,
    /// The command that takes it back; `None` if none does, and the obstacles say so.
    pub undo: Option<Step>,
    /// How much can go wrong.
    pub risk: Risk,
    /// What has to be done to approve it.
    pub confirmation: Confirmation,
    /// Who approves beside the operator, where the configuration asks for a second person.
    pub second_person: bool,
    /// The SLO's tail with it; `None` where the model cannot tell.
    pub forecast: Option<Counterfactual>,
    /// The SLO's objective, milliseconds.
    pub objective_ms: f64,
    /// The tail now, milliseconds.
    pub observed_ms: Option<f64>,
    /// What stands against it.
    pub obstacles: Vec<Obstacle>,
    /// What the server said to a dry run; `None` if it cannot make one, which the obstacles tell.
    pub dry_run: Option<Clean>,
    /// The operation it takes back, if it is an undo.
    pub undoes: Option<OperationId>,
    /// Covers argv, standard input, server, target and the fields' present values.
    pub digest: Digest,
    /// After this moment it has to be reviewed again.
    pub expires: Timestamp,
}

/// A person's word that a plan is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Of what was shown.
    pub digest: Digest,
    /// What was typed, where [`Confirmation`] asks for it.
    pub typed: Option<Clean>,
    /// Why, where it asks for it.
    pub reason: Option<Clean>,
    /// The second person's name, where one is needed.
    pub second: Option<Clean>,
}
