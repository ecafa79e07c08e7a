//! Settings of the diagnosis.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a verdict is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiagnosisSettings {
    /// How far back from the moment of the question is diagnosed.
    #[serde(with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub window: Duration,
    /// Monte-Carlo samples a counterfactual.
    pub samples: usize,
    /// Least P(SLO met) for a set of services to be blamed.
    pub threshold: f64,
    /// Most services blamed together.
    pub max_culprits: usize,
    /// Least surprise (−ln of a tail probability) that is called unusual; 7 is about 1 in 1,000.
    pub unusual: f64,
    /// Seed of the Monte-Carlo samples.
    pub seed: u64,
}

impl Default for DiagnosisSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            samples: 64,
            threshold: 0.5,
            max_culprits: 3,
            unusual: 7.0,
            seed: 1,
        }
    }
}
