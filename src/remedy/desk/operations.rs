//! Operations as the desk keeps them.

use std::sync::Arc;

use super::{Desk, aside};
use crate::domain::{Clean, Timestamp};
use crate::remedy::act::Act;
use crate::remedy::guard::Permit;
use crate::remedy::journal::Record;
use crate::remedy::operation::{Operation, OperationId, Outcome, Phase};
use crate::remedy::runner::Update;
use crate::remedy::talk::Told;

/// An operation and what it takes to take it back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What the screens are told.
    pub operation: Operation,
    /// What was written.
    pub write: Act,
    /// When it had taken effect.
    pub effective: Option<Timestamp>,
    /// The operation that it takes back.
    pub undoes: Option<OperationId>,
}

impl Kept {
    /// One that begins.
    pub fn begun(permit: &Permit, by: Clean, at: Timestamp) -> Self {
        let (plan, bound) = (permit.plan(), permit.bound());
        Self {
            operation: Operation {
                id: bound.op.clone(),
                slo: plan.slo.clone(),
                kind: plan.kind,
                target: plan.target.clone(),
                changes: plan.changes.clone(),
                by,
                second: permit.approval().second.clone(),
                started: at,
                phase: Phase::Running,
                outcome: None,
                forecast: plan.forecast,
                objective_ms: plan.objective_ms,
                verification: None,
                reverted: None,
                can_undo: false,
                undone_by: None,
                keep_until: None,
                notes: Vec::new(),
            },
            write: bound.write.clone(),
            effective: None,
            undoes: plan.undoes.clone(),
        }
    }

    /// One as a journal tells it.
    pub fn recalled(intent: &crate::remedy::journal::Intent, at: Timestamp) -> Self {
        Self {
            operation: Operation {
                id: intent.op.clone(),
                slo: intent.slo.clone(),
                kind: intent.kind,
                target: intent.write.target(),
                changes: intent.changes.clone(),
                by: intent.by.clone(),
                second: intent.second.clone(),
                started: at,
                phase: Phase::Running,
                outcome: None,
                forecast: intent.forecast,
                objective_ms: intent.objective_ms,
                verification: None,
                reverted: None,
                can_undo: false,
                undone_by: None,
                keep_until: None,
                notes: Vec::new(),
            },
            write: intent.write.clone(),
            effective: None,
            undoes: intent.undoes.clone(),
        }
    }

    /// What went on.
    pub fn apply(&mut self, update: Update) {
        let operation = &mut self.operation;
        match update {
            Update::Phase(phase) => operation.phase = phase,
            Update::Outcome(outcome) => operation.outcome = Some(outcome),
            Update::Effective(since) => self.effective = Some(since),
            Update::KeepUntil(until) => operation.keep_until = until,
            // That was ourselves.
            Update::Reverted(_) if operation.undone_by.is_some() => {}
            Update::Reverted(by) => {
                operation.reverted = Some(by);
                operation.keep_until = None;
                // What is not there any more is not measured.
                operation.phase = Phase::Done;
            }
            Update::Note(note) => operation.notes.push(note),
        }
        operation.can_undo = matches!(operation.outcome, Some(Outcome::Applied | Outcome::Unknown(_)))
            && operation.reverted.is_none()
            && operation.undone_by.is_none();
    }
}

impl Desk {
    /// An operation went on.
    pub(super) async fn update(&mut self, id: &OperationId, update: Update) {
        let Some(kept) = self.operations.get_mut(id) else { return };
        let applied = matches!(update, Update::Outcome(Outcome::Applied));
        kept.apply(update);
        let undone = kept.undoes.clone().filter(|_| applied);
        let told = Arc::new(kept.operation.clone());
        self.tell(Told::Operation(told));
        if let Some(undone) = undone
            && let Some(kept) = self.operations.get_mut(&undone)
        {
            kept.operation.undone_by = Some(id.clone());
            // Whoever followed it may have seen the undo before its end was known.
            kept.operation.reverted = None;
            kept.operation.can_undo = false;
            kept.operation.keep_until = None;
            kept.operation.phase = Phase::Done;
            let told = kept.operation.clone();
            self.tell(Told::Operation(Arc::new(told)));
        }
        if let Some((readings, _)) = self.readings.clone() {
            self.verify(&readings).await;
        }
    }

    /// Appends to the journal; tells if that fails.
    pub(super) async fn record(&self, record: Record) {
        let journal = self.journal.clone();
        if let Some(Err(error)) = aside(move || journal.append(record)).await {
            self.refuse("recording", Clean::capped(&error.to_string(), 500));
        }
    }
}
