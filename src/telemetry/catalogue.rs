//! The metric catalogue: PromQL templates for the features (X) and latencies (Y) of a window.
//!
//! A template may contain `{{name}}` placeholders: `{{window}}` is the window length
//! (`60s`), `{{rate}}` the rate range (at least four scrape intervals), every other
//! name comes from the context's `vars`, e.g. `{{selector}}` for `namespace="shop"`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Clean, Direction, LatencyUnit, Resource, Scope, Side};

/// One metric feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name, unique in its scope.
    pub name: Clean,
    /// Resource group.
    pub resource: Resource,
    /// What it is measured on.
    pub scope: Scope,
    /// PromQL template; its series carry the labels named below.
    pub query: String,
    /// Label with the replica (pod), pooled away; absent if the query already pooled.
    #[serde(default)]
    pub replica: Option<Clean>,
    /// Label with the service; where absent it is derived from the replica's name.
    #[serde(default)]
    pub service: Option<Clean>,
    /// Label with the node; on service-scope series it also tells where replicas run.
    #[serde(default)]
    pub node: Option<Clean>,
    /// Label with the caller (channel scope).
    #[serde(default)]
    pub caller: Option<Clean>,
    /// Label with the callee (channel scope).
    #[serde(default)]
    pub callee: Option<Clean>,
    /// Which way it moves when the resource gets scarce.
    #[serde(default)]
    pub direction: Direction,
    /// Unit shown beside values, e.g. `ratio`, `bytes/s`.
    #[serde(default)]
    pub unit: Option<Clean>,
    /// True for levels that drift over days (memory): judged by their change over
    /// recent windows, not by their distance from all of history.
    #[serde(default)]
    pub drifts: bool,
}

/// One latency template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyQuery {
    /// PromQL template.
    pub query: String,
    /// Which side of the call it measures.
    pub side: Side,
    /// Quantile as a fraction; `None` for a number of calls per window.
    #[serde(default)]
    pub quantile: Option<f64>,
    /// Label with the caller; absent pools callers.
    #[serde(default)]
    pub caller: Option<Clean>,
    /// Label with the callee; absent pools callees.
    #[serde(default)]
    pub callee: Option<Clean>,
    /// Label with the callee's operation; absent pools operations.
    #[serde(default)]
    pub operation: Option<Clean>,
    /// Unit of the values.
    #[serde(default)]
    pub unit: LatencyUnit,
}

/// All templates of a context.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Metric features.
    #[serde(default)]
    pub feature: Vec<Feature>,
    /// Latencies.
    #[serde(default)]
    pub latency: Vec<LatencyQuery>,
}
