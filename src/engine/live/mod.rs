//! The engine's side of the screens: refreshes, trains and answers in the background, and tells.
//!
//! A live engine looks for new windows twice a window. One that is frozen at a past moment looks
//! until it has everything about that moment, and then rests until it is asked.

mod questions;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::core::Engine;
use super::remedies::Counter;
use super::snapshot::{EngineEvent, Question, Request};
use crate::domain::{Clean, ServiceName, Timestamp};
use crate::remedy::Heard;
use work::Live;

/// Shortest pause between two refreshes.
const MIN_REFRESH: Duration = Duration::from_secs(5);

/// Runs until the screens go away. `at` freezes the moment.
pub async fn live(
    engine: Arc<Engine>,
    at: Option<Timestamp>,
    mut requests: Receiver<Request>,
    events: Sender<EngineEvent>,
) {
    let pause = (engine.windows.length / 2).max(MIN_REFRESH);
    let mut present = None;
    let desk = counter(&engine, at, &events, &mut present);
    let mut live = Arc::new(Live::new(Arc::clone(&engine), at, events.clone(), desk));
    let mut tasks = Tasks::begin(&live).await;
    let (mut next, mut retrain) = (None, false);
    loop {
        tokio::select! {
            biased;
            request = requests.recv() => match request {
                None => break,
                Some(Request::Refresh) => next = Some(Instant::now()),
                Some(Request::Diagnose(slo)) => tasks.diagnose(slo),
                Some(Request::Retrain) => retrain = true,
                Some(Request::Detail(service, slo)) => tasks.detail(service, slo),
                Some(Request::Trace(service)) => tasks.trace(service),
                Some(Request::WhatIf(question)) => tasks.what_if(question),
                Some(Request::History) => tasks.history(),
                Some(Request::Probe) => tasks.probe(),
                Some(Request::At(at)) => {
                    // Whatever is under way for the moment before is told to nobody any more.
                    live.retire(at.is_some()).await;
                    let desk = counter(&engine, at, &events, &mut present);
                    live = Arc::new(live.moved_to(at, desk).await);
                    tasks = Tasks::begin(&live).await;
                    next = None;
                }
                Some(Request::Remedy(ask)) => live.hand(Heard::Ask(ask)).await,
            },
            () = live.closed() => break,
            Some(done) = tasks.set.join_next(), if !tasks.set.is_empty() => match done {
                Ok(Done::Refresh { complete, fetched }) => {
                    tasks.refreshing = false;
                    // A past moment does not change: once all of it is known, nothing more is asked.
                    if !complete {
                        next = next.or_else(|| Some(Instant::now() + pause));
                    }
                    live.tell_next(next).await;
                    // What is learned from half of the history would be kept as if it were all.
                    if fetched && !tasks.learning {
                        tasks.learn(false);
                    }
                }
                Ok(Done::Learn) => tasks.learning = false,
                Ok(Done::Answer(slo)) => {
                    tasks.diagnosing.remove(&slo);
                }
                Ok(Done::Predicted) => tasks.predicted(),
                Ok(Done::Other) => {}
                // The panic hook has told of it and ends the screens.
                Err(_) => (tasks.refreshing, tasks.learning) = (false, false),
            },
            // A refresh that takes longer than the pause is not run twice.
            () = wait(next), if next.is_some() && !tasks.refreshing => {
                next = None;
                tasks.refresh();
            }
        }
        if retrain && !tasks.learning {
            retrain = false;
            tasks.learn(true);
        }
    }
    tasks.set.abort_all();
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// The desk for the moment looked at: it belongs to the present, and is opened when that is first seen.
fn counter(
    engine: &Engine,
    at: Option<Timestamp>,
    events: &Sender<EngineEvent>,
    present: &mut Option<Arc<Counter>>,
) -> Arc<Counter> {
    match at {
        Some(_) => Arc::new(Counter::open(engine, true, events)),
        None => present.get_or_insert_with(|| Arc::new(Counter::open(engine, false, events))).clone(),
    }
}

/// The work under way.
struct Tasks {
    live: Arc<Live>,
    set: JoinSet<Done>,
    refreshing: bool,
    learning: bool,
    diagnosing: BTreeSet<Clean>,
    /// The newest question about changes that is not asked of the model yet.
    question: Option<Question>,
    predicting: bool,
}

/// Which task ended.
enum Done {
    Refresh { complete: bool, fetched: bool },
    Learn,
    Answer(Clean),
    Predicted,
    Other,
}

impl Tasks {
    /// Shows what is stored, and begins to ask for what is new.
    async fn begin(live: &Arc<Live>) -> Self {
        live.tell(EngineEvent::Remedy(live.standing())).await;
        // What is stored comes first: the screen must not wait for any network.
        live.show_stored().await;
        let mut tasks = Self {
            live: Arc::clone(live),
            set: JoinSet::new(),
            refreshing: false,
            learning: false,
            diagnosing: BTreeSet::new(),
            question: None,
            predicting: false,
        };
        tasks.refresh();
        tasks
    }

    fn probe(&mut self) {
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.probe().await;
            Done::Other
        });
    }

    fn history(&mut self) {
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.history().await;
            Done::Other
        });
    }

    fn refresh(&mut self) {
        self.refreshing = true;
        let live = Arc::clone(&self.live);
        self.set.spawn(async move { live.refresh().await });
    }

    fn learn(&mut self, fresh: bool) {
        self.learning = true;
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.learn(fresh).await;
            Done::Learn
        });
    }

    fn detail(&mut self, service: ServiceName, slo: Option<Clean>) {
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.detail(service, slo).await;
            Done::Other
        });
    }

    fn trace(&mut self, service: ServiceName) {
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.trace(service).await;
            Done::Other
        });
    }

    /// The model answers one question after the other, and of those that wait only the newest.
    fn what_if(&mut self, question: Question) {
        self.question = Some(question);
        if !self.predicting {
            self.predicted();
        }
    }

    fn predicted(&mut self) {
        self.predicting = self.question.is_some();
        let Some(question) = self.question.take() else { return };
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.predict(question).await;
            Done::Predicted
        });
    }

    fn diagnose(&mut self, slo: Clean) {
        // One question a time about the same: the answer would be the same.
        if !self.diagnosing.insert(slo.clone()) {
            return;
        }
        let live = Arc::clone(&self.live);
        self.set.spawn(async move {
            live.diagnose(&slo).await;
            Done::Answer(slo)
        });
    }
}
