//! Settings of a backend: where it is and how to log in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret comes from. Exactly one source is used, the first that is set.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Written in the file itself (discouraged).
    #[schemars(extend("writeOnly" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Name of an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file, read again after a 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("env", &self.env).field("file", &self.file).finish_non_exhaustive()
    }
}

/// How to log in to a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A bearer token.
    Bearer {
        /// The token.
        token: Secret,
    },
}

/// Settings every backend has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendSettings {
    /// Base URL, path prefix included, without credentials.
    pub url: String,
    /// How to log in.
    #[serde(default)]
    pub auth: Auth,
    /// Further headers; values are never logged.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Tenant: `X-Scope-OrgID` for Prometheus-likes, `x-tenant` for Jaeger.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Whole-request timeout; at most 30 s is used.
    #[serde(default = "default_timeout", with = "crate::domain::duration")]
    #[schemars(schema_with = "crate::domain::duration::schema")]
    pub timeout: Duration,
    /// Largest decoded response accepted, MiB.
    #[serde(default = "default_max_response_mib")]
    pub max_response_mib: u64,
    /// Most requests under way at once.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_max_response_mib() -> u64 {
    64
}

fn default_concurrency() -> usize {
    4
}

impl BackendSettings {
    /// Defaults for a backend at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            auth: Auth::None,
            headers: BTreeMap::new(),
            tenant: None,
            timeout: default_timeout(),
            max_response_mib: default_max_response_mib(),
            concurrency: default_concurrency(),
        }
    }
}

/// Which of Jaeger's APIs to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JaegerApi {
    /// Probe: v3 if it answers JSON, else legacy.
    #[default]
    Auto,
    /// `/api/...` JSON.
    Legacy,
    /// `/api/v3/...` OTLP JSON.
    V3,
}

/// Where dashboards are: links only, it is never asked anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrafanaSettings {
    /// Its address as a browser uses it.
    pub url: String,
    /// UID of the data source for the queries; absent, Grafana's default one.
    #[serde(default)]
    pub datasource: Option<String>,
}

/// Settings of a Jaeger backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JaegerSettings {
    /// What every backend has.
    #[serde(flatten)]
    pub backend: BackendSettings,
    /// Which API.
    #[serde(default)]
    pub api: JaegerApi,
    /// Most traces asked for in one search.
    #[serde(default = "default_limit")]
    pub limit: usize,
}

fn default_limit() -> usize {
    1500
}
