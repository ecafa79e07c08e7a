//! Jaeger query API client: legacy JSON and v3 OTLP JSON behind one face.

use std::time::Duration;

use super::{Dependency, JaegerSettings, Span, error::Error};
use crate::domain::{BackendHealth, Clean, ServiceName, Timestamp};

/// A client of one Jaeger-compatible backend. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jaeger {
    _settings: JaegerSettings,
}

/// A search for traces.
#[derive(Clone, Debug)]
pub struct TraceQuery {
    /// Service that must take part.
    pub service: ServiceName,
    /// Operation that must occur.
    pub operation: Option<Clean>,
    /// Inclusive.
    pub start: Timestamp,
    /// Exclusive.
    pub end: Timestamp,
    /// Only traces with a span at least this long.
    pub min_duration: Option<Duration>,
    /// Most traces.
    pub limit: usize,
}

/// What a search brought besides the spans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceStats {
    /// Traces seen.
    pub traces: usize,
    /// Spans seen.
    pub spans: usize,
    /// Spans with warnings of the backend.
    pub warned: usize,
    /// Whether the limit was reached, so that what came is an arbitrary subset.
    pub truncated: bool,
    /// Warnings of the backend.
    pub warnings: Vec<Clean>,
}

impl Jaeger {
    /// Prepares a client; nothing is sent yet.
    pub fn new(settings: &JaegerSettings) -> Result<Self, Error> {
        Ok(Self { _settings: settings.clone() })
    }

    /// All services known to the backend.
    pub async fn services(&self) -> Result<Vec<ServiceName>, Error> {
        todo!()
    }

    /// Operations of a service.
    pub async fn operations(&self, _service: &ServiceName) -> Result<Vec<Clean>, Error> {
        todo!()
    }

    /// Searches traces and hands every span to `sink` while the response is being read; spans of
    /// one trace come together, one trace after the other.
    pub async fn traces(
        &self,
        _query: &TraceQuery,
        _sink: &mut (dyn FnMut(Span) + Send),
    ) -> Result<TraceStats, Error> {
        todo!()
    }

    /// Call edges counted by the backend over `lookback` before `end`; empty where unsupported.
    pub async fn dependencies(&self, _end: Timestamp, _lookback: Duration) -> Result<Vec<Dependency>, Error> {
        todo!()
    }

    /// Asks for flavour and clock; never fails: what went wrong is in the answer.
    pub async fn health(&self) -> BackendHealth {
        todo!()
    }
}
