//! What the tail would be with more of something: asked of whoever has a model.

use crate::domain::{Counterfactual, Move};

/// Predicts the tail of one SLO.
pub trait Forecast: Send + Sync {
    /// The SLO's tail after `change`; `None` where the model cannot tell.
    fn tail(&self, change: &Move) -> Option<Counterfactual>;

    /// The SLO's tail as the model explains it, with nothing changed; `None` where it cannot tell.
    fn as_it_is(&self) -> Option<Counterfactual> {
        None
    }
}
