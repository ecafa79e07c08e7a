//! The whole product judged on incidents of which the truth is known.
//!
//! ```text
//!  lab: a day of life ──HTTP──→ engine: windows, model                       ground, once an application
//!  lab: an incident   ──HTTP──→ engine: windows, verdict ─┐                  case, once a seed
//!   └─ truth: label ──────────────────────────────────────┴→ score ──→ report
//! ```
//!
//! A ground is what an application looks like to whoever installed sagetop yesterday; a case is an
//! incident on the next day. Both are kept in a folder, so that a long run goes on where it stopped and
//! the same windows can be asked again.

pub mod ablation;
pub mod calibration;
pub mod case;
pub mod current;
pub mod ground;
pub mod others;
pub mod report;
pub mod robust;
pub mod run;
pub mod score;
pub mod share;
pub mod sizing;
pub mod variants;

use std::path::PathBuf;

use crate::baselines::MethodError;
use crate::config::ConfigError;
use crate::engine::EngineError;
use crate::lab::app::AppError;
use crate::lab::scenario::ScenarioError;
use crate::lab::sim::SimError;
use crate::lab::stage::StageError;

pub use calibration::{Calibration, calibrate};
pub use case::{Case, Truth};
pub use ground::Ground;
pub use report::Accuracy;
pub use run::{Plan, Tell, measure};
pub use score::Score;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// No scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// No application.
    #[error(transparent)]
    App(#[from] AppError),
    /// The lab.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The simulation.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The configuration written for a lab.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration has no objective.
    #[error("the configuration of this lab has no objective: nothing can be asked")]
    NoSlo,
    /// One of the other methods.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// No verdict.
    #[error("{what}: {source}")]
    Engine {
        /// Of what.
        what: String,
        /// Why.
        source: EngineError,
    },
    /// A file.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl EvalError {
    /// For `map_err` on what is done to `path`.
    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}
