//! What can go wrong between the configuration and a verdict.

use crate::config::ConfigError;
use crate::diagnosis::DiagnosisError;
use crate::domain::{Clean, Timestamp};
use crate::gvae::GvaeError;
use crate::telemetry;
use crate::windows::{self, FetchReport};

/// Why the engine has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A backend's settings cannot be used.
    #[error(transparent)]
    Backend(#[from] telemetry::Error),
    /// The models' folder.
    #[error(transparent)]
    Folder(#[from] ConfigError),
    /// Fetching or storing history.
    #[error(transparent)]
    Windows(#[from] windows::Error),
    /// There is no model and none can be trained.
    #[error("no model for {at}: {reason}")]
    NoModel {
        /// The moment of the question.
        at: Timestamp,
        /// Why.
        reason: GvaeError,
    },
    /// The diagnosis.
    #[error(transparent)]
    Diagnosis(#[from] DiagnosisError),
    /// A worker thread died.
    #[error("internal error: {0}")]
    Worker(Clean),
    /// Nothing is stored for the moment, though the backends answered.
    #[error("there is no data up to {at}: `sagetop doctor` shows which queries have any")]
    NoData {
        /// The moment of the question.
        at: Timestamp,
    },
    /// Nothing is stored for the moment, and some of it failed to come.
    #[error("there is no data up to {at}: {reason}")]
    Unfetched {
        /// The moment of the question.
        at: Timestamp,
        /// What kept it from coming.
        reason: Clean,
    },
    /// The context has no traces.
    #[error("this context has no Jaeger: a section [contexts.NAME.jaeger] with its `url` adds one")]
    NoTraces,
    /// There is no such SLO.
    #[error("there is no SLO `{name}` ({hint})")]
    NoSlo {
        /// What was asked for.
        name: Clean,
        /// What there is.
        hint: Clean,
    },
    /// There is no SLO at all.
    #[error("the context `{context}` has no SLO: add a [[contexts.{context}.slo]] to the configuration")]
    NoSlos {
        /// The context.
        context: Clean,
    },
}

impl EngineError {
    /// The same in the light of the fetch before it: where data is missing that failed to come, the
    /// failure is the better answer.
    pub fn after(self, fetched: &FetchReport) -> Self {
        match (self, fetched.warnings.first()) {
            (Self::NoData { at }, Some(reason)) if fetched.failed > 0 => {
                Self::Unfetched { at, reason: reason.clone() }
            }
            (error, _) => error,
        }
    }

    /// Whether there is data and only no model of it, so that the control can still rank.
    pub fn is_want_of_a_model(&self) -> bool {
        use GvaeError::{Diverged, NoLatency, TooFewWindows};
        matches!(self, Self::NoModel { reason: TooFewWindows { .. } | NoLatency | Diverged, .. })
    }
}
