//! `sagetop watch`: the screens' work without the screens. A line for each change: of an objective, a
//! backend, the model; and the verdict when an objective is violated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{Instant, sleep_until};

use super::diagnose::{exit, headline};
use super::session::Session;
use super::{Error, Exit, Output};
use crate::cli::{Global, WatchArgs};
use crate::domain::{
    BackendHealth, BackendKind, BackendState, Clean, ModelSummary, SloState, SloStatus, Timestamp, Verdict,
    VerdictKind,
};
use crate::engine::{self, EngineEvent, ModelState, Request, Snapshot};

/// Events under way; the engine waits rather than piling up more.
const EVENTS: usize = 64;
/// Questions about one violation: while the answer is unsure, it is asked again with newer data.
const QUESTIONS: u32 = 5;

/// One line of JSON; field names are a contract.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    at: Timestamp,
    #[serde(flatten)]
    event: Event<'a>,
}

/// What changed.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// The state of an objective.
    Slo { slo: &'a SloStatus },
    /// The answer to a violation.
    Verdict { verdict: &'a Verdict },
    /// The state of a backend.
    Backend { backend: &'a BackendHealth },
    /// A model is there, or another one.
    Model { model: &'a ModelSummary },
    /// Something failed.
    Failed { what: &'a Clean, why: &'a Clean },
}

/// Runs until a signal, `--for`, or the end that `--until-violated` waits for. The exit code is that of the
/// worst objective then.
pub fn run(global: &Global, args: &WatchArgs, out: &mut Output) -> Result<Exit, Error> {
    let session = Session::open(global)?;
    if session.fixed.is_some() {
        return Err(Error::WatchPast);
    }
    let ended = session.runtime.block_on(watch(&session, args, out));
    session.runtime.shutdown_background();
    ended
}

async fn watch(session: &Session, args: &WatchArgs, out: &mut Output) -> Result<Exit, Error> {
    let (to_us, mut events) = mpsc::channel(EVENTS);
    let (requests, from_us) = mpsc::channel(EVENTS);
    tokio::spawn(engine::live(session.engine.clone(), None, from_us, to_us));
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let end = args.length.map(|length| Instant::now() + length);
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None => break,
                Some(event) => {
                    watch.take(event, &requests, out).await?;
                    out.flush()?;
                    if args.until_violated && watch.answered {
                        break;
                    }
                }
            },
            () = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            } => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    Ok(exit(watch.states.values().copied().max().unwrap_or(SloState::Unknown)))
}

/// What was told last.
#[derive(Default)]
struct Watch {
    states: BTreeMap<Clean, SloState>,
    backends: BTreeMap<(BackendKind, Clean), BackendState>,
    model: Option<ModelSummary>,
    /// Violated objectives: questions asked about them, and the data the last one was about.
    questions: BTreeMap<Clean, (u32, u64)>,
    /// Those whose answer is not there yet, and those that need no other.
    awaited: BTreeSet<Clean>,
    settled: BTreeSet<Clean>,
    /// Whether a violation was answered for.
    answered: bool,
}

impl Watch {
    async fn take(
        &mut self,
        event: EngineEvent,
        requests: &Sender<Request>,
        out: &mut Output,
    ) -> Result<(), Error> {
        match event {
            EngineEvent::Snapshot(snapshot) => self.snapshot(&snapshot, requests, out).await?,
            EngineEvent::Verdict { slo, verdict, .. } => {
                self.awaited.remove(&slo);
                let open = matches!(verdict.kind, VerdictKind::Unsure | VerdictKind::Unresolved);
                let asked = self.questions.get(&slo).map_or(QUESTIONS, |(asked, _)| *asked);
                if !open || asked >= QUESTIONS {
                    self.settled.insert(slo);
                    self.answered = true;
                }
                tell(out, Event::Verdict { verdict: &verdict }, || headline(&verdict))?;
            }
            EngineEvent::Health(backend) => {
                let key = (backend.kind, backend.url.clone());
                let known = self.backends.insert(key, backend.state);
                if known != Some(backend.state) && backend.state != BackendState::Connecting {
                    tell(out, Event::Backend { backend: &backend }, || {
                        let detail = backend.detail.as_ref().map_or(String::new(), |why| format!(": {why}"));
                        format!("{} {}{detail}", backend.url, word(backend.state))
                    })?;
                }
            }
            EngineEvent::Model(ModelState::Ready(model)) if self.model.as_ref() != Some(&model) => {
                tell(out, Event::Model { model: &model }, || {
                    format!("model {} of {} windows", model.fingerprint, model.windows)
                })?;
                self.model = Some(model);
            }
            EngineEvent::Failed { slo, what, why } => {
                if let Some(slo) = slo {
                    self.awaited.remove(&slo);
                }
                tell(out, Event::Failed { what: &what, why: &why }, || format!("{what} failed: {why}"))?;
            }
            // Answers to questions that are not asked here.
            EngineEvent::Detail { .. }
            | EngineEvent::Replicas(..)
            | EngineEvent::Trace { .. }
            | EngineEvent::WhatIf(_)
            | EngineEvent::History(_)
            | EngineEvent::Probes(..) => {}
            EngineEvent::Epoch { .. } | EngineEvent::Facts(_) | EngineEvent::Next(_) => {}
            EngineEvent::Model(_) | EngineEvent::Progress { .. } | EngineEvent::Remedy(_) => {}
        }
        Ok(())
    }

    async fn snapshot(
        &mut self,
        snapshot: &Arc<Snapshot>,
        requests: &Sender<Request>,
        out: &mut Output,
    ) -> Result<(), Error> {
        for slo in &snapshot.slos {
            let known = self.states.insert(slo.name.clone(), slo.state);
            if known != Some(slo.state) {
                tell(out, Event::Slo { slo }, || describe(slo))?;
            }
            if !matches!(slo.state, SloState::Burning | SloState::Breached) {
                self.questions.remove(&slo.name);
                self.settled.remove(&slo.name);
                continue;
            }
            let (asked, version) = self.questions.entry(slo.name.clone()).or_default();
            let done = self.settled.contains(&slo.name) || self.awaited.contains(&slo.name);
            if !done && *asked < QUESTIONS && *version != snapshot.version {
                (*asked, *version) = (*asked + 1, snapshot.version);
                self.awaited.insert(slo.name.clone());
                // The engine went away: its events end, and so does the watch.
                let _ = requests.send(Request::Diagnose(slo.name.clone())).await;
            }
        }
        Ok(())
    }
}

fn tell(out: &mut Output, event: Event<'_>, words: impl FnOnce() -> String) -> Result<(), Error> {
    let at = engine::now();
    if out.json() {
        out.value(&Line { schema: "sagetop.watch/1", at, event })?;
    } else {
        writeln!(out, "{at} {}", words())?;
    }
    Ok(())
}

fn describe(slo: &SloStatus) -> String {
    let observed = slo.observed_ms.map_or_else(|| "no data".to_owned(), |ms| format!("{ms:.0} ms"));
    format!("{} {}: {observed}, at most {:.0} ms", slo.state, slo.name, slo.objective_ms)
}

fn word(state: BackendState) -> &'static str {
    match state {
        BackendState::Connecting => "is being asked",
        BackendState::Up => "answers",
        BackendState::Degraded => "answers with errors",
        BackendState::Down => "does not answer",
    }
}
