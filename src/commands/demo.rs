//! `sagetop demo`: the whole product on a simulated cluster in which something breaks.
//!
//! The screens and the engine work as always, over HTTP, on a configuration in a folder of its own that
//! goes away with the demo. This command only watches what the engine tells the screens, to know when
//! the story goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;

use super::session::Session;
use super::{Error, Exit, lab, screens};
use crate::cli::{DemoArgs, Edges, Global, LabArgs, ScreenArgs};
use crate::domain::Clean;
use crate::engine::{self, EngineEvent, ModelState};
use crate::lab::fault::Fault;
use crate::lab::folder::{self, Folder};
use crate::lab::incident;
use crate::lab::live::Orders;
use crate::lab::stage::StageError;
use crate::tui;
use crate::tui::guide::Scene;

/// From the trained model to the incident: time to look around.
const CALM: Duration = Duration::from_secs(30);
/// Events under way to the screens; the engine waits rather than piling up more.
const EVENTS: usize = 64;
/// Requests under way to the engine.
const REQUESTS: usize = 16;
/// Scenes under way to the screens; there are only a few in all.
const SCENES: usize = 8;

/// Runs it.
pub fn run(global: &Global, screen: &ScreenArgs, args: &DemoArgs) -> Result<Exit, Error> {
    tui::require_terminal()?;
    let mut plan = lab::plan(&lab_args(args))?;
    let incidents = incident::of(&plan.app, &plan.cluster);
    let number = args.incident.unwrap_or((args.seed as usize).wrapping_sub(1) % incidents.len().max(1));
    let incident = incidents.into_iter().nth(number).ok_or_else(|| {
        Error::Lab(format!(
            "there is no incident {number} of {}: see `sagetop lab --incidents`",
            plan.app.name
        ))
    })?;
    let remedy = incident.remedy(&plan.app, &plan.cluster, &plan.settings).map_err(StageError::Sim)?;
    folder::sweep();
    let listeners = plan.listen()?;
    let world = lab::history(&mut plan)?;
    // Not before: from here on, whatever ends the screens in an orderly way removes it.
    let folder = Folder::make()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stage = runtime.block_on(plan.live(world, listeners))?;
    let installed = stage.install(folder.path())?;
    let kubectl = installed.folder.join("kubectl");
    let remedy = remedy.map(|remedy| Clean::new(&format!("{} {}", kubectl.display(), remedy.command)));
    let config = folder.path().join("config.toml");
    std::fs::write(&config, stage.config(Some(&installed)))
        .map_err(|source| Error::Write { path: config.clone(), source })?;
    let session = Session::quiet(&global.with(&config, &folder.path().join("state")))?;
    let mut options = screens::options(&session.config.ui, None, screen)?;
    let (to_story, from_engine) = mpsc::channel(EVENTS);
    let (to_screens, events) = mpsc::channel(EVENTS);
    let (requests, from_screens) = mpsc::channel(REQUESTS);
    let (scenes, story) = mpsc::channel(SCENES);
    options.scenes = Some(story);
    let ended = session.runtime.block_on(async {
        tokio::spawn(engine::live(session.engine.clone(), None, from_screens, to_story));
        tokio::spawn(tell(from_engine, to_screens, scenes, stage.orders(), incident.faults, remedy));
        tui::run(events, requests, options).await
    });
    session.runtime.shutdown_background();
    runtime.shutdown_background();
    drop(stage);
    ended?;
    Ok(Exit::Ok)
}

/// Passes on what the engine tells, and lets the story go on with it.
async fn tell(
    mut from: Receiver<EngineEvent>,
    to: Sender<EngineEvent>,
    scenes: Sender<Scene>,
    orders: Orders,
    faults: Vec<Fault>,
    remedy: Option<Clean>,
) {
    let _ = scenes.send(Scene::Quiet).await;
    let mut act = Act::Learning;
    let struck = Arc::new(AtomicBool::new(false));
    while let Some(event) = from.recv().await {
        match (&act, &event) {
            (Act::Learning, EngineEvent::Model(ModelState::Ready(_))) => {
                act = Act::Incident;
                tokio::spawn(strike(
                    struck.clone(),
                    scenes.clone(),
                    orders.clone(),
                    faults.clone(),
                    remedy.clone(),
                ));
            }
            (Act::Incident, EngineEvent::Snapshot(snapshot))
                if struck.load(Ordering::Acquire) && violated(snapshot) =>
            {
                act = Act::Violated;
            }
            (Act::Violated, EngineEvent::Snapshot(snapshot)) if !violated(snapshot) => {
                act = Act::Over;
                let _ = scenes.send(Scene::Recovered).await;
            }
            _ => {}
        }
        if to.send(event).await.is_err() {
            return;
        }
    }
}

/// How far the story is, as the engine's events tell.
enum Act {
    Learning,
    Incident,
    Violated,
    Over,
}

async fn strike(
    struck: Arc<AtomicBool>,
    scenes: Sender<Scene>,
    orders: Orders,
    faults: Vec<Fault>,
    remedy: Option<Clean>,
) {
    sleep(CALM).await;
    let injected =
        tokio::task::spawn_blocking(move || faults.into_iter().try_for_each(|fault| orders.inject(fault)));
    match injected.await {
        Ok(Ok(())) => {
            struck.store(true, Ordering::Release);
            let _ = scenes.send(Scene::Incident { remedy }).await;
        }
        Ok(Err(error)) => tracing::error!(error, "the incident did not strike"),
        Err(error) => tracing::error!(%error, "the incident did not strike"),
    }
}

fn violated(snapshot: &Arc<engine::Snapshot>) -> bool {
    snapshot.slos.iter().any(tui::guide::violated)
}

fn lab_args(args: &DemoArgs) -> LabArgs {
    LabArgs {
        app: args.app.clone(),
        seed: args.seed,
        nodes: 4,
        history: args.history,
        speed: 1.0,
        load: 1.0,
        faults: None,
        scrape: Duration::from_secs(15),
        sampling: Some(0.05),
        edges: Edges::All,
        prometheus_port: 0,
        jaeger_port: 0,
        control_port: 0,
        write_config: None::<PathBuf>,
        export_otlp: None,
        export_zipkin: None,
        stand_ins: None,
        incidents: false,
        schema: false,
    }
}
