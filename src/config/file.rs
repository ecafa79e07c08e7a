//! The configuration file as it is written. Every known key, its type and its help text come
//! from here and from the settings the other rooms own: `config::shape` checks a file against
//! the schema derived from these types, `config schema` prints it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnosis::DiagnosisSettings;
use crate::domain::{Clean, ServiceName, SloSource};
use crate::gvae::TrainSettings;
use crate::remedy::RemedySettings;
use crate::telemetry::{BackendSettings, GrafanaSettings, JaegerSettings};
use crate::windows::WindowSettings;

/// Settings of sagetop.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Context used without `--context`; not needed where there is only one.
    #[serde(default)]
    pub default_context: Option<Clean>,
    /// The clusters or environments, by name.
    pub contexts: BTreeMap<Clean, ContextSettings>,
    /// The window table: what is learned from.
    #[serde(default)]
    pub windows: WindowSettings,
    /// The model and its training.
    #[serde(default)]
    pub model: TrainSettings,
    /// How a verdict is reached.
    #[serde(default)]
    pub diagnosis: DiagnosisSettings,
    /// Screen.
    #[serde(default)]
    pub ui: UiSettings,
}

/// One cluster or environment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextSettings {
    /// Values of the placeholders in PromQL templates: `{{selector}}` is `vars.selector`.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// `standard`, or a catalogue file relative to this one; what it names replaces the
    /// standard entry of that name.
    #[serde(default = "standard")]
    pub catalogue: PathBuf,
    /// Use the catalogue file alone, without the standard catalogue below it.
    #[serde(default)]
    pub catalogue_only: bool,
    /// Metrics: Prometheus, Thanos, Mimir or VictoriaMetrics.
    pub prometheus: BackendSettings,
    /// Traces: Jaeger or a backend with its query API.
    #[serde(default)]
    pub jaeger: Option<JaegerSettings>,
    /// Links from a metric to Grafana's Explore.
    #[serde(default)]
    pub grafana: Option<GrafanaSettings>,
    /// Workload of a trace service, where the two names differ.
    #[serde(default)]
    pub names: BTreeMap<ServiceName, ServiceName>,
    /// Objectives, in the order they are shown.
    #[serde(default)]
    pub slo: Vec<SloSettings>,
    /// What may be changed in this cluster, and how. Absent, nothing may.
    #[serde(default)]
    pub remedy: RemedySettings,
}

fn standard() -> PathBuf {
    super::catalogue::STANDARD.into()
}

/// "`quantile` of `operation` at `service` is at most `objective`."
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SloSettings {
    /// Name, unique in its context.
    pub name: Clean,
    /// Entry service as the traces name it.
    pub service: ServiceName,
    /// Entry operation; absent pools all of them.
    #[serde(default)]
    pub operation: Option<Clean>,
    /// Quantile of the latency, between 0 and 1, in thousandths at the finest.
    pub quantile: f64,
    /// Largest latency that meets the objective.
    #[serde(with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub objective: Duration,
    /// Time over which the state is judged.
    #[serde(default = "default_window", with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub window: Duration,
    /// Share of windows that must meet the objective; the rest is the error budget.
    #[serde(default = "default_target")]
    pub target: f64,
    /// Time over which the error budget is counted.
    #[serde(default = "default_period", with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub period: Duration,
    /// Where the latency is read.
    #[serde(default = "default_source")]
    pub source: SloSource,
}

fn default_window() -> Duration {
    Duration::from_secs(5 * 60)
}

fn default_target() -> f64 {
    0.99
}

fn default_period() -> Duration {
    Duration::from_secs(28 * 24 * 3600)
}

fn default_source() -> SloSource {
    SloSource::Traces
}

/// Screen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UiSettings {
    /// Name of a built-in theme, or a theme file relative to this one.
    pub theme: String,
    /// Name of a built-in keymap (default, vim, emacs), or a keymap file relative to this one, which patches one.
    pub keymap: String,
    /// Take clicks and the wheel. The terminal's own selection of text then needs Shift.
    pub mouse: bool,
}

impl Default for UiSettings {
    fn default() -> Self {
        Self { theme: "dark".to_owned(), keymap: "default".to_owned(), mouse: false }
    }
}
