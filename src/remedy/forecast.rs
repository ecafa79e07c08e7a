//! What the tail would be with more of something: asked of whoever has a model.

use crate::domain::{Counterfactual, Move};

/// Predicts the tail of one SLO.
pub trait Forecast: Send + Sync {
    /// The SLO's tail after `change`; `None` where the model cannot tell.
    fn tail(&self, change: &Move) -> Option<Counterfactual>;
}
