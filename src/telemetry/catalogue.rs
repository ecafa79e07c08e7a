//! The metric catalogue: PromQL templates for the features (X) and latencies (Y) of a window.
//!
//! A template may contain `{{name}}` placeholders: `{{window}}` is the window length
//! (`60s`), `{{rate}}` the rate range (at least four scrape intervals), every other
//! name comes from the context's `vars`, e.g. `{{selector}}` for `namespace="shop"`.
//! [`render`] fills them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::template::{BUILT_IN, OPTIONAL, render};

use crate::domain::{Clean, Direction, LatencyUnit, Resource, Scope, Side, Tells};

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
    /// Whether it tells of use or of shortage: heavy use alone makes nobody slow, and shows who takes
    /// from others. Left out where it is the default, so that windows fetched without it stay valid.
    #[serde(default, skip_serializing_if = "Tells::is_default")]
    pub tells: Tells,
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

/// The catalogue of the standard exporters, as users would write it.
const STANDARD: &str = include_str!("catalogue.toml");

/// A template or catalogue that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// A placeholder that nothing fills.
    #[error("unknown placeholder `{name}`{}; set it in the context's `vars`", .nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// As written.
        name: Clean,
        /// The known name that looks most like it.
        nearest: Option<Clean>,
    },
    /// A `{{` without its `}}`.
    #[error("a placeholder is not closed with `}}}}` in `{template}`")]
    Unclosed {
        /// The template.
        template: Clean,
    },
    /// Not TOML, or not a catalogue.
    #[error("the metric catalogue is not valid: {0}")]
    Invalid(Clean),
    /// Two features of one scope share a name.
    #[error("the feature `{name}` is defined twice for the scope {scope:?}")]
    Duplicate {
        /// Name.
        name: Clean,
        /// Scope.
        scope: Scope,
    },
    /// Two latencies of one side, quantile and kind of labels.
    #[error("a latency with the same side, quantile and kind of labels is defined twice: `{query}`")]
    DuplicateLatency {
        /// The second one's query.
        query: Clean,
    },
}

impl Catalogue {
    /// The embedded catalogue of the standard exporters.
    pub fn standard() -> Result<Self, CatalogueError> {
        Self::from_toml(STANDARD)
    }

    /// Parses a catalogue and checks that no two entries fill the same column.
    pub fn from_toml(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self =
            toml::from_str(text).map_err(|e| CatalogueError::Invalid(Clean::new(&e.to_string())))?;
        for (i, feature) in catalogue.feature.iter().enumerate() {
            if catalogue.feature[..i].iter().any(|other| other.same_column(feature)) {
                return Err(CatalogueError::Duplicate { name: feature.name.clone(), scope: feature.scope });
            }
        }
        for (i, latency) in catalogue.latency.iter().enumerate() {
            if catalogue.latency[..i].iter().any(|other| other.same_column(latency)) {
                return Err(CatalogueError::DuplicateLatency { query: Clean::new(latency.query.trim()) });
            }
        }
        Ok(catalogue)
    }

    /// `base` with `over` laid on top: what fills the same column (a feature of the same scope and name, a
    /// latency of the same side, quantile and kind of labels) is replaced in place, the rest is added.
    pub fn merged(mut base: Self, over: Self) -> Self {
        for feature in over.feature {
            match base.feature.iter_mut().find(|known| known.same_column(&feature)) {
                Some(known) => *known = feature,
                None => base.feature.push(feature),
            }
        }
        for latency in over.latency {
            match base.latency.iter_mut().find(|known| known.same_column(&latency)) {
                Some(known) => *known = latency,
                None => base.latency.push(latency),
            }
        }
        base
    }
}

impl Feature {
    /// Whether both are about the same feature of the same kind of entity.
    fn same_column(&self, other: &Self) -> bool {
        self.scope == other.scope && self.name == other.name
    }
}

impl LatencyQuery {
    /// Whether both measure the same statistic of the same calls.
    fn same_column(&self, other: &Self) -> bool {
        let kind = |l: &Self| {
            (
                l.side,
                l.caller.is_some(),
                l.callee.is_some(),
                l.operation.is_some(),
                l.quantile.map(f64::to_bits),
            )
        };
        kind(self) == kind(other)
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
