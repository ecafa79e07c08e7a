//! What windows need of a backend, so that they can be built from anything that delivers it.

use std::future::Future;
use std::time::Duration;

use super::error::SourceError;
use crate::domain::Timestamp;
use crate::telemetry::{Jaeger, Matrix, Prometheus, Span, TraceQuery, TraceStats};

/// Answers PromQL.
pub trait MetricSource: Sync {
    /// Evaluates on the grid `start, start + step, …, end`, both inclusive.
    fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> impl Future<Output = Result<Matrix, SourceError>> + Send;
}

/// Finds traces.
pub trait TraceSource: Sync {
    /// Hands every span found to `sink`, the spans of one trace together.
    fn traces(
        &self,
        query: &TraceQuery,
        sink: &mut (dyn FnMut(Span) + Send),
    ) -> impl Future<Output = Result<TraceStats, SourceError>> + Send;
}

impl MetricSource for Prometheus {
    async fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Matrix, SourceError> {
        Ok(Self::query_range(self, expr, start, end, step).await?)
    }
}

impl TraceSource for Jaeger {
    async fn traces(
        &self,
        query: &TraceQuery,
        sink: &mut (dyn FnMut(Span) + Send),
    ) -> Result<TraceStats, SourceError> {
        Ok(Self::traces(self, query, sink).await?)
    }
}

/// The backends of a context; either may be missing.
#[derive(Debug)]
pub struct Sources<'a, M, T> {
    /// Prometheus.
    pub metrics: Option<&'a M>,
    /// Jaeger.
    pub traces: Option<&'a T>,
}

impl<M, T> Clone for Sources<'_, M, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, T> Copy for Sources<'_, M, T> {}
