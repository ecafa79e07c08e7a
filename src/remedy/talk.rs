//! What the screens ask of this room, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use super::operation::{Operation, OperationId};
use super::plan::{Approval, Plan};
use super::proposal::{Proposal, ProposalId};
use crate::domain::{Clean, Move, Timestamp};

/// What the screens ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Remedies for the newest verdict on the SLO of this name.
    Propose(Clean),
    /// The same, and beside them these changes, which somebody tried by what-if. They replace what was tried
    /// before.
    Try {
        /// The SLO they are to help.
        slo: Clean,
        /// The changes.
        moves: Vec<Move>,
    },
    /// Read the target again and tell exactly what would be run.
    Review(ProposalId),
    /// Writing is to be possible for a while; what was typed must be the context's name.
    Arm(Clean),
    /// Writing is to be impossible again.
    Disarm,
    /// Carry out the plan that was shown.
    Approve(Approval),
    /// Forget the plan that was shown.
    Reject,
    /// Tell exactly what would take this operation back.
    Undo(OperationId),
    /// Keep a change that would take itself back.
    Keep(OperationId),
}

/// A command that was run, for the command log. Reads are in it too.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRecord {
    /// Counts up; the same number again replaces the record.
    pub number: u64,
    /// When it was started.
    pub started: Timestamp,
    /// How it reads in a shell, secrets blotted out.
    pub line: Clean,
    /// Whether it may change something.
    pub writes: bool,
    /// How long it took; `None` while it runs.
    pub took: Option<Duration>,
    /// How it ended, in words: `exit 0`, `killed after 30 s`.
    pub ended: Option<Clean>,
    /// First line of what it complained about.
    pub complaint: Option<Clean>,
}

/// Whether anything can be changed in this context at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing can: why, and what to write into the configuration.
    Off(Clean),
    /// Actions can be approved once this name was typed ([`Ask::Arm`]): the context's.
    Ready(Clean),
}

/// What the screens are told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Whether anything can be changed; told once, before everything else here.
    Standing(Standing),
    /// What could be done about the SLO of this name, best first, and what else is to be said: that
    /// nothing fits, and why.
    Proposals {
        /// The SLO.
        slo: Clean,
        /// Best first.
        proposals: Vec<Arc<Proposal>>,
        /// Remarks.
        notes: Vec<Clean>,
    },
    /// What would be run.
    Preview(Arc<Plan>),
    /// Until when writing is possible; `None` if it is not.
    Armed(Option<Timestamp>),
    /// An operation is new or went on.
    Operation(Arc<Operation>),
    /// How the predictions of operations came out that are too old to be told one by one.
    Predictions {
        /// How many measured tails lay in the predicted interval.
        hits: usize,
        /// Of how many.
        of: usize,
    },
    /// A command was started or ended.
    Command(CommandRecord),
    /// Something was refused or failed, and why.
    Refused {
        /// What was asked.
        what: Clean,
        /// Why not, and what to do.
        why: Clean,
    },
}
