//! The lines of the actions: what could be done, and what was done.

use std::sync::Arc;

use super::state::{Screen, State, contains};
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

impl State {
    /// Proposals, best first, then operations, newest first, as far as they pass the filter.
    pub fn action_rows(&self) -> Vec<ActionRow<'_>> {
        let needle = self.lists[Screen::Actions as usize].needle();
        let proposals = self.suggestions().into_iter().flat_map(|s| &s.proposals).map(ActionRow::Proposal);
        let operations = self.ledger().operations().map(ActionRow::Operation);
        proposals.chain(operations).filter(|row| needle.is_empty() || row.contains(&needle)).collect()
    }

    /// The selected line of the actions.
    pub fn picked(&self) -> Option<ActionRow<'_>> {
        self.action_rows().into_iter().find(|row| Some(row.pick()) == self.pick)
    }
}
