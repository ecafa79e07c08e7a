//! Clients for Jaeger and Prometheus, the HTTP policy they share, and the metric catalogue.

pub mod catalogue;
pub mod error;
mod http;
pub mod jaeger;
mod json;
mod names;
pub mod prometheus;
pub mod settings;
mod template;
pub mod types;

pub use catalogue::{Catalogue, CatalogueError, Feature, LatencyQuery, render};
pub use error::Error;
pub use jaeger::{Jaeger, TraceQuery, TraceStats};
pub use prometheus::Prometheus;
pub use settings::{Auth, BackendSettings, GrafanaSettings, JaegerApi, JaegerSettings, Secret};
pub use types::{Dependency, Matrix, Series, Span, SpanId, SpanKind, TraceId};
