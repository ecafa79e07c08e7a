//! What the engine told so far, newest first served: the part of the state that Pause freezes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::Ledger;
use crate::domain::{
    BackendHealth, BackendKind, BackendState, Clean, ServiceName, SloStatus, Stage, Timestamp, Verdict,
};
use crate::engine::{
    EngineEvent, Entry, History, ModelFacts, ModelState, Probe, Reading, ServiceDetail, Snapshot, Waterfall,
};
use crate::remedy::{Proposal, Told};

/// Data is never called old before this, however short the windows: scrapes take their time.
const STALE_AFTER: Duration = Duration::from_secs(180);
/// Most services kept in full.
const MOST_DETAILS: usize = 64;

/// Long work under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Working {
    /// What is done.
    pub stage: Stage,
    /// Steps done.
    pub done: u64,
    /// Steps planned.
    pub total: u64,
    /// More words.
    pub note: Clean,
}

/// A verdict and where it came from.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The verdict.
    pub verdict: Arc<Verdict>,
    /// Version of the snapshot it was asked on.
    pub version: u64,
    /// When it arrived.
    pub received: Timestamp,
}

/// The slowest trace through a service.
#[derive(Clone, Debug)]
pub struct Example {
    /// The trace; `None` if nothing passed through. Or why there is none.
    pub trace: Result<Option<Arc<Waterfall>>, Clean>,
    /// When it arrived.
    pub received: Timestamp,
}

/// What could be done about an SLO.
#[derive(Clone, Debug)]
pub struct Suggestions {
    /// Best first.
    pub proposals: Vec<Arc<Proposal>>,
    /// What else is to be said.
    pub notes: Vec<Clean>,
    /// When they arrived.
    pub received: Timestamp,
}

/// What the engine told so far. Cheap to clone: the big parts are shared.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The newest snapshot.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Backends by kind and URL.
    pub health: BTreeMap<(BackendKind, Clean), BackendHealth>,
    /// The model, once the engine said something about it.
    pub model: Option<ModelState>,
    /// Long work under way.
    pub working: Option<Working>,
    /// Verdicts by SLO.
    pub verdicts: BTreeMap<Clean, Answer>,
    /// Proposals by SLO.
    pub suggestions: BTreeMap<Clean, Suggestions>,
    /// Services in full, as far as they were looked at; or why they cannot be shown.
    pub details: BTreeMap<ServiceName, Result<Arc<ServiceDetail>, Clean>>,
    /// Replicas that are measured.
    pub replicas: BTreeMap<ServiceName, u32>,
    /// Example traces by service.
    pub traces: BTreeMap<ServiceName, Example>,
    /// The evidence lower bound of each epoch of the last training that was seen.
    pub curve: Vec<(u64, f64)>,
    /// What the model rests on.
    pub facts: Option<Arc<ModelFacts>>,
    /// When the backends are asked next.
    pub next: Option<Timestamp>,
    /// Which queries have data, and as of when.
    pub probes: Option<(Timestamp, Arc<Vec<Probe>>)>,
    /// What happened so far.
    pub history: Option<Arc<History>>,
    /// Answers about older versions are about another moment.
    floor: u64,
    /// What was changed and run; the screens read the live one even while paused.
    pub ledger: Ledger,
    /// Whether the engine is gone.
    pub engine_gone: bool,
}

/// Why what is shown must not be trusted, in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Staleness {
    /// The reason.
    pub why: String,
    /// Age of the data, where there is any.
    pub age: Option<Duration>,
}

impl Picture {
    /// Takes in what the engine tells; what is older than what is known is dropped.
    pub fn apply(&mut self, event: &EngineEvent, now: Timestamp) {
        match event {
            EngineEvent::Health(health) => {
                self.health.insert((health.kind, health.url.clone()), health.clone());
            }
            EngineEvent::Progress { stage, done, total, note } => {
                let working = Working { stage: *stage, done: *done, total: *total, note: note.clone() };
                self.working = (done < total || *total == 0).then_some(working);
            }
            EngineEvent::Model(model) => self.model = Some(model.clone()),
            EngineEvent::Snapshot(snapshot) => {
                if self.snapshot.as_ref().is_none_or(|s| s.version <= snapshot.version) {
                    if self.snapshot.as_ref().is_some_and(|s| moment(s) != moment(snapshot)) {
                        self.forget_moment(snapshot.version);
                    }
                    self.snapshot = Some(Arc::clone(snapshot));
                }
            }
            EngineEvent::Verdict { version, slo, verdict } => {
                if self.working.as_ref().is_some_and(|w| w.stage == Stage::Query) {
                    self.working = None;
                }
                if *version >= self.floor && self.verdicts.get(slo).is_none_or(|a| a.version <= *version) {
                    let answer = Answer { verdict: Arc::clone(verdict), version: *version, received: now };
                    self.verdicts.insert(slo.clone(), answer);
                }
            }
            EngineEvent::Epoch { done, elbo } => {
                if self.curve.last().is_none_or(|(last, _)| last >= done) {
                    self.curve.clear();
                }
                self.curve.push((*done, *elbo));
            }
            EngineEvent::Facts(facts) => self.facts = Some(Arc::clone(facts)),
            EngineEvent::Next(next) => self.next = *next,
            EngineEvent::Probes(at, probes) => self.probes = Some((*at, Arc::clone(probes))),
            EngineEvent::History(history) => self.history = Some(Arc::clone(history)),
            EngineEvent::Detail { service, detail } => {
                if detail.as_ref().is_ok_and(|detail| detail.version < self.floor) {
                    return;
                }
                self.details.insert(service.clone(), detail.clone());
                if self.details.len() > MOST_DETAILS {
                    self.details.retain(|known, _| known == service);
                }
            }
            EngineEvent::Replicas(service, count) => {
                self.replicas.insert(service.clone(), *count);
            }
            EngineEvent::Trace { service, trace, .. } => {
                self.traces.insert(service.clone(), Example { trace: trace.clone(), received: now });
            }
            // The newest question is known elsewhere.
            EngineEvent::WhatIf(_) => {}
            EngineEvent::Remedy(told) => {
                if let Told::Proposals { slo, proposals, notes } = told {
                    let (proposals, notes) = (proposals.clone(), notes.clone());
                    self.suggestions.insert(slo.clone(), Suggestions { proposals, notes, received: now });
                }
                self.ledger.apply(told, now);
            }
            EngineEvent::Failed { .. } => self.working = None,
        }
    }

    /// Another moment is shown from `version` on: what was said of the one before does not hold in it.
    fn forget_moment(&mut self, version: u64) {
        self.floor = version;
        self.verdicts.clear();
        self.suggestions.clear();
        self.details.clear();
        self.replicas.clear();
        self.traces.clear();
    }

    /// The status of an SLO.
    pub fn slo(&self, name: &Clean) -> Option<&SloStatus> {
        self.snapshot.as_ref()?.slos.iter().find(|s| s.name == *name)
    }

    /// Where requests that an SLO is about enter.
    pub fn entry(&self, name: &Clean) -> Option<&Entry> {
        let snapshot = self.snapshot.as_ref()?;
        let at = snapshot.slos.iter().position(|s| s.name == *name)?;
        snapshot.entries.get(at)
    }

    /// What `parent` waits for `service`; users, without a parent. At the quantile of the SLO
    /// called `slo` if there is one, else at the nearest.
    pub fn waits(&self, slo: &Clean, parent: Option<&ServiceName>, service: &ServiceName) -> Option<Reading> {
        let entry = self.entry(slo)?;
        let Some(parent) = parent else { return Some(entry.reading) };
        let call = self.snapshot.as_ref()?.calls.get(&(parent.clone(), service.clone()))?;
        call.latency.nearest(entry.reading.quantile)
    }

    /// What `service` takes for its answers, whoever asks.
    pub fn serves(&self, slo: &Clean, service: &ServiceName) -> Option<Reading> {
        let quantile = self.entry(slo)?.reading.quantile;
        self.snapshot.as_ref()?.services.get(service)?.served.nearest(quantile)
    }

    /// When backends that are down are asked again. A moment of the past is not waited for.
    pub fn retry(&self, now: Timestamp) -> Option<Timestamp> {
        let frozen = self.snapshot.as_ref().is_some_and(|s| s.frozen);
        self.next.filter(|next| !frozen && *next > now)
    }

    /// Age of the newest window; `None` without data and at a fixed past moment, where it does not age.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let snapshot = self.snapshot.as_ref().filter(|s| !s.frozen)?;
        Some(since(snapshot.data_until?, now))
    }

    /// Data older than this is greyed: three windows should have come since.
    pub fn stale_after(&self) -> Duration {
        self.snapshot.as_ref().map_or(STALE_AFTER, |s| STALE_AFTER.max(3 * s.window))
    }

    /// Whether there is no data at all.
    pub fn is_empty(&self) -> bool {
        self.snapshot.as_ref().is_none_or(|s| s.data_until.is_none())
    }

    /// Why what is shown must not be trusted, if so.
    pub fn staleness(&self, now: Timestamp) -> Option<Staleness> {
        let age = self.age(now);
        if self.engine_gone {
            return Some(Staleness { why: "The engine stopped".to_owned(), age });
        }
        let down =
            self.health.values().find(|h| h.kind == BackendKind::Prometheus && h.state == BackendState::Down);
        if let Some(health) = down {
            let detail = health.detail.as_ref().map_or_else(String::new, |d| format!(" ({d})"));
            return Some(Staleness { why: format!("Prometheus does not answer{detail}"), age });
        }
        let age = age.filter(|a| *a >= self.stale_after())?;
        Some(Staleness { why: "No new data arrives".to_owned(), age: Some(age) })
    }
}

/// The fixed moment a snapshot is about; `None` for the present.
fn moment(snapshot: &Snapshot) -> Option<Timestamp> {
    snapshot.frozen.then_some(snapshot.at)
}

/// Time from `then` to `now`; zero if the clocks disagree.
pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
