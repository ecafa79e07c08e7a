//! Applications: services and the requests that flow through them.
//!
//! ```text
//!  data/*.json ─┐
//!  a user's file ├→ file ──→ expand ──→ build ──→ load ──→ Application ──→ sites, estimate
//!  generate ────┘   format   fragments  names,    CPU
//!                                       bounds    limits
//! ```
//!
//! `docs/lab/applications.md` describes the format for those who write such files.

mod build;
mod check;
mod defaults;
mod error;
mod estimate;
mod expand;
pub mod file;
mod generate;
mod library;
mod load;
mod operation;
mod sites;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use build::ROOM;
pub use error::{AppError, Problem};
pub use estimate::healthy_tail_ms;
pub use library::{edited, from_json, has_own_objective, json, named, names, open, schema};
pub use load::{CFS_PERIOD_S, Edge, Utilisation, edges, offered};
pub use operation::operation;
pub use sites::{Site, sites};

/// A name from an application's file: checked when it is read, cheap to clone.
pub type Name = Arc<str>;

/// Index of a service in [`Application::services`].
pub type ServiceId = usize;

/// A distributed application: what calls what, and what each call costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Short name, as in `--app social-network`.
    pub name: Name,
    /// One line for people.
    pub title: String,
    /// Everything that runs as a container of its own.
    pub services: Vec<Service>,
    /// Kinds of requests; their shares sum to 1.
    pub flows: Vec<Flow>,
    /// Requests per second at the mean of the day, all flows together.
    pub rate: f64,
    /// Share of traces kept, decided at the root (0 to 1).
    pub trace_sampling: f64,
    /// The objective the lab watches.
    pub objective: Objective,
}

impl Application {
    /// The service of this name.
    pub fn service(&self, name: &str) -> Option<ServiceId> {
        self.services.iter().position(|service| &*service.name == name)
    }

    /// The service that all requests enter at.
    pub fn entry(&self) -> Option<ServiceId> {
        self.flows.first().map(|flow| flow.root.service)
    }
}

/// A latency objective of the entry service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Quantile, 0 to 1.
    pub quantile: f64,
    /// Limit in milliseconds.
    pub limit_ms: f64,
}

/// What a service is, which decides its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An event loop at the edge: no worker is held while it waits.
    Frontend,
    /// Application code.
    Stateless,
    /// An in-memory cache, such as memcached.
    Cache,
    /// A single-threaded in-memory store.
    Redis,
    /// A store with a disk.
    Database,
}

/// A container of the application.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Name of the container, the deployment and the Kubernetes service.
    pub name: Name,
    /// Name it reports spans under; `None` when it is not instrumented.
    pub traced_as: Option<Name>,
    /// What it is.
    pub kind: Kind,
    /// Replicas at the start.
    pub replicas: u32,
    /// Requests one replica works on at once; `None` has no limit.
    pub workers: Option<u32>,
    /// Threads that run at once: cores it can use, whatever its limit.
    pub threads: u32,
    /// CPU limit (CFS quota) in cores; `None` is unlimited.
    pub cpu_limit: Option<f64>,
    /// Memory limit in bytes.
    pub memory_limit: u64,
    /// Connections a replica of a caller may have open to this service.
    pub connections: Connections,
    /// Hit ratio of a cache, 0 to 1; calls with [`Chance::MissOf`] depend on it.
    pub hit_ratio: f64,
    /// How much contention slows it down.
    pub sensitivity: Sensitivity,
}

/// The callers' connection pool towards a service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connections {
    /// Largest number open from one caller's replica; `None` has no limit.
    pub limit: Option<u32>,
    /// How long a call waits for one before it fails, in milliseconds.
    pub wait_ms: f64,
}

/// By how much the service rate falls per unit of pressure beyond its threshold (0 is immune).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// Last-level cache.
    pub cache: f64,
    /// Memory bandwidth.
    pub memory_bandwidth: f64,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Name, such as `compose_post`.
    pub name: Name,
    /// Share of all requests, 0 to 1.
    pub share: f64,
    /// Method and route at the entry, such as `GET /hotels`.
    pub http: Name,
    /// The call that enters the application.
    pub root: Call,
}

/// A call of one service by another, and what the callee does.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The callee.
    pub service: ServiceId,
    /// How it is reached.
    pub transport: Transport,
    /// Operation of the span the *caller* reports; `None` when it reports none.
    pub client_span: Option<Name>,
    /// Operations of the spans the callee reports, outermost first; empty when it reports none.
    pub server_spans: Vec<Name>,
    /// What is wrong with the client span.
    pub quirk: SpanQuirk,
    /// Whether the call happens.
    pub chance: Chance,
    /// How often it happens.
    pub repeat: Repeat,
    /// CPU demand at the callee, without its own calls, in microseconds.
    pub cpu: Demand,
    /// Disk access at the callee.
    pub disk: Option<Disk>,
    /// Size of request and response, in bytes.
    pub bytes: Bytes,
    /// False when the caller goes on without waiting.
    pub awaited: bool,
    /// True when the caller goes on without the answer if it fails.
    pub optional: bool,
    /// Limit on the whole call, after which the caller gives up.
    pub timeout_ms: Option<f64>,
    /// How often a call that failed or timed out is tried again.
    pub retries: u32,
    /// The callee's own calls: stages run in sequence, the calls of a stage in parallel.
    pub stages: Vec<Vec<Call>>,
}

/// Protocol of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// HTTP, at the entry or between services.
    Http,
    /// Apache Thrift.
    Thrift,
    /// gRPC.
    Grpc,
    /// memcached's protocol.
    Memcached,
    /// Redis' protocol.
    Redis,
    /// MongoDB's wire protocol.
    Mongo,
    /// Within the same process: no network, no worker of its own.
    Local,
}

/// How a client span fails to tell the truth (facts of real instrumentation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpanQuirk {
    /// It covers the call.
    #[default]
    None,
    /// It ends before the answer is read: about 0 µs.
    EndsEarly,
    /// It is closed only when the calling function ends.
    CoversRest,
}

/// Whether a call happens. Draws are keyed by request, so that a re-run makes the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Chance {
    /// It always does.
    Always,
    /// With this probability, drawn for this call alone.
    Probability(f64),
    /// With this probability; all calls of the request with the same `draw` agree.
    Shared {
        /// Name of the draw.
        draw: Name,
        /// Probability.
        probability: f64,
    },
    /// When at least one of `keys` look-ups misses the cache `cache`: 1 − hit_ratio^keys. All calls
    /// of the request with the same `draw` agree.
    MissOf {
        /// The cache.
        cache: ServiceId,
        /// Look-ups.
        keys: u32,
        /// Name of the draw.
        draw: Name,
    },
    /// For the last of the `of` calls of this request that reach a call with this `group`.
    LastOf {
        /// Name of the meeting point.
        group: Name,
        /// How many arrive.
        of: u32,
    },
}

/// Repetition of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Repeat {
    /// Once.
    Once,
    /// One after the other; the number is drawn uniformly from the range, both ends included.
    Sequential(u32, u32),
    /// At once; the number is drawn uniformly from the range, both ends included.
    Parallel(u32, u32),
}

/// A log-normal demand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Mean in microseconds.
    pub mean_us: f64,
    /// Coefficient of variation.
    pub cv: f64,
}

/// A disk access, exponentially distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disk {
    /// Probability that the call needs the disk.
    pub probability: f64,
    /// Mean of the disk's own time, in microseconds.
    pub mean_us: f64,
    /// Bytes read or written.
    pub bytes: u32,
}

/// Sizes on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bytes {
    /// Request.
    pub request: u32,
    /// Response.
    pub response: u32,
}
