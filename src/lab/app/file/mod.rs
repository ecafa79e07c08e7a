//! The file format of an application, as people write it.
//!
//! Names stand for services and most settings may be left out; [`super::Application`] is what the
//! rest of the lab works with. JSON has no comments, hence the `note` fields.

pub(super) mod read;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, SpanQuirk, Transport};
pub use read::{Limit, Step};

/// An application, as written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppFile {
    /// Short name, a DNS label: `--app` and the Kubernetes namespace.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Where the facts come from, and anything else worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Requests per second at the mean of the day, all flows together.
    pub rate: f64,
    /// How many real requests one simulated request stands for; 1 when left out. It multiplies the
    /// CPU demand of every call, and a disk access is as probable as at least one among so many.
    #[serde(default = "read::one", skip_serializing_if = "read::is_one")]
    pub time_scale: f64,
    /// Utilisation of the tightest CPU limit at the mean load, 0 to 1; 0.4 when left out. The limits
    /// of services that name none follow from it.
    #[serde(default = "read::utilisation", skip_serializing_if = "read::is_utilisation")]
    pub target_utilisation: f64,
    /// Share of traces kept, decided at the root, 0 to 1; 1 when left out.
    #[serde(default = "read::one", skip_serializing_if = "read::is_one")]
    pub trace_sampling: f64,
    /// The latency objective; twice the estimated healthy p99 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveFile>,
    /// Settings of all services of a kind, which a service may override.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read::unique")]
    pub defaults: BTreeMap<Kind, Settings>,
    /// The services, one container each. What nothing calls stays idle.
    pub services: Vec<ServiceFile>,
    /// Calls that stand in several places: a stage names one instead of writing it out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read::unique")]
    pub fragments: BTreeMap<String, CallFile>,
    /// Kinds of requests.
    pub flows: Vec<FlowFile>,
}

/// A latency objective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveFile {
    /// Quantile, between 0 and 1; 0.99 when left out.
    #[serde(default = "read::p99")]
    pub quantile: f64,
    /// Limit in milliseconds.
    pub limit_ms: f64,
}

/// A service, as written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceFile {
    /// Name of the container, the deployment and the Kubernetes service: a DNS label.
    pub name: String,
    /// What it is, which decides its defaults.
    pub kind: Kind,
    /// Name it reports spans under; left out when it is not instrumented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traced_as: Option<String>,
    /// Settings that differ from those of its kind.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Settings of a service; what is left out is the default of its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Replicas at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Requests one replica works on at once, or "unlimited".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Limit<u32>>,
    /// Threads that run at once: cores a replica can use, whatever its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// CPU limit of a replica in cores, or "unlimited". Left out everywhere, it follows from the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<Limit<f64>>,
    /// Memory limit of a replica in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Connections a caller's replica may have open to it, or "unlimited".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Limit<u32>>,
    /// How long a call waits for a connection before it fails, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_wait_ms: Option<f64>,
    /// Hit ratio of a cache, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_ratio: Option<f64>,
    /// Slow-down per unit of pressure on the last-level cache; 0 is immune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_sensitivity: Option<f64>,
    /// Slow-down per unit of pressure on the memory bandwidth; 0 is immune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bandwidth_sensitivity: Option<f64>,
}

impl Settings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These settings, and `base` where they say nothing.
    pub fn or(self, base: &Self) -> Self {
        Self {
            replicas: self.replicas.or(base.replicas),
            workers: self.workers.or(base.workers),
            threads: self.threads.or(base.threads),
            cpu_limit: self.cpu_limit.or(base.cpu_limit),
            memory_mib: self.memory_mib.or(base.memory_mib),
            connections: self.connections.or(base.connections),
            connection_wait_ms: self.connection_wait_ms.or(base.connection_wait_ms),
            hit_ratio: self.hit_ratio.or(base.hit_ratio),
            cache_sensitivity: self.cache_sensitivity.or(base.cache_sensitivity),
            memory_bandwidth_sensitivity: self
                .memory_bandwidth_sensitivity
                .or(base.memory_bandwidth_sensitivity),
        }
    }
}

/// One kind of request, as written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// Name.
    pub name: String,
    /// Weight among the flows: shares are made to sum to 1.
    pub share: f64,
    /// Method and route at the entry, such as `GET /hotels`.
    pub http: String,
    /// The call that enters the application.
    pub root: CallFile,
}

/// A call, as written in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallFile {
    /// The callee.
    pub service: String,
    /// How it is reached. Left out, it is HTTP at the root, and otherwise the protocol of the
    /// callee's kind (Memcached, Redis, MongoDB), or that of the call above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// Operation of the span the caller reports; left out when it reports none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_span: Option<String>,
    /// Operations of the spans the callee reports, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_spans: Vec<String>,
    /// What is wrong with the client span.
    #[serde(default, skip_serializing_if = "read::is_default")]
    pub quirk: SpanQuirk,
    /// Whether the call happens; always when left out.
    #[serde(default, skip_serializing_if = "read::is_default")]
    pub chance: ChanceFile,
    /// How often it happens; once when left out.
    #[serde(default, skip_serializing_if = "read::is_default")]
    pub repeat: RepeatFile,
    /// CPU demand at the callee, without its own calls.
    pub cpu: DemandFile,
    /// Disk access at the callee. Left out, it is the default of databases, and none elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskFile>,
    /// Sizes on the wire; typical for the transport when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<BytesFile>,
    /// False when the caller goes on without waiting.
    #[serde(default = "read::yes", skip_serializing_if = "read::is_yes")]
    pub awaited: bool,
    /// True when the caller goes on without the answer if the call fails: a page without its
    /// advertisements. A look-up in a cache that fails counts as a miss.
    #[serde(default, skip_serializing_if = "read::is_default")]
    pub optional: bool,
    /// After how many milliseconds the caller gives up; left out, it waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
    /// How often a call that failed or timed out is tried again.
    #[serde(default, skip_serializing_if = "read::is_default")]
    pub retries: u32,
    /// A remark: the place in the source, what is known and what is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The callee's own calls: stages run in sequence, the calls of a stage in parallel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Vec<Step>>,
}

impl CallFile {
    /// A call that always happens, once, and is waited for; all else is left out.
    pub fn new(service: &str, cpu: DemandFile) -> Self {
        Self {
            service: service.to_owned(),
            transport: None,
            client_span: None,
            server_spans: Vec::new(),
            quirk: SpanQuirk::None,
            chance: ChanceFile::Always,
            repeat: RepeatFile::Once,
            cpu,
            disk: None,
            bytes: None,
            awaited: true,
            optional: false,
            timeout_ms: None,
            retries: 0,
            note: None,
            stages: Vec::new(),
        }
    }
}

/// Whether a call happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ChanceFile {
    /// It always does.
    #[default]
    Always,
    /// With this probability, drawn for this call alone.
    Probability(f64),
    /// With a probability; all calls of the request with the same `draw` agree.
    Shared {
        /// Name of the draw.
        draw: String,
        /// Probability.
        probability: f64,
    },
    /// When at least one of `keys` look-ups misses a cache.
    MissOf {
        /// The cache: a service of kind `cache` or `redis`.
        cache: String,
        /// Look-ups.
        keys: u32,
        /// Name of the draw, on which all calls of the request with that name agree; this call's own
        /// when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draw: Option<String>,
    },
    /// For the last of the `of` calls of the request that reach a call with this `group`.
    LastOf {
        /// Name of the meeting point.
        group: String,
        /// How many arrive.
        of: u32,
    },
}

/// Repetition of a call; a range includes both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatFile {
    /// Once.
    #[default]
    Once,
    /// One after the other: fewest and most, such as `[1, 5]`.
    Sequential(u32, u32),
    /// At once: fewest and most, such as `[1, 5]`.
    Parallel(u32, u32),
}

/// A log-normal CPU demand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemandFile {
    /// Mean in microseconds, of one real request (`time_scale` is applied to it).
    pub mean_us: f64,
    /// Coefficient of variation; 0.7 when left out.
    #[serde(default = "read::cv", skip_serializing_if = "read::is_cv")]
    pub cv: f64,
}

/// A disk access.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskFile {
    /// Probability that one real request needs the disk (`time_scale` is applied to it).
    pub probability: f64,
    /// Mean of the disk's own time in microseconds, exponentially distributed; 5000 when left out.
    #[serde(default = "read::disk_mean_us")]
    pub mean_us: f64,
    /// Bytes read or written; 16384 when left out.
    #[serde(default = "read::disk_bytes")]
    pub bytes: u32,
}

/// Sizes on the wire, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BytesFile {
    /// Request.
    pub request: u32,
    /// Response.
    pub response: u32,
}
