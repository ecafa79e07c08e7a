//! Prometheus HTTP API client (query, query_range) for Prometheus, Thanos, Mimir and VictoriaMetrics.

use std::time::Duration;

use super::{BackendSettings, Matrix, error::Error};
use crate::domain::{BackendHealth, Timestamp};

/// A client of one Prometheus-compatible backend. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prometheus {
    _settings: BackendSettings,
}

impl Prometheus {
    /// Prepares a client; nothing is sent yet.
    pub fn new(settings: &BackendSettings) -> Result<Self, Error> {
        Ok(Self { _settings: settings.clone() })
    }

    /// Instant query at `at`.
    pub async fn query(&self, _expr: &str, _at: Timestamp) -> Result<Matrix, Error> {
        todo!()
    }

    /// Range query on the grid `start, start + step, …, end` (both inclusive), split into as many
    /// requests as the 11,000-point rule needs.
    pub async fn query_range(
        &self,
        _expr: &str,
        _start: Timestamp,
        _end: Timestamp,
        _step: Duration,
    ) -> Result<Matrix, Error> {
        todo!()
    }

    /// Asks for version and clock; never fails: what went wrong is in the answer.
    pub async fn health(&self) -> BackendHealth {
        todo!()
    }
}
