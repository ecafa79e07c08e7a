//! Which queries of the catalogue have data: the heart of `doctor`.

use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use super::Engine;
use crate::domain::{BackendKind, Clean, Progress, Stage, Timestamp};
use crate::telemetry::Auth;

/// Queries under way at once.
const AT_ONCE: usize = 4;

/// What one query of the catalogue gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Feature or latency, in words.
    pub name: Clean,
    /// Series it gave; `None` if it failed.
    pub series: Option<usize>,
    /// Why it failed.
    pub error: Option<Clean>,
}

impl Engine {
    /// Asks every query of the plan once, at the last whole window before `at`.
    pub async fn probe(&self, at: Timestamp, progress: &dyn Progress) -> Vec<Probe> {
        let length = self.windows.length_s();
        let second = at.as_second().div_euclid(length) * length;
        let at = Timestamp::from_second(second).unwrap_or(at);
        let total = self.plan.queries.len() as u64;
        let mut done = 0;
        let mut asked = stream::iter(0..self.plan.queries.len())
            .map(|i| async move {
                let query = &self.plan.queries[i];
                let answer = self.prometheus.query(&query.expr, at).await;
                let (series, error) = match answer {
                    Ok(matrix) => (Some(matrix.series.len()), None),
                    Err(error) => (None, Some(Clean::new(&error.to_string()))),
                };
                Probe { name: query.label.clone(), series, error }
            })
            .buffered(AT_ONCE);
        let mut probes = Vec::new();
        while let Some(probe) = asked.next().await {
            done += 1;
            progress.report(Stage::Fetch, done, total, probe.name.as_str());
            probes.push(probe);
        }
        probes
    }

    /// How we log in to a backend, in a word.
    pub fn login(&self, kind: BackendKind) -> &'static str {
        let auth = match kind {
            BackendKind::Prometheus => Some(&self.logins.0),
            BackendKind::Jaeger => self.logins.1.as_ref(),
        };
        match auth {
            None | Some(Auth::None) => "none",
            Some(Auth::Basic { .. }) => "basic",
            Some(Auth::Bearer { .. }) => "bearer",
        }
    }
}
