//! The answer to "why": culprits with counterfactuals, rankings, and what the answer rests on.
//! Its serialised form is the contract `sagetop.verdict/1`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Clean, NodeName, Quantile, Resource, ServiceName, SloState, Timestamp};

/// A half-open range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeRange {
    /// Inclusive.
    pub start: Timestamp,
    /// Exclusive.
    pub end: Timestamp,
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Bringing the culprits back to normal would meet the SLO.
    Culprits,
    /// Every service is normal for this load; the load is not.
    Load,
    /// A service is to blame, but no measured metric tells why.
    Latent,
    /// The SLO is met and nothing is unusual.
    Healthy,
    /// The model does not know this situation: take the ranking as a hint only.
    Unsure,
    /// No set of interventions explains the violation.
    Unresolved,
}

impl VerdictKind {
    /// The word used on screen and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Culprits => "culprits",
            Self::Load => "load",
            Self::Latent => "latent",
            Self::Healthy => "healthy",
            Self::Unsure => "unsure",
            Self::Unresolved => "unresolved",
        }
    }
}

/// What the ranking rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The end-to-end tail moved: counterfactuals on it lead.
    EndToEnd,
    /// The end-to-end tail hardly moved: services are ranked by how unusual their own
    /// contribution is given their inputs.
    OwnContribution,
}

/// Predicted end-to-end quantile under an intervention.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// Median prediction of the SLO's quantile, milliseconds.
    pub quantile_ms: f64,
    /// Lower end of the 90 % interval.
    pub low_ms: f64,
    /// Upper end of the 90 % interval.
    pub high_ms: f64,
    /// Probability that the SLO is met.
    pub p_slo_met: f64,
}

/// One resource of a culprit, with what was seen and what is normal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceCause {
    /// Resource group.
    pub resource: Resource,
    /// Most unusual metric of the group, or the latency that shows it.
    pub metric: Clean,
    /// Unit of its values, such as `ms`, where it is known.
    pub unit: Option<Clean>,
    /// Its value in the diagnosed window.
    pub observed: Option<f64>,
    /// Its normal value.
    pub normal: Option<f64>,
    /// Probability that the SLO is met with only this resource back to normal.
    pub p_slo_met: Option<f64>,
    /// How unusual it is: −ln of the calibrated tail probability.
    pub surprise: f64,
}

/// A service that is to blame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Culprit {
    /// The service.
    pub service: ServiceName,
    /// The node it runs on, when the node is what is unusual.
    pub node: Option<NodeName>,
    /// The end-to-end tail had this service been normal.
    pub counterfactual: Option<Counterfactual>,
    /// Its resources, most likely cause first.
    pub resources: Vec<ResourceCause>,
    /// Call path from this service up to the SLO's entry.
    pub path: Vec<ServiceName>,
}

/// One place of the ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// The service.
    pub service: ServiceName,
    /// Higher is more suspect; comparable within one verdict only.
    pub score: f64,
}

/// One place of the resource ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedResource {
    /// The service.
    pub service: ServiceName,
    /// The resource.
    pub resource: Resource,
    /// Higher is more suspect; comparable within one verdict only.
    pub score: f64,
}

/// The SLO as the verdict saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SloReading {
    /// Name.
    pub name: Clean,
    /// Which quantile; serialised as a fraction.
    #[serde(serialize_with = "as_fraction")]
    pub quantile: Quantile,
    /// Largest latency that meets it.
    pub objective_ms: f64,
    /// The quantile over the diagnosed window.
    pub observed_ms: Option<f64>,
    /// How it stood.
    pub state: SloState,
}

fn as_fraction<S: serde::Serializer>(q: &Quantile, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(q.fraction())
}

/// The model behind a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSummary {
    /// Fingerprint of graph, columns and settings.
    pub fingerprint: Clean,
    /// End of its training data.
    pub trained_at: Timestamp,
    /// How many windows it was trained on.
    pub windows: usize,
    /// Whether the diagnosed window lies within what it was trained on.
    pub in_range: bool,
}

/// Everything `diagnose` answers; JSON `sagetop.verdict/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Always `sagetop.verdict/1`.
    pub schema: &'static str,
    /// The SLO.
    pub slo: SloReading,
    /// The moment the question is about.
    pub at: Timestamp,
    /// The windows that were diagnosed.
    pub window: TimeRange,
    /// What kind of answer.
    #[serde(rename = "verdict")]
    pub kind: VerdictKind,
    /// What the ranking rests on.
    pub basis: Basis,
    /// Who is to blame; empty unless `kind` says so.
    pub culprits: Vec<Culprit>,
    /// Every service considered, best first.
    pub ranking: Vec<Ranked>,
    /// Every (service, resource) considered, best first.
    pub resource_ranking: Vec<RankedResource>,
    /// Details behind the ranking for the first services, also when nobody is blamed.
    pub suspects: Vec<Culprit>,
    /// The model; `None` when there was none.
    pub model: Option<ModelSummary>,
    /// Milliseconds by step: fetch, windows, load_or_train, query.
    pub timings_ms: BTreeMap<&'static str, f64>,
    /// What the reader should know: missing inputs, truncation, staleness.
    pub warnings: Vec<Clean>,
}

/// Value of [`Verdict::schema`].
pub const VERDICT_SCHEMA: &str = "sagetop.verdict/1";
