//! Progress on its way to the screens.

use tokio::sync::mpsc::Sender;

use super::snapshot::{EngineEvent, ModelState};
use crate::domain::{Clean, Progress, Stage};

/// Sends progress to the screens; drops it when they are busy: the next report tells as much.
pub(super) struct Relay(pub Sender<EngineEvent>);

impl Progress for Relay {
    fn report(&self, stage: Stage, done: u64, total: u64, note: &str) {
        let note = Clean::new(note);
        let _ = match stage {
            Stage::Train => self.0.try_send(EngineEvent::Model(ModelState::Training { done, total, note })),
            _ => self.0.try_send(EngineEvent::Progress { stage, done, total, note }),
        };
    }

    fn epoch(&self, done: u64, _total: u64, elbo: f64) {
        let _ = self.0.try_send(EngineEvent::Epoch { done, elbo });
    }

    fn cancelled(&self) -> bool {
        self.0.is_closed()
    }
}
