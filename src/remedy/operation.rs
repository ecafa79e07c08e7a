//! Operations: what was run, what came of it, and whether it helped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kind::ActionKind;
use super::proposal::Change;
use super::target::Target;
use crate::domain::{Clean, Counterfactual, Timestamp};

/// Name of an operation, unique among all machines: time and random digits, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub Clean);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known to have happened. Decided by reading the target again, never by an exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "why", rename_all = "snake_case")]
pub enum Outcome {
    /// The fields have the new values.
    Applied,
    /// They have the old ones, and why.
    NotApplied(Clean),
    /// Nobody can tell; what was seen.
    Unknown(Clean),
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The command runs.
    Running,
    /// The target is read again.
    ReadBack,
    /// It is applied; its effect spreads: replicas start, a rollout goes on. What is waited for.
    Settling(Clean),
    /// The effect is there; the tail is measured.
    Verifying,
    /// Nothing more is done.
    Done,
}

/// The measured tail beside the predicted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Windows that count: those that began after the change had taken effect.
    pub windows: usize,
    /// Median of the SLO's quantile over them, milliseconds.
    pub measured_ms: Option<f64>,
    /// Whether it lies in the predicted interval; `None` before it is known or without a prediction.
    pub hit: Option<bool>,
    /// Whether the objective is met.
    pub met: Option<bool>,
}

/// Something that was approved and run.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// The SLO it was to help.
    pub slo: Clean,
    /// What was done.
    pub kind: ActionKind,
    /// To what.
    pub target: Target,
    /// Fields before and after.
    pub changes: Vec<Change>,
    /// Who approved it.
    pub by: Clean,
    /// Who approved it as the second person, where one was needed.
    pub second: Option<Clean>,
    /// When the command was started.
    pub started: Timestamp,
    /// How far it is.
    pub phase: Phase,
    /// What is known to have happened; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// The predicted tail.
    pub forecast: Option<Counterfactual>,
    /// The SLO's objective, milliseconds.
    pub objective_ms: f64,
    /// The measured tail, once it is being verified.
    pub verification: Option<Verification>,
    /// Whether somebody else put the old value back, and who.
    pub reverted: Option<Clean>,
    /// Whether it can be taken back now.
    pub can_undo: bool,
    /// The operation that took it back.
    pub undone_by: Option<OperationId>,
    /// When a change takes itself back unless it is kept (commit-confirmed).
    pub keep_until: Option<Timestamp>,
    /// Further words, newest last.
    pub notes: Vec<Clean>,
}
