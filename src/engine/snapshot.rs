//! What the engine tells the screens, and what they may ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::causal::CallGraph;
use crate::domain::{
    BackendHealth, Clean, ModelSummary, NodeName, Resource, ServiceName, SloStatus, Stage, Timestamp, Verdict,
};

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

/// One service as the dependency tree shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceView {
    /// Median (or lowest known quantile) of its server latency now, milliseconds.
    pub latency_ms: Option<f64>,
    /// The same over normal windows.
    pub normal_ms: Option<f64>,
    /// Part of the latency that is its own, not its callees'.
    pub own_ms: Option<f64>,
    /// Calls per second.
    pub rate: Option<f64>,
    /// How unusual its own contribution is (−ln of the calibrated tail probability).
    pub surprise: Option<f64>,
    /// The resource that stands out.
    pub resource: Option<Resource>,
    /// Machines it runs on.
    pub nodes: Vec<NodeName>,
}

/// Everything the screens show about one moment. Immutable; shared by `Arc`.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up; a result made from an older snapshot is recognised by it.
    pub version: u64,
    /// The moment it describes: now, or `--at`.
    pub at: Timestamp,
    /// Whether `at` is a fixed past moment.
    pub frozen: bool,
    /// Name of the context (cluster).
    pub context: Clean,
    /// One line an SLO, in the order of the configuration.
    pub slos: Vec<SloStatus>,
    /// Entry service of each SLO.
    pub entries: Vec<ServiceName>,
    /// The call graph.
    pub graph: Arc<CallGraph>,
    /// Services by name.
    pub services: BTreeMap<ServiceName, ServiceView>,
    /// Things the reader should know.
    pub warnings: Vec<Clean>,
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
    /// A new picture.
    Snapshot(Arc<Snapshot>),
    /// The answer for an SLO, by name.
    Verdict {
        /// Version of the snapshot it was asked on.
        version: u64,
        /// SLO.
        slo: Clean,
        /// The answer.
        verdict: Arc<Verdict>,
    },
    /// Something failed; the screens keep what they have.
    Failed {
        /// What was tried.
        what: Clean,
        /// Why it failed and what to do.
        why: Clean,
    },
}

/// What the screens ask of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Fetch again now.
    Refresh,
    /// Answer why this SLO (by name) stands as it does.
    Diagnose(Clean),
    /// Train again from what is stored.
    Retrain,
}
