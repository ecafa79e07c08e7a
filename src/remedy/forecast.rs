//! What the tail would be with more of something: asked of whoever has a model.

use crate::domain::{Counterfactual, ServiceName};

/// A change of what one service has.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The service.
    pub service: ServiceName,
    /// What it gets.
    pub lever: Lever,
}

/// What is changed, before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lever {
    /// How many replicas there are.
    Replicas {
        /// Now.
        from: u32,
        /// Then.
        to: u32,
    },
    /// The CPU limit of each replica, cores.
    Cpu {
        /// Now.
        from: f64,
        /// Then.
        to: f64,
    },
    /// The memory limit of each replica, bytes.
    Memory {
        /// Now.
        from: f64,
        /// Then.
        to: f64,
    },
}

/// Predicts the tail of one SLO.
pub trait Forecast: Send + Sync {
    /// The SLO's tail after `change`; `None` where the model cannot tell.
    fn tail(&self, change: &Move) -> Option<Counterfactual>;
}
