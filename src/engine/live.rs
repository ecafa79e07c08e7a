//! The engine's side of the screens: refreshes, trains and answers in the background, and tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::core::{Engine, Picture, blocking, now};
use super::snapshot::{EngineEvent, ModelState, Request, ServiceView, Snapshot};
use super::{EngineError, Learned};
use crate::diagnosis::evidence;
use crate::domain::{
    Clean, Column, Entity, Party, Pool, Progress, Resource, Rpc, ServiceName, Side, Stage, Stat, Timestamp,
};
use crate::gvae::data::median;
use crate::windows::Frame;

/// Shortest pause between two refreshes.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// Runs until the screens go away. `at` freezes the moment.
pub async fn live(
    engine: Arc<Engine>,
    at: Option<Timestamp>,
    mut requests: Receiver<Request>,
    events: Sender<EngineEvent>,
) {
    let live = Live { engine, at, events, version: Arc::new(AtomicU64::new(0)) };
    let mut tasks = JoinSet::new();
    // What is stored comes first: the screen must not wait for any network.
    live.publish(None).await;
    let pause = (live.engine.windows.length / 2).max(MIN_REFRESH);
    let mut ticks = interval_at(Instant::now(), pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What is under way is not begun again: a refresh that takes longer than the pause, a key
    // pressed twice.
    let (mut refreshing, mut training, mut diagnosing) = (None, None, BTreeMap::new());
    loop {
        tokio::select! {
            biased;
            request = requests.recv() => match request {
                None => break,
                Some(Request::Refresh) => ticks.reset_immediately(),
                Some(Request::Diagnose(slo)) => {
                    let (live, name) = (live.clone(), slo.clone());
                    let task = diagnosing.entry(slo).or_insert(None);
                    begin(&mut tasks, task, async move { live.diagnose(&name).await });
                }
                Some(Request::Retrain) => {
                    let live = live.clone();
                    begin(&mut tasks, &mut training, async move { live.retrain().await });
                }
            },
            _ = live.events.closed() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            _ = ticks.tick() => {
                let live = live.clone();
                begin(&mut tasks, &mut refreshing, async move { live.refresh().await });
            }
        }
    }
    tasks.abort_all();
}

/// Spawns `work` unless `task` still runs.
fn begin(
    tasks: &mut JoinSet<()>,
    task: &mut Option<AbortHandle>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    if task.as_ref().is_none_or(AbortHandle::is_finished) {
        *task = Some(tasks.spawn(work));
    }
}

#[derive(Clone)]
struct Live {
    engine: Arc<Engine>,
    at: Option<Timestamp>,
    events: Sender<EngineEvent>,
    version: Arc<AtomicU64>,
}

impl Live {
    fn moment(&self) -> Timestamp {
        self.at.unwrap_or_else(now)
    }

    async fn tell(&self, event: EngineEvent) {
        // The screens went away: the loop ends by itself.
        let _ = self.events.send(event).await;
    }

    async fn failed(&self, what: &str, error: &EngineError) {
        tracing::warn!("{what}: {error}");
        self.tell(EngineEvent::Failed { what: Clean::new(what), why: Clean::new(&error.to_string()) }).await;
    }

    async fn refresh(&self) {
        let health = async {
            for backend in self.engine.health().await {
                self.tell(EngineEvent::Health(backend)).await;
            }
        };
        let fetch = async {
            let progress = Relay(self.events.clone());
            match self.engine.fetch(self.moment(), now(), &progress).await {
                Ok(_) => self.publish(None).await,
                Err(error) => self.failed("fetching history", &error).await,
            }
        };
        tokio::join!(health, fetch);
        if let Some(learned) = self.model(false).await {
            self.publish(Some(&learned)).await;
        }
    }

    /// The model, telling how it stands.
    async fn model(&self, fresh: bool) -> Option<Arc<Learned>> {
        let progress = Arc::new(Relay(self.events.clone()));
        match self.engine.learn(self.moment(), fresh, progress).await {
            Ok(learned) => {
                self.tell(EngineEvent::Model(ModelState::Ready(learned.summary.clone()))).await;
                Some(learned)
            }
            Err(error) => {
                self.tell(EngineEvent::Model(ModelState::Absent(Clean::new(&error.to_string())))).await;
                None
            }
        }
    }

    async fn retrain(&self) {
        if let Some(learned) = self.model(true).await {
            self.publish(Some(&learned)).await;
        }
    }

    async fn diagnose(&self, name: &Clean) {
        let version = self.version.load(Ordering::Relaxed);
        let what = format!("diagnosing {name}");
        let progress = Arc::new(Relay(self.events.clone()));
        let answer = async {
            let slo = self.engine.slo(Some(name.as_str()))?.clone();
            self.engine.diagnose(&slo, self.moment(), now(), progress).await
        };
        match answer.await {
            Ok(verdict) => {
                let verdict = Arc::new(verdict);
                self.tell(EngineEvent::Verdict { version, slo: name.clone(), verdict }).await;
            }
            Err(error) => self.failed(&what, &error).await,
        }
    }

    async fn publish(&self, learned: Option<&Arc<Learned>>) {
        let picture = match self.engine.picture(self.moment()).await {
            Ok(picture) => Arc::new(picture),
            Err(error) => return self.failed("reading stored windows", &error).await,
        };
        let graph = self.engine.graph(&picture).await;
        let (unusual, learned, of) = (self.engine.unusual(), learned.cloned(), picture.clone());
        let (services, mut warnings) = match blocking(move || judge(&of, learned.as_deref(), unusual)).await {
            Ok(judged) => judged,
            Err(error) => return self.failed("judging the services", &error).await,
        };
        warnings.extend(picture.warnings.iter().cloned());
        let snapshot = Snapshot {
            version: self.version.fetch_add(1, Ordering::Relaxed) + 1,
            at: picture.at,
            frozen: self.at.is_some(),
            context: self.engine.context.clone(),
            slos: picture.statuses.clone(),
            entries: self.engine.slos.iter().map(|s| s.service.clone()).collect(),
            graph,
            services,
            warnings,
        };
        self.tell(EngineEvent::Snapshot(Arc::new(snapshot))).await;
    }
}

/// Sends progress to the screens; drops it when they are busy: the next report tells as much.
struct Relay(Sender<EngineEvent>);

impl Progress for Relay {
    fn report(&self, stage: Stage, done: u64, total: u64, note: &str) {
        let note = Clean::new(note);
        let _ = match stage {
            Stage::Train => self.0.try_send(EngineEvent::Model(ModelState::Training { done, total, note })),
            _ => self.0.try_send(EngineEvent::Progress { stage, done, total, note }),
        };
    }

    fn cancelled(&self) -> bool {
        self.0.is_closed()
    }
}

/// The services as the screens show them, and what went wrong on the way.
fn judge(
    picture: &Picture,
    learned: Option<&Learned>,
    unusual: f64,
) -> (BTreeMap<ServiceName, ServiceView>, Vec<Clean>) {
    let mut services = views(picture);
    let judged = learned.map(|learned| suspicion(learned, &picture.frame, unusual, &mut services));
    let warnings = match judged {
        Some(Err(error)) => vec![Clean::new(&format!("suspects: {error}"))],
        _ => Vec::new(),
    };
    (services, warnings)
}

/// What the windows say about each service, without a model.
fn views(picture: &Picture) -> BTreeMap<ServiceName, ServiceView> {
    let frame = &picture.frame;
    let mut views: BTreeMap<ServiceName, ServiceView> = BTreeMap::new();
    for service in picture.graph.services() {
        let (now, normal) = latency(frame, service);
        let view = ServiceView {
            latency_ms: now,
            normal_ms: normal,
            own_ms: now.map(|ms| (ms - slowest_callee(frame, service)).max(0.0)),
            rate: rate(frame, service),
            nodes: frame.placement.get(service).cloned().unwrap_or_default(),
            ..ServiceView::default()
        };
        views.insert(service.clone(), view);
    }
    views
}

/// Lowest known quantile of the server latency now and normally: pooled, else the busiest edge's.
fn latency(frame: &Frame, service: &ServiceName) -> (Option<f64>, Option<f64>) {
    let served = |rpc: &Rpc| rpc.callee.service() == Some(service);
    let pooled = |rpc: &Rpc| served(rpc) && rpc.caller == Party::Any;
    let find = |wanted: &dyn Fn(&Rpc) -> bool| {
        frame.columns.iter().find_map(|(c, v)| match c {
            Column::Latency { rpc, side: Side::Server, stat: Stat::Quantile(_) } if wanted(rpc) => Some(v),
            _ => None,
        })
    };
    let column = find(&served_by_edge(service)).or_else(|| find(&pooled)).or_else(|| find(&served));
    column.map_or((None, None), |v| (last(v), middle(v)))
}

fn served_by_edge(service: &ServiceName) -> impl Fn(&Rpc) -> bool + '_ {
    move |rpc| rpc.callee.service() == Some(service) && rpc.caller.service().is_some()
}

fn slowest_callee(frame: &Frame, service: &ServiceName) -> f64 {
    let calls = frame.columns.iter().filter_map(|(c, v)| match c {
        Column::Latency { rpc, side: Side::Client, stat: Stat::Quantile(_) }
            if rpc.caller.service() == Some(service) && rpc.callee.service().is_some() =>
        {
            last(v)
        }
        _ => None,
    });
    calls.fold(0.0, f64::max)
}

fn rate(frame: &Frame, service: &ServiceName) -> Option<f64> {
    let per_window = frame.columns.iter().find_map(|(c, v)| match c {
        Column::Latency { rpc, stat: Stat::Count, .. } if rpc.callee.service() == Some(service) => last(v),
        _ => None,
    });
    let measured = frame.columns.iter().find_map(|(c, v)| match c {
        Column::Metric { entity: Entity::Service(s), feature, pool: Pool::Mean }
            if s == service && feature.as_str().contains("rate") =>
        {
            last(v)
        }
        _ => None,
    });
    measured.or_else(|| per_window.map(|n| n / frame.length.as_secs_f64().max(1.0)))
}

/// Newest known value of the last few windows.
fn last(values: &[f32]) -> Option<f64> {
    values.iter().rev().take(5).find(|v| v.is_finite()).map(|v| f64::from(*v))
}

fn middle(values: &[f32]) -> Option<f64> {
    let mut known: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
    median(&mut known).map(f64::from)
}

/// Marks how unusual each service's own contribution is.
fn suspicion(
    learned: &Learned,
    frame: &Frame,
    unusual: f64,
    views: &mut BTreeMap<ServiceName, ServiceView>,
) -> candle_core::Result<()> {
    let found = evidence::collect(&learned.model, &learned.reference, &learned.kinds, frame, unusual)?;
    for channel in [&found.metrics, &found.latencies, &found.channels] {
        for (service, findings) in channel {
            let Some(view) = views.get_mut(service) else { continue };
            for finding in findings.iter().filter(|f| f.resource != Resource::Load) {
                if view.surprise.is_none_or(|s| finding.surprise > s) {
                    view.surprise = Some(finding.surprise);
                    view.resource = Some(finding.resource);
                }
            }
        }
    }
    Ok(())
}
