//! Proposals: what could be done about a verdict, sized, with what stands against it.

use serde::{Deserialize, Serialize};

use super::kind::{ActionKind, Risk};
use super::target::Target;
use crate::domain::{Clean, Counterfactual, Resource, ServiceName};

/// Number of a proposal; counts up as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId(pub u64);

/// One field before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What, in the words of the object, such as `replicas` or `limits.cpu`.
    pub field: Clean,
    /// As it is; `None` where it is unset.
    pub before: Option<Clean>,
    /// As it will be; `None` where it is removed.
    pub after: Option<Clean>,
}

/// How much an obstacle weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// The action may not last or may not help.
    Warning,
    /// The action is refused.
    Refusal,
}

/// What stands against an action: an owner that would revert it, a right that is missing, a full quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// How much it weighs.
    pub weight: Weight,
    /// What it is and what to do about it.
    pub text: Clean,
}

/// What could be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its number.
    pub id: ProposalId,
    /// The SLO it is to help.
    pub slo: Clean,
    /// What is done.
    pub kind: ActionKind,
    /// To what.
    pub target: Target,
    /// The blamed service it answers to.
    pub service: ServiceName,
    /// The blamed resource it answers to.
    pub resource: Resource,
    /// Fields before and after.
    pub changes: Vec<Change>,
    /// How much can go wrong.
    pub risk: Risk,
    /// Whether somebody asked for it by what-if; else the verdict calls for it.
    pub asked: bool,
    /// Why this, and why so much, in a sentence.
    pub why: Clean,
    /// The SLO's tail with it; `None` where the model cannot tell.
    pub forecast: Option<Counterfactual>,
    /// The SLO's objective, milliseconds.
    pub objective_ms: f64,
    /// What stands against it; with a refusal among them it cannot be reviewed.
    pub obstacles: Vec<Obstacle>,
    /// A patch for the repository that owns the object, where one does.
    pub patch: Option<Clean>,
}

impl Proposal {
    /// Why it cannot be done, if so.
    pub fn refusal(&self) -> Option<&Obstacle> {
        self.obstacles.iter().find(|obstacle| obstacle.weight == Weight::Refusal)
    }
}
