//! What the engine does for the screens: shows, refreshes, learns, answers; and tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::Done;
use super::questions::facts;
use crate::causal::CallGraph;
use crate::domain::{BackendState, Clean, Stage, Timestamp};
use crate::engine::core::{Engine, Picture, blocking, now};
use crate::engine::relay::Relay;
use crate::engine::remedies::{Counter, Outlook};
use crate::engine::snapshot::{EngineEvent, ModelState, Snapshot};
use crate::engine::{EngineError, Learned};
use crate::remedy::{Ask, Heard, Told};
use crate::windows::FetchReport;

/// After a failed training, it is not tried again for this many times as long as it took.
const REST: u32 = 20;

/// One context's engine, and what the screens were told of it.
pub(super) struct Live {
    pub(super) engine: Arc<Engine>,
    at: Option<Timestamp>,
    events: Sender<EngineEvent>,
    counter: Arc<Counter>,
    /// Whether another moment is looked at by now.
    retired: AtomicBool,
    pub(super) known: Mutex<Known>,
}

/// What was told last.
#[derive(Default)]
pub(super) struct Known {
    /// Version of the data; results say which they rest on.
    pub(super) version: u64,
    /// Newest window and number of windows of that version.
    data: Option<(Timestamp, usize)>,
    /// The moment shown.
    pub(super) at: Option<Timestamp>,
    pub(super) learned: Option<Arc<Learned>>,
    /// The windows of one version, while questions about them are asked.
    pub(super) held: Option<(u64, Arc<Picture>)>,
    /// When the application's shape changed after the regular cut-off.
    changed: Option<Timestamp>,
    /// What of it the model does not know, in words, as it was told last.
    unlearned: String,
    /// When learning may be tried again after it failed.
    rest: Option<Instant>,
    /// What the last fetch had to remark.
    warnings: Vec<Clean>,
    /// The last failure of a refresh: the same one is not told again and again.
    failure: Option<Clean>,
}

impl Live {
    pub(super) fn new(
        engine: Arc<Engine>,
        at: Option<Timestamp>,
        events: Sender<EngineEvent>,
        counter: Arc<Counter>,
    ) -> Self {
        Self { engine, at, events, counter, retired: AtomicBool::new(false), known: Mutex::default() }
    }

    /// Nothing more is told of this moment; on the way into the past, nothing can be approved any more.
    pub(super) async fn retire(&self, to_past: bool) {
        self.retired.store(true, Ordering::Relaxed);
        if to_past && self.at.is_none() {
            let _ = self.counter.hand(Heard::Ask(Ask::Disarm));
        }
    }

    /// The same engine at another moment, with what is worth keeping.
    pub(super) async fn moved_to(&self, at: Option<Timestamp>, counter: Arc<Counter>) -> Self {
        let moved = Self::new(Arc::clone(&self.engine), at, self.events.clone(), counter);
        let known = self.known.lock().await;
        // Versions count on: what was told of the moment before is older.
        let kept = Known { version: known.version + 1, learned: known.learned.clone(), ..Known::default() };
        *moved.known.lock().await = kept;
        moved
    }

    /// Whether anything can be changed.
    pub(super) fn standing(&self) -> Told {
        self.counter.standing(&self.engine.context)
    }

    /// Waits until the screens went away.
    pub(super) async fn closed(&self) {
        self.events.closed().await;
    }

    pub(super) fn moment(&self) -> Timestamp {
        self.at.unwrap_or_else(now)
    }

    /// How old a window is at most whose data still changes.
    fn settles(&self) -> Duration {
        self.engine.windows.settle + 2 * self.engine.windows.length
    }

    /// Whether nothing about the moment can change any more.
    fn is_past(&self) -> bool {
        let now = now();
        self.at.is_some_and(|at| at < now && now.duration_since(at).unsigned_abs() > self.settles())
    }

    pub(super) async fn tell(&self, event: EngineEvent) {
        if self.retired.load(Ordering::Relaxed) {
            return;
        }
        // The screens went away: the loop ends by itself.
        let _ = self.events.send(event).await;
    }

    /// Hands something to the remedies' desk.
    pub(super) async fn hand(&self, heard: Heard) {
        if let Some(told) = self.counter.hand(heard) {
            self.tell(EngineEvent::Remedy(told)).await;
        }
    }

    pub(super) async fn failed(&self, slo: Option<&Clean>, what: &str, error: &EngineError) {
        tracing::warn!("{what}: {error}");
        let why = Clean::new(&error.to_string());
        self.tell(EngineEvent::Failed { slo: slo.cloned(), what: Clean::new(what), why }).await;
    }

    /// A failure of the refresh that runs again and again.
    async fn failed_again(&self, what: &str, error: &EngineError) {
        let why = Clean::new(&error.to_string());
        let told = self.known.lock().await.failure.replace(why.clone());
        if told != Some(why) {
            self.failed(None, what, error).await;
        }
    }

    /// The last state there is, with its own time: the screens tell how old it is.
    pub(super) async fn show_stored(&self) {
        for backend in self.engine.backends() {
            self.tell(EngineEvent::Health(backend)).await;
        }
        let now = self.moment();
        let mut picture = self.engine.picture(now).await;
        let newest = picture.as_ref().ok().and_then(|p| p.frame.ends.last().copied());
        let is_old = |newest: &Timestamp| now.duration_since(*newest).unsigned_abs() > self.settles();
        if let Some(newest) = newest.filter(is_old).filter(|_| self.at.is_none()) {
            picture = self.engine.picture(newest).await;
        }
        match picture {
            Ok(picture) => {
                let graph = Arc::clone(&picture.graph);
                self.publish(picture, graph).await;
            }
            Err(error) => self.failed(None, "reading stored windows", &error).await,
        }
    }

    /// Asks the backends for what is new, and how they are.
    pub(super) async fn refresh(&self) -> Done {
        let health = async {
            let mut all_up = true;
            for backend in self.engine.health().await {
                all_up &= backend.state != BackendState::Down;
                self.tell(EngineEvent::Health(backend)).await;
            }
            all_up
        };
        let (all_up, (fetched, _)) = tokio::join!(health, self.fetch(self.moment()));
        let complete = fetched.as_ref().is_ok_and(|report| report.failed == 0) && all_up && self.is_past();
        match &fetched {
            Ok(_) => self.known.lock().await.failure = None,
            Err(error) => self.failed_again("fetching history", error).await,
        }
        Done::Refresh { complete, fetched: fetched.is_ok() }
    }

    /// Fetches what is missing for `at`, and shows what is known then.
    async fn fetch(&self, at: Timestamp) -> (Result<FetchReport, EngineError>, Duration) {
        let clock = Instant::now();
        let progress = Relay(self.events.clone());
        let fetched = self.engine.fetch(at, now(), &progress).await;
        // The last report may have been dropped: the bar must not stay.
        self.tell(EngineEvent::Progress { stage: Stage::Fetch, done: 1, total: 1, note: Clean::new("") })
            .await;
        if let Ok(report) = &fetched {
            self.known.lock().await.warnings.clone_from(&report.warnings);
            // Without an answer the old picture stays, and its age tells how old it is.
            self.show(at).await;
        }
        (fetched, clock.elapsed())
    }

    /// Shows what is known about `at`, with the calls that Jaeger counted if the windows show none.
    async fn show(&self, at: Timestamp) {
        match self.engine.picture(at).await {
            Ok(picture) => {
                let graph = self.engine.graph(&picture).await;
                self.publish(picture, graph).await;
            }
            Err(error) => self.failed_again("reading stored windows", &error).await,
        }
    }

    /// Gets the model for the moment, tells how it stands, and marks who stands out by it.
    /// `fresh` trains in any case.
    pub(super) async fn learn(&self, fresh: bool) {
        let at = self.moment();
        {
            let known = self.known.lock().await;
            let rests = known.rest.is_some_and(|until| Instant::now() < until);
            let current =
                known.learned.as_ref().is_some_and(|l| self.engine.is_current(l, at, known.changed));
            if !fresh && (rests || current) {
                return;
            }
        }
        let clock = Instant::now();
        let progress = Arc::new(Relay(self.events.clone()));
        let learned = self.engine.learn(at, fresh, progress).await;
        let shown = {
            let mut known = self.known.lock().await;
            known.rest = learned.is_err().then(|| Instant::now() + REST * clock.elapsed());
            let state = match (learned, &known.learned) {
                (Ok(learned), _) => {
                    let summary = learned.summary.clone();
                    known.learned = Some(learned);
                    ModelState::Ready(summary)
                }
                // An older model is better than none.
                (Err(error), Some(old)) => {
                    ModelState::Stale(old.summary.clone(), Clean::new(&error.to_string()))
                }
                (Err(error), None) => ModelState::Absent(Clean::new(&error.to_string())),
            };
            // Answers of the model before are old now.
            known.version += u64::from(fresh);
            self.tell(EngineEvent::Model(state)).await;
            known.at
        };
        if let Some(at) = shown {
            self.show(at).await;
        }
    }

    /// Answers why an SLO stands as it does, on the newest data there is.
    pub(super) async fn diagnose(&self, name: &Clean) {
        let at = self.moment();
        let fetched = self.fetch(at).await;
        self.learn(false).await;
        let version = self.known.lock().await.version;
        let progress = Arc::new(Relay(self.events.clone()));
        let answer = async {
            let slo = self.engine.slo(Some(name.as_str()))?.clone();
            self.engine.explain(&slo, at, fetched, progress).await
        };
        match answer.await {
            Ok(verdict) => {
                let verdict = Arc::new(verdict);
                self.hand(Heard::Verdict(name.clone(), verdict.clone())).await;
                let learned = self.known.lock().await.learned.clone();
                if let Some(outlook) = Outlook::of(&self.engine, name, at, learned).await {
                    self.hand(Heard::Forecast(name.clone(), Arc::new(outlook))).await;
                }
                self.tell(EngineEvent::Verdict { version, slo: name.clone(), verdict }).await;
            }
            Err(error) => {
                let what = format!("searching for the cause of {name}");
                self.failed(Some(name), &what, &error).await;
            }
        }
    }

    /// Tells the screens of a picture.
    async fn publish(&self, picture: Picture, graph: Arc<CallGraph>) {
        let (version, learned, warnings, outdated) = {
            let mut known = self.known.lock().await;
            let data = picture.frame.ends.last().map(|newest| (*newest, picture.frame.len()));
            if known.version == 0 || known.data != data {
                (known.version, known.data) = (known.version + 1, data);
            }
            known.at = Some(picture.at);
            known.changed = self.engine.changed_at(&picture.frame, picture.at);
            let unlearned = known.learned.as_ref().map(|learned| learned.changes(&picture.frame).to_string());
            let told = std::mem::replace(&mut known.unlearned, unlearned.unwrap_or_default());
            let outdated = (told != known.unlearned).then(|| known.unlearned.clone());
            (known.version, known.learned.clone(), known.warnings.clone(), outdated)
        };
        if let (Some(learned), Some(why)) = (&learned, outdated) {
            let summary = learned.summary.clone();
            let state = match why.as_str() {
                "" => ModelState::Ready(summary),
                why => ModelState::Stale(summary, Clean::new(&format!("{why} since it was trained"))),
            };
            self.tell(EngineEvent::Model(state)).await;
        }
        if let Some(learned) = &learned {
            let facts = facts(learned, &picture.frame);
            self.tell(EngineEvent::Facts(Arc::new(facts))).await;
        }
        self.hand(Heard::Readings(self.engine.readings(&picture))).await;
        let (engine, frozen) = (Arc::clone(&self.engine), self.at.is_some());
        let made = blocking(move || {
            let mut snapshot = Snapshot::of(&engine, picture, graph, learned.as_deref());
            (snapshot.version, snapshot.frozen) = (version, frozen);
            snapshot.warnings.extend(warnings);
            snapshot
        });
        match made.await {
            Ok(snapshot) => self.tell(EngineEvent::Snapshot(Arc::new(snapshot))).await,
            Err(error) => self.failed(None, "reading the windows", &error).await,
        }
    }
}
