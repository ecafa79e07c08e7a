//! Prometheus' HTTP API over the lab's samples.
//!
//! Paths, parameters, answers and errors are those of the real one
//! (<https://prometheus.io/docs/prometheus/latest/querying/api/>), so that any client of Prometheus works.
//! "Now" is the lab's time, which is not the wall clock's.

mod json;
mod params;
mod query;
mod series;

use std::convert::Infallible;
use std::sync::{PoisonError, RwLockReadGuard};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use super::Clock;
use crate::lab::promql::Options;
use crate::lab::tsdb::{SharedTsdb, Tsdb};
use json::Reply;

/// The release whose semantics the evaluator follows.
const VERSION: &str = "2.42.0";

/// What the server stands on.
#[derive(Clone)]
pub struct Prometheus {
    /// The samples.
    pub storage: SharedTsdb,
    /// What time it is.
    pub clock: Clock,
    /// Look-back, limits. The deadline is set anew for each query.
    pub options: Options,
}

impl Prometheus {
    /// With the default options.
    pub fn new(storage: SharedTsdb, clock: Clock) -> Self {
        Self { storage, clock, options: Options::default() }
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn tsdb(&self) -> RwLockReadGuard<'_, Tsdb> {
        self.storage.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prometheus").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The API, to be served wherever the caller likes.
pub fn router(prometheus: Prometheus) -> Router {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::labels).post(series::labels))
        .route("/api/v1/label/{name}/values", get(series::values))
        .route("/api/v1/metadata", get(series::metadata))
        .route("/api/v1/rules", get(async || Reply::data(json!({ "groups": [] }))))
        .route("/api/v1/alerts", get(async || Reply::data(json!({ "alerts": [] }))))
        .route("/api/v1/status/buildinfo", get(async || Reply::data(build())))
        .route("/api/v1/status/config", get(async || Reply::data(json!({ "yaml": "" }))))
        .route("/api/v1/status/flags", get(flags))
        .route("/api/v1/status/tsdb", get(statistics))
        .route("/-/healthy", get(async || "Prometheus Server is Healthy.\n"))
        .route("/-/ready", get(async || "Prometheus Server is Ready.\n"))
        .with_state(prometheus)
}

fn build() -> Value {
    json!({
        "version": VERSION,
        "revision": concat!("sagetop-lab-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })
}

/// The limits, under the names by which clients look them up.
async fn flags(State(prometheus): State<Prometheus>) -> Result<Reply, Infallible> {
    let options = &prometheus.options;
    Ok(Reply::data(json!({
        "query.lookback-delta": format!("{}ms", options.lookback_ms),
        "query.max-samples": options.max_samples.to_string(),
        "query.timeout": format!("{}s", query::TIMEOUT.as_secs()),
    })))
}

async fn statistics(State(prometheus): State<Prometheus>) -> Result<Reply, Infallible> {
    let tsdb = prometheus.tsdb();
    let first = tsdb.all().iter().filter_map(|series| series.first_time()).min();
    let last = tsdb.all().iter().filter_map(|series| series.last_time()).max();
    Ok(Reply::data(json!({
        "headStats": { "numSeries": tsdb.all().len(), "minTime": first, "maxTime": last },
    })))
}

#[cfg(test)]
mod tests;
