//! Settings of the window table: how long a window is and where its latencies come from.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::Quantile;

/// Where latencies are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatencySource {
    /// PromQL where it knows call edges, spans for the newest windows without.
    #[default]
    Auto,
    /// Spans only.
    Traces,
    /// PromQL only; spans are read for SLOs that ask for them and used for nothing else.
    Metrics,
}

/// How far calls read from spans are pooled. PromQL latencies keep the operations that
/// their query names, because quantiles cannot be pooled after the fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// One RPC per caller and callee.
    #[default]
    Edge,
    /// One RPC per caller, callee and the callee's operation.
    Operation,
}

/// Everything a context may say about its windows. Durations are written like `60s` or `24h`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WindowSettings {
    /// Length of a window: whole seconds. Windows end at multiples of it since the epoch.
    #[serde(serialize_with = "friendly", deserialize_with = "window_length")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub length: Duration,
    /// How far back history is fetched and learned from; a day (`7d`) is 24 hours.
    #[serde(serialize_with = "friendly", deserialize_with = "with_days")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub history: Duration,
    /// Latency quantiles of every RPC read from spans, as fractions.
    #[serde(serialize_with = "as_fractions", deserialize_with = "fractions")]
    #[schemars(with = "Vec<f64>")]
    pub quantiles: Vec<Quantile>,
    /// Where latencies are read.
    pub latency_source: LatencySource,
    /// How old a window must be before it counts as complete and is never fetched again.
    #[serde(with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub settle: Duration,
    /// How often Prometheus scrapes; `{{rate}}` spans at least four scrapes.
    #[serde(with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub scrape_interval: Duration,
    /// How far calls read from spans are pooled.
    pub granularity: Granularity,
    /// Most traces read for one window and entry; the backend picks which.
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(range(min = 1))]
    pub sample_traces: usize,
    /// With `latency_source = "auto"`: only this many of the newest windows are read from spans.
    pub trace_windows: usize,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            length: Duration::from_secs(60),
            history: Duration::from_secs(24 * 3600),
            quantiles: vec![Quantile(500), Quantile(900), Quantile(990)],
            latency_source: LatencySource::default(),
            settle: Duration::from_secs(30),
            scrape_interval: Duration::from_secs(15),
            granularity: Granularity::default(),
            sample_traces: 500,
            trace_windows: 120,
        }
    }
}

impl WindowSettings {
    /// Window length in seconds, at least 1.
    pub fn length_s(&self) -> i64 {
        i64::try_from(self.length.as_secs()).unwrap_or(i64::MAX).max(1)
    }
}

fn friendly<S: Serializer>(d: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    jiff::fmt::serde::unsigned_duration::friendly::compact::required::serialize(d, serializer)
}

fn window_length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let d = jiff::fmt::serde::unsigned_duration::required::deserialize(deserializer)?;
    if d.subsec_nanos() != 0 || d.as_secs() == 0 || d.as_secs() > 24 * 3600 {
        return Err(D::Error::custom("a window is a whole number of seconds, from 1s to 24h"));
    }
    Ok(d)
}

/// jiff refuses days in absolute durations because of daylight saving; looking back needs no such care.
fn with_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span: jiff::Span = String::deserialize(deserializer)?.parse().map_err(D::Error::custom)?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(D::Error::custom)?;
    duration.try_into().map_err(|_| D::Error::custom("history looks back: it cannot be negative"))
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("at least 1 trace a window is needed")),
        n => Ok(n),
    }
}

fn as_fractions<S: Serializer>(quantiles: &[Quantile], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(quantiles.iter().map(|q| q.fraction()))
}

fn fractions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Quantile>, D::Error> {
    let raw = Vec::<f64>::deserialize(deserializer)?;
    if let Some(wrong) = raw.iter().find(|q| !(0.001..=0.999).contains(*q)) {
        return Err(D::Error::custom(format!(
            "{wrong} is not a quantile: write a fraction between 0.001 and 0.999, e.g. 0.99 for p99"
        )));
    }
    let mut quantiles: Vec<_> = raw.into_iter().map(Quantile::from_fraction).collect();
    quantiles.sort_unstable();
    quantiles.dedup();
    if quantiles.is_empty() {
        return Err(D::Error::custom("at least one quantile is needed, e.g. [0.5, 0.9, 0.99]"));
    }
    Ok(quantiles)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_survive_a_round_trip() {
        let text = toml::to_string(&WindowSettings::default()).unwrap();
        assert!(text.contains("length = \"1m\"") || text.contains("length = \"60s\""), "{text}");
        assert!(text.contains("quantiles = [0.5, 0.9, 0.99]"), "{text}");
        assert_eq!(toml::from_str::<WindowSettings>(&text).unwrap(), WindowSettings::default());
        assert_eq!(toml::from_str::<WindowSettings>("").unwrap(), WindowSettings::default());
    }

    #[test]
    fn values_are_read_in_friendly_form() {
        let s: WindowSettings = toml::from_str(
            "length = '5m'\nhistory = '7d'\nquantiles = [0.99, 0.5, 0.5]\nlatency_source = 'traces'\n\
             granularity = 'operation'\nscrape_interval = '90s'",
        )
        .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(s.length_s(), 300);
        assert_eq!(s.history, Duration::from_secs(7 * 86_400));
        assert_eq!(s.quantiles, [Quantile(500), Quantile(990)]);
        assert_eq!((s.latency_source, s.granularity), (LatencySource::Traces, Granularity::Operation));
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        for (text, hint) in [
            ("length = '1500ms'", "whole number of seconds"),
            ("length = '0s'", "whole number of seconds"),
            ("quantiles = [99]", "e.g. 0.99 for p99"),
            ("quantiles = []", "at least one quantile"),
            ("sample_traces = 0", "at least 1 trace"),
            ("history = '-3h'", "cannot be negative"),
            ("lenght = '60s'", "unknown field"),
        ] {
            let error = toml::from_str::<WindowSettings>(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
