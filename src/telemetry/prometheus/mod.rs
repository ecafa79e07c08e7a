//! Prometheus HTTP API client (query, query_range) for Prometheus, Thanos, Mimir and VictoriaMetrics.

mod decode;
mod envelope;
mod range;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use super::http::{Answer, Call, Http};
use super::{BackendSettings, Matrix, error::Error};
use crate::domain::{BackendHealth, BackendKind, Clean, Timestamp};
use decode::Reply;

/// A client of one Prometheus-compatible backend. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prometheus {
    http: Http,
    /// Remembered once a proxy refused POST but let GET through.
    get_only: Arc<AtomicBool>,
    concurrency: usize,
}

/// `data` of `/api/v1/status/buildinfo`.
#[derive(Deserialize)]
struct BuildInfo {
    data: BuildData,
}

#[derive(Deserialize)]
struct BuildData {
    version: Clean,
    /// Named by Mimir and its relatives.
    #[serde(default)]
    application: Option<Clean>,
}

impl Prometheus {
    /// Prepares a client; nothing is sent yet. Fails on a bad url, header name or secret.
    pub fn new(settings: &BackendSettings) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(settings, "x-scope-orgid")?,
            get_only: Arc::default(),
            concurrency: settings.concurrency.max(1),
        })
    }

    /// Instant query at `at`.
    pub async fn query(&self, expr: &str, at: Timestamp) -> Result<Matrix, Error> {
        let params = vec![("query", expr.to_owned()), ("time", range::seconds(at.as_millisecond()))];
        let reply = self.ask(&["api", "v1", "query"], params).await?;
        Ok(range::merge([reply]))
    }

    /// Range query on the grid `start, start + step, …, end` (both inclusive), split into as many
    /// requests as the 11,000-point rule needs. Times and step count whole milliseconds. Let `start`
    /// be a multiple of `step`: some backends move it there.
    pub async fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Matrix, Error> {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let chunks = range::chunks(start.as_millisecond(), end.as_millisecond(), step_ms);
        let replies: Vec<Reply> = stream::iter(chunks)
            .map(|(from, to)| {
                let params = vec![
                    ("query", expr.to_owned()),
                    ("start", range::seconds(from)),
                    ("end", range::seconds(to)),
                    ("step", range::seconds(step_ms)),
                ];
                self.ask(&["api", "v1", "query_range"], params)
            })
            .buffered(self.concurrency)
            .try_collect()
            .await?;
        Ok(range::merge(replies))
    }

    /// How it is before anything was asked.
    pub fn unasked(&self) -> BackendHealth {
        self.http.unasked(BackendKind::Prometheus)
    }

    /// Asks for version and clock; never fails: what went wrong is in the answer.
    pub async fn health(&self) -> BackendHealth {
        let outcome = match self.version().await {
            // Proxies often let queries through and nothing else.
            Err(e) if e.answered() && !matches!(e, Error::Redirected { .. } | Error::Throttled { .. }) => {
                self.query("1", Timestamp::now()).await.map(|_| Clean::new("version unknown"))
            }
            told => told,
        };
        self.http.health(BackendKind::Prometheus, outcome)
    }

    /// Its clock minus ours in milliseconds, as of the last answer; `None` before the first.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.http.clock_offset_ms()
    }

    async fn version(&self) -> Result<Clean, Error> {
        let mut answer = self.http.send(&Call::get(&["api", "v1", "status", "buildinfo"], &[])).await?;
        if answer.status() != 200 {
            let body = answer.error_body().await;
            return Err(answer.refusal(&body));
        }
        let info: BuildInfo =
            answer.decode(|source| serde_json::from_reader(source).map_err(Into::into)).await?;
        Ok(match info.data.application {
            Some(application) => Clean::new(&format!("{application} {}", info.data.version)),
            None => info.data.version,
        })
    }

    async fn ask(&self, path: &[&str], mut params: Vec<(&str, String)>) -> Result<Reply, Error> {
        params.push(("timeout", format!("{:.3}", self.http.timeout().as_secs_f64())));
        let post = !self.get_only.load(Ordering::Relaxed);
        let mut answer = self.http.send(&Call { post, path, params: &params }).await?;
        if post && matches!(answer.status(), 403 | 405) {
            drop(answer);
            answer = self.http.send(&Call::get(path, &params)).await?;
            if !matches!(answer.status(), 403 | 405) {
                self.get_only.store(true, Ordering::Relaxed);
            }
        }
        self.read(answer).await
    }

    async fn read(&self, mut answer: Answer) -> Result<Reply, Error> {
        let (host, status, limit) = (self.http.host(), answer.status(), self.http.limit_bytes());
        if !(200..300).contains(&status) {
            let body = answer.error_body().await;
            // The envelope counts, whatever content type a proxy gave it.
            let said = decode::reply(body.as_slice(), limit).ok();
            let error = said.and_then(|reply| envelope::error_of(&reply, host, status));
            return Err(error.unwrap_or_else(|| answer.refusal(&body)));
        }
        let reply = answer.decode(move |source| decode::reply(source, limit)).await?;
        match envelope::error_of(&reply, host.clone(), status) {
            Some(error) => Err(error),
            None if reply.status == "success" => Ok(reply),
            None => Err(Error::Malformed { host, reason: Clean::new("it has no `status`") }),
        }
    }
}
