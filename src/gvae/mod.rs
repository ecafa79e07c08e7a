//! The graphical variational auto-encoder: layout, loss, training, cache.
//!
//! Method: Sage (Gan et al., ASPLOS'21), section 4. Encoders and priors per service and
//! channel, one decoder per latency node, trained by the ELBO factorised along the causal
//! Bayesian network. Ours: log-latencies, a Student-t likelihood, a structural (additive)
//! part in the decoders, and weights by sample count.

pub mod align;
pub mod batch;
pub mod checkpoint;
pub mod data;
pub mod fast;
pub mod kernels;
pub mod loss;
pub mod model;
pub mod net;
pub mod settings;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testbed;
pub mod train;
pub mod transfer;

pub use batch::{Batch, Latencies};
pub use checkpoint::{CheckpointError, Manifest, fingerprint};
pub use data::{Inputs, LatencyScale, Normaliser, Scale};
pub use model::{Decoded, Gaussian, Gvae};
pub use settings::TrainSettings;
pub use train::{Again, TrainReport, retrain, train};
pub use transfer::Affected;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum GvaeError {
    /// Not enough data yet.
    #[error("only {have} windows to learn from, {need} are needed: wait, or lengthen `windows.history`")]
    TooFewWindows {
        /// Windows with data.
        have: usize,
        /// `model.min_windows`.
        need: usize,
    },
    /// Metrics, but no latency for them to explain.
    #[error(
        "no latency of any call is known: `sagetop doctor` shows which latency queries have data and whether traces come"
    )]
    NoLatency,
    /// The loss is no longer a number.
    #[error("training diverged (the loss is not finite): lower `model.learning_rate`")]
    Diverged,
    /// The user went away.
    #[error("training was cancelled")]
    Cancelled,
    /// The tensor library failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
