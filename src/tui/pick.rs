//! The lines of the actions: what could be done, and what was done.

use std::sync::Arc;

use super::state::contains;
use crate::remedy::{Operation, OperationId, Proposal, ProposalId};

/// A line of the actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// A proposal.
    Proposal(ProposalId),
    /// An operation.
    Operation(OperationId),
}

/// A line of the actions, with what it stands for.
#[derive(Clone, Copy, Debug)]
pub enum ActionRow<'a> {
    /// Something that could be done.
    Proposal(&'a Arc<Proposal>),
    /// Something that was.
    Operation(&'a Arc<Operation>),
}

impl ActionRow<'_> {
    /// Its name.
    pub fn pick(&self) -> Pick {
        match self {
            Self::Proposal(p) => Pick::Proposal(p.id),
            Self::Operation(o) => Pick::Operation(o.id.clone()),
        }
    }

    /// Whether its title contains `needle`, which is in lower case.
    pub fn contains(&self, needle: &str) -> bool {
        let (kind, target) = match self {
            Self::Proposal(p) => (p.kind, &p.target),
            Self::Operation(o) => (o.kind, &o.target),
        };
        contains(&format!("{} {target}", kind.title()), needle)
    }
}
