//! What was changed, and every command that was run. Pause never freezes it: what changes a cluster is
//! shown as it happens.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::{Clean, Timestamp};
use crate::remedy::{CommandRecord, Operation, OperationId, Phase, Standing, Told};

/// Most commands kept; the oldest go first.
pub const MOST_COMMANDS: usize = 1_000;
/// Most operations kept; of those that are over, the oldest go first.
pub const MOST_OPERATIONS: usize = 200;

/// Something that was asked for and refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What was asked.
    pub what: Clean,
    /// Why not, and what to do.
    pub why: Clean,
    /// When it was told.
    pub at: Timestamp,
}

/// What the screens were told of changes.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Whether anything can be changed; `None` until it is told.
    pub standing: Option<Standing>,
    /// Until when writing is possible, as it was told last; use [`Ledger::armed`].
    until: Option<Timestamp>,
    /// Oldest first.
    operations: Vec<Arc<Operation>>,
    /// Hits among the predictions of operations that are not kept, and how many those are.
    earlier: (usize, usize),
    /// Oldest first.
    commands: VecDeque<CommandRecord>,
    /// The last refusal that nothing has followed yet.
    pub refusal: Option<Refusal>,
}

impl Ledger {
    /// Takes in what is told; proposals and plans are not kept here.
    pub fn apply(&mut self, told: &Told, now: Timestamp) {
        match told {
            Told::Standing(standing) => self.standing = Some(standing.clone()),
            Told::Armed(until) => self.until = *until,
            Told::Operation(operation) => {
                self.refusal = None;
                self.operation(Arc::clone(operation));
            }
            Told::Predictions { hits, of } => self.earlier = (self.earlier.0 + hits, self.earlier.1 + of),
            Told::Command(record) => self.command(record.clone()),
            Told::Refused { what, why } => {
                self.refusal = Some(Refusal { what: what.clone(), why: why.clone(), at: now });
            }
            Told::Preview(_) => self.refusal = None,
            Told::Proposals { .. } => {}
        }
    }

    fn operation(&mut self, operation: Arc<Operation>) {
        if let Some(known) = self.operations.iter_mut().find(|o| o.id == operation.id) {
            *known = operation;
            return;
        }
        let at = self.operations.partition_point(|o| o.started <= operation.started);
        self.operations.insert(at, operation);
        if self.operations.len() > MOST_OPERATIONS {
            let over = self.operations.iter().position(|o| o.phase == Phase::Done).unwrap_or(0);
            self.earlier = counted(self.earlier, &self.operations.remove(over));
        }
    }

    fn command(&mut self, record: CommandRecord) {
        if let Some(known) = self.commands.iter_mut().rev().find(|c| c.number == record.number) {
            *known = record;
            return;
        }
        self.commands.push_back(record);
        if self.commands.len() > MOST_COMMANDS {
            self.commands.pop_front();
        }
    }

    /// Until when writing is possible, if it is now.
    pub fn armed(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now)
    }

    /// Why nothing can be changed, if that was told.
    pub fn off(&self) -> Option<&Clean> {
        match self.standing.as_ref()? {
            Standing::Off(why) => Some(why),
            Standing::Ready(_) => None,
        }
    }

    /// The operation of that name.
    pub fn find(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.operations.iter().find(|o| o.id == *id)
    }

    /// The operation that the one of that name took back, if that is what it was for.
    pub fn undone(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.operations.iter().find(|o| o.undone_by.as_ref() == Some(id))
    }

    /// The operations, newest first.
    pub fn operations(&self) -> impl DoubleEndedIterator<Item = &Arc<Operation>> {
        self.operations.iter().rev()
    }

    /// The commands, oldest first.
    pub fn commands(&self) -> impl DoubleEndedIterator<Item = &CommandRecord> {
        self.commands.iter()
    }

    /// How many measured tails lay in their predicted intervals, and of how many that is known.
    pub fn calibration(&self) -> (usize, usize) {
        self.operations.iter().fold(self.earlier, |sum, operation| counted(sum, operation))
    }
}

/// The hits and the predictions so far, and one operation more.
fn counted((hits, of): (usize, usize), operation: &Operation) -> (usize, usize) {
    match operation.verification.as_ref().and_then(|seen| seen.hit) {
        Some(hit) => (hits + usize::from(hit), of + 1),
        None => (hits, of),
    }
}
