//! Health of a backend as the header and `doctor` show it.

use serde::Serialize;

use super::{Clean, Timestamp};

/// Which API a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// Prometheus' HTTP API.
    Prometheus,
    /// Jaeger's query API.
    Jaeger,
}

/// State of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendState {
    /// Not asked yet.
    Connecting,
    /// The last request was answered.
    Up,
    /// Answers, but with errors or warnings.
    Degraded,
    /// Does not answer; what is shown is old.
    Down,
}

/// What is known about a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendHealth {
    /// Which API.
    pub kind: BackendKind,
    /// Its base URL without credentials.
    pub url: Clean,
    /// How it stands.
    pub state: BackendState,
    /// The reason, in words a tired person can act on.
    pub detail: Option<Clean>,
    /// Version and API flavour, such as `2.53.0` or `legacy`.
    pub flavour: Option<Clean>,
    /// Server clock minus ours, milliseconds, from the `Date` header.
    pub clock_offset_ms: Option<i64>,
    /// Round trip of the last request, milliseconds.
    pub latency_ms: Option<f64>,
    /// When it last answered.
    pub last_ok: Option<Timestamp>,
}
