//! What the clients deliver: spans, series, dependencies.

use std::collections::BTreeMap;

use crate::domain::{Clean, ServiceName};

/// Trace id; 64-bit ids are left-padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u128);

/// Span id, unique within its trace (but see duplicate ids of shared client/server spans).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub u64);

/// Role of a span in an RPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Work inside a service.
    #[default]
    Internal,
    /// Serves a request.
    Server,
    /// Sends a request and waits.
    Client,
    /// Sends a message: off the caller's latency path.
    Producer,
    /// Handles a message.
    Consumer,
}

/// One span, reduced to what windows and the graph need.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Its id.
    pub id: SpanId,
    /// The span it is a CHILD_OF (or, lacking one, FOLLOWS_FROM); may be absent from the trace.
    pub parent: Option<SpanId>,
    /// True if the only reference was FOLLOWS_FROM: off the parent's latency path.
    pub follows: bool,
    /// Service as the tracer names it.
    pub service: ServiceName,
    /// Operation (span name).
    pub operation: Clean,
    /// Role.
    pub kind: SpanKind,
    /// Start, unix nanoseconds by the clock of `host`.
    pub start_ns: u64,
    /// Duration, nanoseconds.
    pub duration_ns: u64,
    /// Host or pod, the key for "same clock".
    pub host: Option<Clean>,
    /// Machine, if the tracer says so (`k8s.node.name`).
    pub node: Option<Clean>,
    /// Peer named by a client span's tags (apis.md section 5): stands in for an uninstrumented callee.
    pub peer: Option<ServiceName>,
    /// Whether the call failed.
    pub error: bool,
    /// Whether the backend attached warnings (clock skew adjusted, parent missing …).
    pub warned: bool,
}

/// One Prometheus series: labels and (unix milliseconds, value) samples in time order.
/// Values may be NaN or infinite; missing steps are absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Label values by name, without `__name__` unless the query kept it.
    pub labels: BTreeMap<Clean, Clean>,
    /// Samples.
    pub points: Vec<(i64, f64)>,
}

/// Answer of a range query (an instant query gives one point a series).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The series.
    pub series: Vec<Series>,
    /// Warnings and infos that came with valid data.
    pub warnings: Vec<Clean>,
}

/// A call edge counted by the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// Caller.
    pub parent: ServiceName,
    /// Callee.
    pub child: ServiceName,
    /// Calls in the asked range.
    pub calls: u64,
}
