//! Spans in memory, as a Jaeger would hold them.

mod block;
mod ids;
mod search;
mod store;

#[cfg(test)]
mod tests;

use std::sync::{Arc, RwLock};

pub use ids::{Hex, TraceId};
pub use search::{Edges, Query};
pub use store::{Operation, TraceStore};

/// A service, operation or tag.
pub type Text = Arc<str>;

/// The spans of a running lab: one task writes, the servers read.
pub type SharedTraces = Arc<RwLock<TraceStore>>;

/// A reported span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Trace; 0 is no valid id.
    pub trace: u128,
    /// Span; 0 is no valid id.
    pub id: u64,
    /// Parent, `None` at the root.
    pub parent: Option<u64>,
    /// Service that reported it.
    pub service: Text,
    /// Operation.
    pub operation: Text,
    /// Host (pod) that reported it, a process tag.
    pub host: Text,
    /// Start by the reporter's clock, in microseconds since the epoch.
    pub start_us: i64,
    /// Duration in microseconds.
    pub duration_us: i64,
    /// `span.kind`, where the instrumentation says it.
    pub kind: Option<SpanKind>,
    /// Whether it is marked as an error.
    pub error: bool,
    /// Further tags.
    pub tags: Vec<(Text, Tag)>,
    /// When the collector has it, in milliseconds since the epoch: queries before do not see it.
    pub received_ms: i64,
}

/// `span.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanKind {
    /// The caller's.
    Client,
    /// The callee's.
    Server,
    /// Within a service.
    Internal,
}

impl SpanKind {
    /// As OpenTracing's tag and Jaeger's parameters spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Internal => "internal",
        }
    }
}

/// A tag's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tag {
    /// Text.
    Text(Text),
    /// Integer.
    Int(i64),
    /// Number.
    Float(f64),
    /// Truth value.
    Bool(bool),
}

/// A span without owning it, wherever it is held.
#[derive(Clone, Copy, Debug)]
pub struct SpanRef<'s> {
    /// Trace.
    pub trace: u128,
    /// Span.
    pub id: u64,
    /// Parent, `None` at the root.
    pub parent: Option<u64>,
    /// Service that reported it.
    pub service: &'s Text,
    /// Operation.
    pub operation: &'s Text,
    /// Host (pod) that reported it.
    pub host: &'s Text,
    /// Start by the reporter's clock, in microseconds since the epoch.
    pub start_us: i64,
    /// Duration in microseconds.
    pub duration_us: i64,
    /// `span.kind`, where the instrumentation says it.
    pub kind: Option<SpanKind>,
    /// Whether it is marked as an error.
    pub error: bool,
    /// Further tags.
    pub tags: &'s [(Text, Tag)],
    /// When the collector has it, in milliseconds since the epoch.
    pub received_ms: i64,
}

impl<'s> From<&'s Span> for SpanRef<'s> {
    fn from(span: &'s Span) -> Self {
        Self {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            service: &span.service,
            operation: &span.operation,
            host: &span.host,
            start_us: span.start_us,
            duration_us: span.duration_us,
            kind: span.kind,
            error: span.error,
            tags: &span.tags,
            received_ms: span.received_ms,
        }
    }
}

impl From<SpanRef<'_>> for Span {
    fn from(span: SpanRef<'_>) -> Self {
        Self {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            service: span.service.clone(),
            operation: span.operation.clone(),
            host: span.host.clone(),
            start_us: span.start_us,
            duration_us: span.duration_us,
            kind: span.kind,
            error: span.error,
            tags: span.tags.to_vec(),
            received_ms: span.received_ms,
        }
    }
}
