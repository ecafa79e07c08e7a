//! Spans in memory, as a Jaeger would hold them.

use std::sync::Arc;

/// A service, operation or tag.
pub type Text = Arc<str>;

/// A reported span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Trace.
    pub trace: u128,
    /// Span.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// The caller's.
    Client,
    /// The callee's.
    Server,
    /// Within a service.
    Internal,
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
