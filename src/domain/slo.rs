//! Service level objectives on a latency quantile, and their state.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clean, Quantile, ServiceName, Timestamp};

/// Where an SLO's latency is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SloSource {
    /// The entry operation's spans in Jaeger.
    Traces,
    /// A PromQL expression that gives the quantile itself, as one series.
    Quantile {
        /// The expression.
        query: String,
        /// Unit of its values: `s` or `ms`.
        #[serde(default)]
        unit: LatencyUnit,
    },
    /// A classic or native Prometheus histogram of request durations.
    Histogram {
        /// Selector without suffix, e.g. `http_request_duration_seconds{job="web"}`.
        metric: String,
        /// Unit of its buckets: `s` or `ms`.
        #[serde(default)]
        unit: LatencyUnit,
    },
}

/// Unit of latencies that come from PromQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LatencyUnit {
    /// Seconds, Prometheus' base unit.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
}

impl LatencyUnit {
    /// Factor to milliseconds.
    pub fn to_ms(self) -> f64 {
        match self {
            Self::Seconds => 1000.0,
            Self::Milliseconds => 1.0,
        }
    }
}

/// "`quantile` of `operation` at `service` is at most `objective`."
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slo {
    /// Name, unique in its context.
    pub name: Clean,
    /// Entry service.
    pub service: ServiceName,
    /// Entry operation; `None` pools all.
    pub operation: Option<Clean>,
    /// Which quantile of the latency.
    pub quantile: Quantile,
    /// Largest latency that meets it, milliseconds.
    pub objective_ms: f64,
    /// Window over which the state is judged.
    pub window: Duration,
    /// Share of windows that must meet the objective; 1 − target is the error budget.
    pub target: f64,
    /// Over which time the error budget is counted.
    pub period: Duration,
    /// Where the latency is read.
    pub source: SloSource,
}

/// How an SLO stands. Order is from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SloState {
    /// Objective met, budget burns slowly.
    Ok,
    /// No data, or data too old to tell. Never shown as good.
    Unknown,
    /// Objective met over the window, but the budget burns too fast.
    Burning,
    /// Objective violated over the window.
    Breached,
}

impl SloState {
    /// The word shown on screen: state is never told by colour alone.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Burning => "BURNING",
            Self::Breached => "BREACHED",
        }
    }
}

impl fmt::Display for SloState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Burn rate over one window: share of bad events divided by the error budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Burn {
    /// Length, such as `5m` or `1h`.
    pub window: Clean,
    /// Burn rate; `None` without data. 1 spends exactly the budget over the period.
    pub rate: Option<f64>,
}

/// One line of `status`; the JSON form is `sagetop.status/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SloStatus {
    /// Name of the SLO.
    pub name: Clean,
    /// How it stands.
    pub state: SloState,
    /// The quantile over the SLO's window.
    pub observed_ms: Option<f64>,
    /// Largest latency that meets it.
    pub objective_ms: f64,
    /// Burn rates, short window first.
    pub burn: Vec<Burn>,
    /// Share of the error budget left over the period; negative when overspent.
    pub budget_left: Option<f64>,
    /// Age of the newest sample at the time of the question.
    pub newest_sample_age_s: Option<f64>,
    /// Recent window values, oldest first, for a sparkline; `None` is a gap.
    pub recent_ms: Vec<Option<f64>>,
    /// When this was evaluated.
    pub at: Timestamp,
}
