//! The engine: one context's backends, store and models, and the questions they answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::EngineError;
use super::learn::{Learned, cut_off, scarce_cut_off};
use super::remedies::Remedies;
use super::shelf::Shelf;
use crate::causal::{CallGraph, EdgeOrigin};
use crate::config::{Config, Context, problem::suggest};
use crate::diagnosis::verdict::minus;
use crate::diagnosis::{Case, DiagnosisError, DiagnosisSettings, WhatIf, diagnose};
use crate::domain::{
    BackendHealth, Clean, Column, Counterfactual, Entity, Move, Progress, ServiceName, Side, Slo, SloStatus,
    Stat, Timestamp, Verdict,
};
use crate::gvae::TrainSettings;
use crate::slo;
use crate::telemetry::{Auth, Catalogue, GrafanaSettings, Jaeger, Prometheus};
use crate::windows::{
    self, EdgeSeen, FetchReport, Frame, Loaded, NameMap, Period, Plan, PlanInput, Sources, Store,
    WindowSettings,
};

/// One context, ready for questions. Shared by `Arc`.
#[derive(Debug)]
pub struct Engine {
    /// Its name.
    pub context: Clean,
    /// Its objectives.
    pub slos: Vec<Slo>,
    /// Window settings.
    pub windows: WindowSettings,
    pub(super) catalogue: Catalogue,
    pub(super) training: TrainSettings,
    pub(super) diagnosis: DiagnosisSettings,
    pub(super) prometheus: Prometheus,
    pub(super) jaeger: Option<Jaeger>,
    pub(super) grafana: Option<GrafanaSettings>,
    pub(super) logins: (Auth, Option<Auth>),
    pub(super) plan: Plan,
    store: Store,
    pub(super) shelf: Shelf,
    /// Serialises training: two at once would only be slower.
    pub(super) learning: tokio::sync::Mutex<Option<Arc<Learned>>>,
    /// Serialises fetching: two at once would ask for the same.
    fetching: tokio::sync::Mutex<()>,
    pub(super) remedies: Option<Remedies>,
}

/// What is known at a moment without asking anybody.
#[derive(Debug)]
pub struct Picture {
    /// The moment.
    pub at: Timestamp,
    /// Windows up to it, as far back as the model's training data reaches.
    pub frame: Frame,
    /// Calls seen in them.
    pub graph: Arc<CallGraph>,
    /// How the objectives stand.
    pub statuses: Vec<SloStatus>,
    /// What the reader should know.
    pub warnings: Vec<Clean>,
}

/// The wall clock in whole seconds: nothing that is asked for is any finer, and it reads better.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

impl Engine {
    /// Opens the store in `cache` and prepares the clients of `context`; nothing is sent yet.
    pub fn open(config: &Config, context: &Context, cache: &Path) -> Result<Self, EngineError> {
        let names = NameMap::new(context.names.clone());
        let plan = Plan::new(PlanInput {
            settings: &config.windows,
            catalogue: &context.catalogue,
            vars: &context.vars,
            slos: &context.slos,
            names: &names,
            prometheus: Some(&context.prometheus.url),
            jaeger: context.jaeger.as_ref().map(|j| j.backend.url.as_str()),
        });
        Ok(Self {
            context: context.name.clone(),
            slos: context.slos.clone(),
            windows: config.windows.clone(),
            catalogue: context.catalogue.clone(),
            training: config.model.clone(),
            diagnosis: config.diagnosis.clone(),
            prometheus: Prometheus::new(&context.prometheus)?,
            jaeger: context.jaeger.as_ref().map(Jaeger::new).transpose()?,
            logins: (
                context.prometheus.auth.clone(),
                context.jaeger.as_ref().map(|j| j.backend.auth.clone()),
            ),
            grafana: context.grafana.clone(),
            plan,
            store: Store::open(&cache.join("windows"), context.name.as_str())?,
            shelf: Shelf::open(&cache.join("models"), context.name.as_str())?,
            learning: tokio::sync::Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            remedies: None,
        })
    }

    /// The SLO called `name`, or the first one.
    pub fn slo(&self, name: Option<&str>) -> Result<&Slo, EngineError> {
        let names = || self.slos.iter().map(|slo| slo.name.as_str());
        let Some(first) = self.slos.first() else {
            return Err(EngineError::NoSlos { context: self.context.clone() });
        };
        let Some(name) = name else { return Ok(first) };
        self.slos.iter().find(|slo| slo.name.as_str() == name).ok_or_else(|| EngineError::NoSlo {
            name: Clean::new(name),
            hint: Clean::new(&suggest(name, names()).unwrap_or_default()),
        })
    }

    /// The backends before they were asked anything.
    pub fn backends(&self) -> Vec<BackendHealth> {
        let jaeger = self.jaeger.as_ref().map(Jaeger::unasked);
        std::iter::once(self.prometheus.unasked()).chain(jaeger).collect()
    }

    /// How the backends are.
    pub async fn health(&self) -> Vec<BackendHealth> {
        let jaeger = async {
            match &self.jaeger {
                Some(jaeger) => Some(jaeger.health().await),
                None => None,
            }
        };
        let (prometheus, jaeger) = tokio::join!(self.prometheus.health(), jaeger);
        std::iter::once(prometheus).chain(jaeger).collect()
    }

    /// All that a question at `at` may look at.
    fn period(&self, at: Timestamp, now: Timestamp) -> Period {
        let start = cut_off(at, &self.training).min(scarce_cut_off(at, &self.diagnosis));
        Period { after: minus(start, self.windows.history), until: at, now }
    }

    /// Fetches what the store lacks for a question at `at`.
    pub async fn fetch(
        &self,
        at: Timestamp,
        now: Timestamp,
        progress: &dyn Progress,
    ) -> Result<FetchReport, EngineError> {
        let _alone = self.fetching.lock().await;
        let now = self.cautious(now).await;
        let sources = Sources { metrics: Some(&self.prometheus), traces: self.jaeger.as_ref() };
        Ok(windows::fetch(sources, &self.plan, &self.period(at, now), &self.store, progress).await?)
    }

    /// `now` by Prometheus' clock where ours is ahead of it: by ours, windows would count as
    /// complete before their data is there, and never be fetched again.
    async fn cautious(&self, now: Timestamp) -> Timestamp {
        let offset = match self.prometheus.clock_offset_ms() {
            Some(ms) => Some(ms),
            None => self.prometheus.health().await.clock_offset_ms,
        };
        let ahead = offset.map_or(0, |ms| ms.min(0).unsigned_abs());
        minus(now, Duration::from_millis(ahead))
    }

    /// What the store knows about `at`. Reads the disk only.
    pub async fn picture(self: &Arc<Self>, at: Timestamp) -> Result<Picture, EngineError> {
        let engine = self.clone();
        blocking(move || engine.read(at)).await?
    }

    fn read(&self, at: Timestamp) -> Result<Picture, EngineError> {
        let Loaded { frame, edges } = windows::load(&self.store, &self.plan, &self.period(at, at))?;
        let frame = frame.with_source();
        let mut graph = CallGraph::default();
        for edge in &edges {
            let origin = match edge.seen {
                EdgeSeen::Spans => EdgeOrigin::Spans,
                EdgeSeen::Peer => EdgeOrigin::Peer,
                EdgeSeen::Metrics => EdgeOrigin::Metrics,
            };
            graph.add_edge(&edge.caller, &edge.callee, origin, edge.calls);
        }
        for service in frame.columns.keys().filter_map(speaks_for_itself) {
            graph.add_service(service, true);
        }
        let statuses = self.slos.iter().map(|slo| self.status(slo, &frame, at)).collect();
        let warnings = self.strangers(&graph);
        Ok(Picture { at, frame, graph: Arc::new(graph), statuses, warnings })
    }

    /// Remarks on SLOs of services that no data mentions, most likely misspelt.
    fn strangers(&self, graph: &CallGraph) -> Vec<Clean> {
        let services = graph.services();
        let strange = |slo: &&Slo| !services.contains(&self.plan.names.canonical(&slo.service));
        let unknown = self.slos.iter().filter(strange).filter(|_| !services.is_empty());
        let remark = |slo: &Slo| {
            let hint = suggest(slo.service.as_str(), services.iter().map(|service| service.as_str()));
            let hint = hint.unwrap_or_default();
            Clean::new(&format!("SLO {}: no data mentions the service `{}` ({hint})", slo.name, slo.service))
        };
        unknown.map(remark).collect()
    }

    pub(super) fn status(&self, slo: &Slo, frame: &Frame, at: Timestamp) -> SloStatus {
        slo::evaluate(slo, &self.samples(slo, frame), frame.length, at)
    }

    /// The windows as an SLO's samples.
    pub(super) fn samples(&self, slo: &Slo, frame: &Frame) -> Vec<slo::Sample> {
        let column = |stat| Column::Latency { rpc: self.plan.entry_rpc(slo), side: Side::Client, stat };
        let values = |stat| frame.columns.get(&column(stat));
        let ms = values(Stat::Quantile(slo.quantile));
        let calls = values(Stat::Count);
        let known = |v: Option<&Vec<f32>>, row: usize| v.map(|v| f64::from(v[row])).filter(|v| v.is_finite());
        frame.ends.iter().enumerate().map(|(row, end)| (*end, known(ms, row), known(calls, row))).collect()
    }

    /// The call graph of a picture, from Jaeger's own count where the windows show no calls.
    pub async fn graph(&self, picture: &Picture) -> Arc<CallGraph> {
        if !picture.graph.edges().is_empty() {
            return picture.graph.clone();
        }
        let Some(jaeger) = &self.jaeger else { return picture.graph.clone() };
        let mut graph = CallGraph::default();
        for d in jaeger.dependencies(picture.at, self.windows.history).await.unwrap_or_default() {
            let (parent, child) = (self.plan.names.canonical(&d.parent), self.plan.names.canonical(&d.child));
            graph.add_edge(parent, child, EdgeOrigin::Dependencies, d.calls);
        }
        Arc::new(graph)
    }

    /// Least surprise that is called unusual.
    pub fn unusual(&self) -> f64 {
        self.diagnosis.unusual
    }

    /// Windows in a diagnosis window.
    pub fn span(&self) -> usize {
        let length = self.windows.length.as_secs().max(1);
        usize::try_from(self.diagnosis.window.as_secs() / length).unwrap_or(usize::MAX).max(1)
    }

    /// Answers why `slo` stood as it did at `at`: fetches what is missing, learns, diagnoses.
    pub async fn diagnose(
        self: &Arc<Self>,
        slo: &Slo,
        at: Timestamp,
        now: Timestamp,
        progress: Arc<dyn Progress>,
    ) -> Result<Verdict, EngineError> {
        let clock = Instant::now();
        let fetched = self.fetch(at, now, progress.as_ref()).await;
        self.explain(slo, at, (fetched, clock.elapsed()), progress).await
    }

    /// The same after a fetch that ended with `fetched` and took so long.
    pub async fn explain(
        self: &Arc<Self>,
        slo: &Slo,
        at: Timestamp,
        (fetched, took): (Result<FetchReport, EngineError>, Duration),
        progress: Arc<dyn Progress>,
    ) -> Result<Verdict, EngineError> {
        let mut timings = BTreeMap::from([("fetch", took.as_secs_f64() * 1e3)]);
        let mut clock = Instant::now();
        let mut lap = |name: &'static str, clock: &mut Instant| {
            timings.insert(name, clock.elapsed().as_secs_f64() * 1e3);
            *clock = Instant::now();
        };
        let picture = Arc::new(self.picture(at).await?);
        lap("windows", &mut clock);
        let learned = self.learn(at, false, progress.clone()).await;
        lap("load_or_train", &mut clock);
        let (engine, of, held) = (self.clone(), slo.clone(), picture.clone());
        let mut verdict = match learned {
            Ok(learned) => blocking(move || engine.answer(&of, &held, &learned, progress.as_ref())).await??,
            // Without any data, what keeps it from coming is the better answer.
            Err(error) if picture.frame.is_empty() => {
                return Err(fetched.map_or_else(|failed| failed, |report| error.after(&report)));
            }
            Err(error) if !error.is_want_of_a_model() => return Err(error),
            Err(error) => {
                let mut verdict = blocking(move || engine.without_model(&of, &held)).await?;
                verdict.warnings.push(Clean::new(&error.to_string()));
                verdict
            }
        };
        lap("query", &mut clock);
        verdict.timings_ms = timings;
        verdict.warnings.extend(picture.warnings.iter().cloned());
        match fetched {
            Ok(report) => verdict.warnings.extend(report.warnings),
            // Old data with a loud remark beats no answer at all.
            Err(error) => verdict.warnings.push(Clean::new(&format!("backends: {error}"))),
        }
        Ok(verdict)
    }

    /// The verdict from what is at hand; CPU-bound.
    pub fn answer(
        &self,
        slo: &Slo,
        picture: &Picture,
        learned: &Learned,
        progress: &dyn Progress,
    ) -> Result<Verdict, EngineError> {
        let status = self.status(slo, &picture.frame, picture.at);
        let case = self.case(slo, &status, picture, learned);
        let mut verdict = diagnose(&case, progress)?;
        self.name_units(&mut verdict);
        verdict.warnings.extend(learned.warnings.iter().cloned());
        Ok(verdict)
    }

    fn case<'a>(
        &'a self,
        slo: &'a Slo,
        status: &'a SloStatus,
        picture: &'a Picture,
        learned: &'a Learned,
    ) -> Case<'a> {
        Case {
            slo,
            status,
            at: picture.at,
            frame: &picture.frame,
            model: &learned.model,
            reference: &learned.reference,
            kinds: &learned.kinds,
            summary: learned.summary.clone(),
            changes: learned.changes(&picture.frame),
            settings: &self.diagnosis,
        }
    }

    /// The tail of `slo` under each of `changes`, of which each is several moves at once; `None` where
    /// nobody can tell. CPU-bound.
    pub fn what_if(
        &self,
        slo: &Slo,
        picture: &Picture,
        learned: &Learned,
        changes: &[Vec<Move>],
    ) -> Result<Vec<Option<Counterfactual>>, EngineError> {
        let status = self.status(slo, &picture.frame, picture.at);
        let case = self.case(slo, &status, picture, learned);
        let Some(what_if) = WhatIf::new(&case).map_err(DiagnosisError::from)? else {
            return Ok(vec![None; changes.len()]);
        };
        let tails = changes.iter().map(|moves| what_if.tail(moves)).collect::<Result<_, _>>();
        Ok(tails.map_err(DiagnosisError::from)?)
    }
}

/// Runs what reads the disk or computes where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    spawn_blocking(work).await.map_err(|e| EngineError::Worker(Clean::new(&e.to_string())))
}

/// The service whose own telemetry a column is, as opposed to what its callers say about it.
fn speaks_for_itself(column: &Column) -> Option<&ServiceName> {
    match column {
        Column::Metric { entity: Entity::Service(service), .. } => Some(service),
        Column::Latency { rpc, side: Side::Server, .. } => rpc.callee.service(),
        Column::Metric { .. } | Column::Latency { .. } => None,
    }
}
