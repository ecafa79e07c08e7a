//! Clients for Jaeger and Prometheus, the HTTP policy they share, and the metric catalogue.

pub mod catalogue;
pub mod settings;
pub mod types;

pub use catalogue::{Catalogue, Feature, LatencyQuery};
pub use settings::{Auth, BackendSettings, JaegerApi, JaegerSettings};
pub use types::{Dependency, Matrix, Series, Span, SpanId, SpanKind, TraceId};
