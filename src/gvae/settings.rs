//! Settings of the model and its training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shape and training of the GVAE. Defaults are for minutes of data by the day and tens of services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Makes initial weights, shuffling and noise reproducible.
    pub seed: u64,
    /// Most passes over the data; at least one is made.
    pub epochs: usize,
    /// Windows a step.
    pub batch: usize,
    /// Adam's step size at the start; it decays to a tenth over all epochs.
    pub learning_rate: f64,
    /// Width of the two hidden layers of every network.
    pub hidden: usize,
    /// Dimensions of each latent Z.
    pub latent: usize,
    /// Final weight of the KL term.
    pub beta: f64,
    /// Share of the epochs over which β grows from 0, so that the posterior does not collapse.
    pub warm_up: f64,
    /// Weight of the likelihood under z from the prior, which counterfactuals sample from.
    pub prior_weight: f64,
    /// Epochs without a better held-back loss after which training ends.
    pub patience: usize,
    /// Fewest windows to train on.
    pub min_windows: usize,
    /// Hours between training cut-offs. A verdict at T uses the model of the last cut-off before T,
    /// so that it depends on nothing but the data before T.
    pub retrain_hours: u32,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 80,
            batch: 192,
            learning_rate: 4e-3,
            hidden: 24,
            latent: 4,
            beta: 0.5,
            warm_up: 0.4,
            prior_weight: 0.25,
            patience: 12,
            min_windows: 60,
            retrain_hours: 6,
        }
    }
}
