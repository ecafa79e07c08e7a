//! What the engine tells the screens, and what they may ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::detail::ServiceDetail;
use super::history::History;
use super::probe::Probe;
use super::waterfall::Waterfall;
use crate::causal::CallGraph;
use crate::domain::{
    BackendHealth, Clean, Counterfactual, ModelSummary, Move, NodeName, Quantile, Resource, ServiceName,
    SloStatus, Stage, Timestamp, Verdict,
};
use crate::remedy::{Ask, Told};

/// State of the model as the header shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelState {
    /// There is none yet, and why.
    Absent(Clean),
    /// It is being trained.
    Training {
        /// Epochs done.
        done: u64,
        /// Epochs planned.
        total: u64,
        /// Loss and other remarks.
        note: Clean,
    },
    /// It answers questions.
    Ready(ModelSummary),
    /// It answers, but a retraining is due or failed, and why.
    Stale(ModelSummary, Clean),
}

/// A latency quantile now and normally, both from one and the same column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Which quantile.
    pub quantile: Quantile,
    /// Its median over the newest windows, milliseconds.
    pub now_ms: Option<f64>,
    /// Its median over earlier windows that met the objectives.
    pub normal_ms: Option<f64>,
}

impl Reading {
    /// How many times slower than normal.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.now_ms? / self.normal_ms.filter(|n| *n > 0.0)?)
    }
}

/// Readings of one latency by quantile, lowest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings(pub Vec<Reading>);

impl Readings {
    /// The one for `quantile`, else the nearest there is.
    pub fn nearest(&self, quantile: Quantile) -> Option<Reading> {
        self.0.iter().copied().min_by_key(|r| r.quantile.0.abs_diff(quantile.0))
    }

    /// The one for exactly `quantile`.
    pub fn of(&self, quantile: Quantile) -> Option<Reading> {
        self.0.iter().copied().find(|r| r.quantile == quantile)
    }
}

/// How much work arrives at a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Newest value.
    pub value: f64,
    /// Its unit, as the catalogue names it.
    pub unit: Clean,
    /// Whether it is the mean of several replicas rather than their sum.
    pub each: bool,
}

/// One service as the dependency tree shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceView {
    /// From request received to response sent, whoever asked.
    pub served: Readings,
    /// About how much of that is its own at most, milliseconds: what its slowest callee leaves. Rough,
    /// since quantiles do not subtract exactly; an upper end, since calls may run one after another.
    pub own_ms: Option<f64>,
    /// What arrives.
    pub load: Option<Load>,
    /// How unusual its own contribution is (−ln of the calibrated tail probability).
    pub surprise: Option<f64>,
    /// The resource that stands out.
    pub resource: Option<Resource>,
    /// Machines it runs on.
    pub nodes: Vec<NodeName>,
}

/// One call edge: what the caller waits for, network included; where only the callee tells, what it
/// takes there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallView {
    /// The latencies.
    pub latency: Readings,
    /// Whether they were measured at the caller.
    pub at_caller: bool,
    /// End of the newest window in which it was seen.
    pub seen: Option<Timestamp>,
}

/// Where requests of users enter, for one SLO.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The service.
    pub service: ServiceName,
    /// The SLO's own latency.
    pub reading: Reading,
    /// Whether that is the latency of a sample of the requests.
    pub sampled: Sampled,
}

/// Of how many requests there are latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampled {
    /// Metrics tell of all of them, or as many traces came as there were requests.
    #[default]
    No,
    /// They come from traces; how many requests left none, nobody counts.
    Perhaps,
    /// They come from traces of about this share of the requests.
    About(f64),
}

/// Everything the screens show about one moment. Immutable; shared by `Arc`.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up when the data changes; a result made from older data is recognised by it.
    pub version: u64,
    /// The moment it describes: now, or `--at`.
    pub at: Timestamp,
    /// End of the newest window with data.
    pub data_until: Option<Timestamp>,
    /// Length of a window: how often newer data can come.
    pub window: Duration,
    /// Whether `at` is a fixed past moment.
    pub frozen: bool,
    /// Name of the context (cluster).
    pub context: Clean,
    /// One line an SLO, in the order of the configuration.
    pub slos: Vec<SloStatus>,
    /// Entry of each SLO, in the same order.
    pub entries: Vec<Entry>,
    /// The call graph.
    pub graph: Arc<CallGraph>,
    /// Services by name.
    pub services: BTreeMap<ServiceName, ServiceView>,
    /// Calls by caller and callee, where there is a latency.
    pub calls: BTreeMap<(ServiceName, ServiceName), CallView>,
    /// From this surprise on a service stands out.
    pub unusual: f64,
    /// Things the reader should know.
    pub warnings: Vec<Clean>,
}

/// What the model in use rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// The model.
    pub summary: ModelSummary,
    /// End of the first window it learned from.
    pub from: Timestamp,
    /// Services of its network.
    pub services: usize,
    /// Columns it reads: metrics and latencies.
    pub columns: usize,
    /// Those of them without a value in the newest windows.
    pub silent: Vec<Clean>,
    /// What was odd about getting it, and why it was trained again.
    pub remarks: Vec<Clean>,
}

/// What the engine tells the screens. Health and progress: the newest wins.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// A backend's health changed or was confirmed.
    Health(BackendHealth),
    /// Long work went on.
    Progress {
        /// What it is doing.
        stage: Stage,
        /// Steps done.
        done: u64,
        /// Steps planned.
        total: u64,
        /// More words.
        note: Clean,
    },
    /// The model's state changed.
    Model(ModelState),
    /// An epoch of a training is over.
    Epoch {
        /// Its number, from 1.
        done: u64,
        /// The evidence lower bound of the held-back windows, per window.
        elbo: f64,
    },
    /// What the model rests on.
    Facts(Arc<ModelFacts>),
    /// When the backends are asked next; `None` if only on demand.
    Next(Option<Timestamp>),
    /// Which queries of the catalogue have data, as of a moment.
    Probes(Timestamp, Arc<Vec<Probe>>),
    /// A new picture.
    Snapshot(Arc<Snapshot>),
    /// The answer for an SLO, by name.
    Verdict {
        /// Version of the data it rests on.
        version: u64,
        /// SLO.
        slo: Clean,
        /// The answer.
        verdict: Arc<Verdict>,
    },
    /// One service in full, or why that cannot be told.
    Detail {
        /// Which.
        service: ServiceName,
        /// The answer.
        detail: Result<Arc<ServiceDetail>, Clean>,
    },
    /// How many replicas of a service are measured.
    Replicas(ServiceName, u32),
    /// The slowest trace through a service, `None` if nothing passed through it; or why there is none.
    Trace {
        /// Which.
        service: ServiceName,
        /// End of the time that was searched.
        until: Timestamp,
        /// The answer.
        trace: Result<Option<Arc<Waterfall>>, Clean>,
    },
    /// What happened so far.
    History(Arc<History>),
    /// What the model says about changes that nobody made yet.
    WhatIf(Prediction),
    /// Proposals, plans and operations.
    Remedy(Told),
    /// Something failed; the screens keep what they have.
    Failed {
        /// The SLO whose question failed; `None` for work that no question asked for.
        slo: Option<Clean>,
        /// What was tried.
        what: Clean,
        /// Why it failed and what to do.
        why: Clean,
    },
}

/// What the tail would be with some changes made.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Counts up: the answer bears it, and only the newest one counts.
    pub number: u64,
    /// The SLO by name.
    pub slo: Clean,
    /// All of the changes at once.
    pub moves: Vec<Move>,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The question's number.
    pub number: u64,
    /// The tail as the model explains it without changes, and with them; `None` where nobody can tell. Or
    /// why there is no answer.
    pub tails: Result<(Option<Counterfactual>, Option<Counterfactual>), Clean>,
}

/// What the screens ask of the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Fetch again now.
    Refresh,
    /// Answer why this SLO (by name) stands as it does.
    Diagnose(Clean),
    /// Train again from what is stored.
    Retrain,
    /// One service in full, with the incident of the SLO by name.
    Detail(ServiceName, Option<Clean>),
    /// The slowest trace through a service.
    Trace(ServiceName),
    /// What changes would do.
    WhatIf(Question),
    /// Ask every query of the catalogue whether it has data.
    Probe,
    /// What happened so far.
    History,
    /// Put everything at a past moment, or back to the present.
    At(Option<Timestamp>),
    /// About remedies.
    Remedy(Ask),
}
