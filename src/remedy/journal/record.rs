//! What a journal's entries say.

use serde::{Deserialize, Serialize};

use crate::domain::{Clean, Counterfactual, Timestamp};
use crate::remedy::act::Act;
use crate::remedy::kind::ActionKind;
use crate::remedy::operation::{OperationId, Outcome, Verification};
use crate::remedy::proposal::Change;

/// Which process wrote an entry, so that another one can tell whether it still lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The machine.
    pub host: Clean,
    /// Its boot: process numbers mean nothing across two.
    pub boot: Clean,
    /// The process.
    pub pid: u32,
}

/// What is going to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The operation.
    pub op: OperationId,
    /// The SLO it is to help.
    pub slo: Clean,
    /// Kind of action.
    pub kind: ActionKind,
    /// The write: target and fields before and after.
    pub write: Act,
    /// The same for people.
    pub changes: Vec<Change>,
    /// The command.
    pub argv: Vec<String>,
    /// SHA-256 of its standard input, where it has one.
    pub stdin_sha256: Option<String>,
    /// What was approved.
    pub digest: Clean,
    /// Who approved it.
    pub by: Clean,
    /// The second person.
    pub second: Option<Clean>,
    /// Why.
    pub reason: Option<Clean>,
    /// The command that takes it back.
    pub undo: Option<Vec<String>>,
    /// The object's generation before.
    pub generation: Option<u64>,
    /// The predicted tail.
    pub forecast: Option<Counterfactual>,
    /// The objective, milliseconds.
    pub objective_ms: f64,
    /// The tail then, milliseconds.
    pub observed_ms: Option<f64>,
    /// The operation it takes back.
    pub undoes: Option<OperationId>,
    /// Who runs it.
    pub actor: Actor,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Record {
    /// Something is going to be done; written before the command is spawned.
    Intent(Box<Intent>),
    /// The command is being spawned: from here on it may have happened.
    Started {
        /// The operation.
        op: OperationId,
    },
    /// What is known to have happened.
    Result {
        /// The operation.
        op: OperationId,
        /// How the command ended, in words.
        ended: Clean,
        /// What a fresh read showed.
        #[serde(flatten)]
        outcome: Outcome,
        /// Whether it was found out by a later start.
        recovered: bool,
    },
    /// The change has taken effect, or has not within its time.
    Effect {
        /// The operation.
        op: OperationId,
        /// When it was there; `None` if it was not.
        since: Option<Timestamp>,
        /// What was seen.
        note: Clean,
    },
    /// A change that takes itself back is told to stay; written before the machine is told.
    Keep {
        /// The operation.
        op: OperationId,
        /// Who said so.
        by: Clean,
    },
    /// Somebody else put the old value back.
    Reverted {
        /// The operation.
        op: OperationId,
        /// Who, as far as can be told.
        by: Clean,
    },
    /// The measured tail beside the predicted one.
    Verify {
        /// The operation.
        op: OperationId,
        /// It.
        verification: Verification,
    },
    /// The line before was torn when something died, and is part of the chain by this.
    Torn {
        /// Its length.
        bytes: u64,
        /// SHA-256 of it.
        sha256: String,
    },
}

impl Record {
    /// The operation it is about.
    pub fn op(&self) -> Option<&OperationId> {
        match self {
            Self::Intent(intent) => Some(&intent.op),
            Self::Started { op }
            | Self::Result { op, .. }
            | Self::Effect { op, .. }
            | Self::Keep { op, .. }
            | Self::Reverted { op, .. }
            | Self::Verify { op, .. } => Some(op),
            Self::Torn { .. } => None,
        }
    }
}
