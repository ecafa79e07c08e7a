//! Settings of the diagnosis.

use std::collections::BTreeSet;
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
    /// What is left out, to see what it is worth; nothing in earnest.
    #[serde(skip)]
    pub without: BTreeSet<Part>,
}

/// A part of the diagnosis that goes beyond the published method, and can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Only services that are slow of their own can be blamed.
    Own,
    /// Of the services that suffice the most suspect one, not the one that helps most.
    Suspicion,
    /// Callees account for as much of what is unexplained about a caller as they can.
    Inheritance,
    /// What is left of a service's latency without the calls it waits for is its own, however slow both are.
    OwnTime,
    /// Callers can hold up their own calls.
    Callers,
    /// Machines, and those who take the cache.
    Machines,
    /// Services that take a disk from those beside them.
    Takers,
    /// Caches that miss.
    Caches,
    /// Where nobody is slower than expected, the odd metrics that let expect it are the cause.
    Measured,
    /// A set that suffices as far as anybody can tell is preferred to a larger one.
    Near,
    /// The load can be to blame.
    Load,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Own,
        Self::Suspicion,
        Self::Inheritance,
        Self::OwnTime,
        Self::Callers,
        Self::Machines,
        Self::Takers,
        Self::Caches,
        Self::Measured,
        Self::Near,
        Self::Load,
    ];

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "only those who are slow of their own",
            Self::Suspicion => "the most suspect of those who suffice",
            Self::Inheritance => "callees account for what they can",
            Self::OwnTime => "own time",
            Self::Callers => "callers that hold up their calls",
            Self::Machines => "machines",
            Self::Takers => "who takes the disk",
            Self::Caches => "caches that miss",
            Self::Measured => "odd metrics that explain it all",
            Self::Near => "sets that nearly suffice",
            Self::Load => "load",
        }
    }
}

impl DiagnosisSettings {
    /// Whether a part is in use.
    pub fn has(&self, part: Part) -> bool {
        !self.without.contains(&part)
    }
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
            without: BTreeSet::new(),
        }
    }
}
