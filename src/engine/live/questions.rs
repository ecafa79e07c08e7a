//! Questions about what is shown already: one service, an example trace, changes that nobody made yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::work::Live;
use tokio::time::Instant;

use crate::diagnosis::evidence::column_name;
use crate::domain::{Clean, Column, Counterfactual, NoProgress, ServiceName, Timestamp};
use crate::engine::core::{Engine, Picture, blocking, now};
use crate::engine::snapshot::{EngineEvent, Prediction, Question};
use crate::engine::{EngineError, History, Learned, ModelFacts, ServiceDetail};
use crate::windows::Frame;
use crate::windows::plan::Meaning;

/// The feature whose series are counted as replicas.
const COUNTED: &str = "cpu_usage";

/// What `learned` rests on, and what of that the newest windows of `frame` lack.
pub(super) fn facts(learned: &Learned, frame: &Frame) -> ModelFacts {
    let cbn = &learned.model.cbn;
    let columns = cbn.columns();
    let recent = frame.rows(frame.len().saturating_sub(learned.reference.span)..frame.len());
    let is_silent = |column: &Column| {
        recent.columns.get(column).is_none_or(|values| values.iter().all(|v| !v.is_finite()))
    };
    let silent = columns.iter().filter(|column| is_silent(column)).map(|column| match column {
        Column::Metric { entity, .. } => Clean::new(&format!("{entity}: {}", column_name(column))),
        Column::Latency { rpc, .. } => Clean::new(&format!("{rpc}: {}", column_name(column))),
    });
    ModelFacts {
        summary: learned.summary.clone(),
        from: learned.from,
        services: cbn.services().len(),
        silent: silent.collect(),
        columns: columns.len(),
        remarks: learned.warnings.clone(),
    }
}

/// The windows shown, the model, and the version of both.
struct Held {
    picture: Arc<Picture>,
    learned: Option<Arc<Learned>>,
    version: u64,
}

impl Live {
    /// The windows that the screens show, from memory if they were asked for before.
    async fn held(&self) -> Result<Held, EngineError> {
        let (version, at, learned, held) = {
            let known = self.known.lock().await;
            let held = known.held.clone().filter(|(version, _)| *version == known.version);
            (known.version, known.at.unwrap_or_else(|| self.moment()), known.learned.clone(), held)
        };
        let picture = match held {
            Some((_, picture)) => picture,
            None => {
                let picture = Arc::new(self.engine.picture(at).await?);
                self.known.lock().await.held = Some((version, Arc::clone(&picture)));
                picture
            }
        };
        Ok(Held { picture, learned, version })
    }

    /// Tells one service in full, and then how many replicas of it are measured.
    pub(super) async fn detail(&self, service: ServiceName, slo: Option<Clean>) {
        let detail = self.detail_of(&service, slo).await;
        let until = detail.as_ref().ok().and_then(|detail| detail.until);
        let detail = detail.map(Arc::new).map_err(|error| Clean::new(&error.to_string()));
        self.tell(EngineEvent::Detail { service: service.clone(), detail }).await;
        let Some(until) = until else { return };
        match self.engine.replicas(&service, until).await {
            Ok(0) => {}
            Ok(count) => self.tell(EngineEvent::Replicas(service, count)).await,
            Err(error) => tracing::debug!(%error, %service, "its replicas cannot be counted"),
        }
    }

    async fn detail_of(
        &self,
        service: &ServiceName,
        slo: Option<Clean>,
    ) -> Result<ServiceDetail, EngineError> {
        let Held { picture, learned, version } = self.held().await?;
        let (engine, service) = (Arc::clone(&self.engine), service.clone());
        let detail = blocking(move || {
            let slo = slo.and_then(|name| engine.slo(Some(name.as_str())).ok());
            engine.detail(&service, slo, &picture, learned.as_deref())
        });
        Ok(ServiceDetail { version, ..detail.await? })
    }

    /// Tells the slowest trace through a service in the windows shown.
    pub(super) async fn trace(&self, service: ServiceName) {
        let until = self.known.lock().await.at.unwrap_or_else(|| self.moment());
        let trace = self.engine.waterfall(&service, until).await;
        let trace = trace.map(|found| found.map(Arc::new)).map_err(|error| Clean::new(&error.to_string()));
        self.tell(EngineEvent::Trace { service, until, trace }).await;
    }

    /// Tells which queries of the catalogue have data.
    pub(super) async fn probe(&self) {
        let at = self.moment();
        let probes = self.engine.probe(at, &NoProgress).await;
        self.tell(EngineEvent::Probes(at, Arc::new(probes))).await;
    }

    /// Tells when the backends are asked next.
    pub(super) async fn tell_next(&self, next: Option<Instant>) {
        let left = next.map(|next| next.saturating_duration_since(Instant::now()));
        let next = left.and_then(|left| Timestamp::now().checked_add(left).ok());
        self.tell(EngineEvent::Next(next)).await;
    }

    /// Tells what happened until now, whatever moment is looked at; around that moment where it lies further
    /// back than windows are kept for the present.
    pub(super) async fn history(&self) {
        let version = self.known.lock().await.version;
        let until = around(self.moment(), now(), self.engine.windows.history);
        let told = match self.engine.picture(until).await {
            Ok(picture) => {
                let engine = Arc::clone(&self.engine);
                blocking(move || engine.history(&picture)).await
            }
            Err(error) => Err(error),
        };
        match told {
            Ok(history) => self.tell(EngineEvent::History(Arc::new(History { version, ..history }))).await,
            Err(error) => self.failed(None, "reading what happened", &error).await,
        }
    }

    /// Tells what the model says about changes.
    pub(super) async fn predict(&self, question: Question) {
        let number = question.number;
        let tails = match self.held().await {
            Ok(Held { picture, learned: Some(learned), .. }) => {
                let engine = Arc::clone(&self.engine);
                blocking(move || tails(&engine, &question, &picture, &learned)).await.and_then(|tails| tails)
            }
            Ok(Held { learned: None, .. }) => {
                let why = Clean::new("there is no model yet: the header says how far it is");
                self.tell(EngineEvent::WhatIf(Prediction { number, tails: Err(why) })).await;
                return;
            }
            Err(error) => Err(error),
        };
        let tails = tails.map_err(|error| Clean::new(&error.to_string()));
        self.tell(EngineEvent::WhatIf(Prediction { number, tails })).await;
    }
}

/// Until when what happened is told to whom looks at `at`: what is `kept` before it has `at` in it.
fn around(at: Timestamp, now: Timestamp, kept: Duration) -> Timestamp {
    if now.duration_since(at).unsigned_abs() < kept {
        return now;
    }
    at.checked_add(kept / 2).map_or(now, |until| until.min(now))
}

/// The tail without the changes and with them; CPU-bound.
fn tails(
    engine: &Engine,
    question: &Question,
    picture: &Picture,
    learned: &Learned,
) -> Result<(Option<Counterfactual>, Option<Counterfactual>), EngineError> {
    let slo = engine.slo(Some(question.slo.as_str()))?;
    let changes = [Vec::new(), question.moves.clone()];
    let mut tails = engine.what_if(slo, picture, learned, &changes)?.into_iter();
    Ok((tails.next().flatten(), tails.next().flatten()))
}

impl Engine {
    /// How many replicas of `service` are measured at `at`; 0 if none is.
    async fn replicas(&self, service: &ServiceName, at: Timestamp) -> Result<u32, EngineError> {
        let queries = self.plan.queries.iter();
        let mut counted = queries.filter_map(|query| match &query.meaning {
            Meaning::Feature(feature) if feature.name.as_str() == COUNTED => {
                Some((query, feature.replica.as_ref()?))
            }
            _ => None,
        });
        let Some((query, label)) = counted.next() else { return Ok(0) };
        let answer = self.prometheus.query(&query.expr, at).await?;
        let replicas = answer.series.iter().filter_map(|series| series.labels.get(label));
        let own: BTreeSet<_> =
            replicas.filter(|pod| self.plan.names.of_pod(pod.as_str()) == *service).collect();
        Ok(u32::try_from(own.len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_happened_is_told_until_now_or_around_a_moment_far_back() {
        let hours = |h: i64| Timestamp::from_second(3600 * h).unwrap();
        let day = Duration::from_secs(86_400);
        assert_eq!(around(hours(100), hours(100), day), hours(100));
        assert_eq!(around(hours(80), hours(100), day), hours(100));
        assert_eq!(around(hours(50), hours(100), day), hours(62));
        assert_eq!(around(hours(76), hours(100), day), hours(88));
    }
}
