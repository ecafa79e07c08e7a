//! Lets a train of faults pass over a living cluster, with somebody acting on it.
//!
//! Every minute the cluster lives on for a minute, the product's engine fetches what was measured over
//! HTTP, and if the objective was violated in that minute somebody is asked who is to blame. Whom they
//! name gets the remedy of [`super::hands`], at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hands::{Act, Hands};
use super::scaler::Autoscaler;
use super::train::MINUTES;
use crate::domain::{Column, Entity, NoProgress, Pool};
use crate::engine::{self, Engine, Picture};
use crate::eval::model::EvalError;
use crate::eval::model::ground::{Ground, copy, epoch_ns, moment};
use crate::eval::model::others::Others;
use crate::eval::model::score::{Named, named};
use crate::eval::paper::PaperError;
use crate::lab::fault::{Fault, FaultKind};
use crate::lab::measure::Measurement;

use crate::lab::sim::{SECOND, Settings, resource_of};
use crate::lab::stage::Archive;
use crate::lab::world::World;
use crate::windows::FetchReport;

/// From the end of the history to the beginning of the train, in seconds.
const LATER_S: i64 = 3_600;
/// A minute is asked about so long after its end, in seconds: as soon as all of it was scraped.
const AFTER_S: u64 = 20;

/// Who acts.
#[derive(Clone, Debug, PartialEq)]
pub enum Driver {
    /// Nobody.
    Nobody,
    /// The product.
    Product,
    /// Somebody who knows what is broken.
    Omniscient,
    /// An autoscaler that aims at this share of the CPU limit.
    Autoscaler(f64),
    /// Another method, by its name.
    Other(String),
}

impl Driver {
    /// Its name in tables and keys.
    pub fn name(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::Product => "sagetop".to_owned(),
            Self::Omniscient => "omniscient".to_owned(),
            Self::Autoscaler(target) => format!("autoscaler {:.0} %", 100.0 * target),
            Self::Other(name) => name.clone(),
        }
    }
}

/// A minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// The objective's quantile in milliseconds; `None` if it is not known.
    pub tail_ms: Option<f64>,
    /// What was done at its end.
    pub acts: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drive {
    /// Largest tail that meets the objective, in milliseconds.
    pub limit_ms: f64,
    /// The quantile.
    pub quantile: f64,
    /// Each minute from the first on.
    pub minutes: Vec<Minute>,
    /// What broke.
    pub faults: Vec<Fault>,
    /// Replicas at the end beyond those at the beginning.
    pub added: u32,
}

impl Drive {
    /// Minutes in which the objective was violated.
    pub fn violated(&self) -> usize {
        self.minutes.iter().filter(|minute| minute.tail_ms.is_some_and(|ms| ms > self.limit_ms)).count()
    }

    /// Things that were done.
    pub fn acts(&self) -> usize {
        self.minutes.iter().map(|minute| minute.acts.len()).sum()
    }
}

/// Everything that is the same for all drivers.
pub struct Scene<'a> {
    /// The application with its history, set to look at short times.
    pub ground: &'a Ground,
    /// The cluster's day.
    pub settings: Settings,
    /// What breaks.
    pub faults: Vec<Fault>,
    /// Where the model is kept that all use.
    pub models: &'a Path,
}

/// Drives.
///
/// # Errors
/// The lab or the engine failed.
pub fn drive(scene: &Scene<'_>, driver: &Driver, others: &Others) -> Result<Drive, PaperError> {
    let Ground { app, cluster, runtime, .. } = scene.ground;
    let started = scene.ground.end_s + LATER_S;
    let epoch_ns = epoch_ns(started, 0);
    let measurement = Measurement { epoch_ns, ..scene.ground.measurement.clone() };
    let (settings, faults) = (scene.settings.clone(), scene.faults.clone());
    let keep = Duration::from_secs(86_400);
    let world = World::new(app.clone(), cluster.clone(), settings, faults.clone(), measurement, keep);
    let mut world = world.map_err(EvalError::from)?;
    let cache = tempfile::tempdir_in(&scene.ground.folder).map_err(PaperError::file(&scene.ground.folder))?;
    copy(&scene.ground.folder.join("cache/windows"), &cache.path().join("windows"))?;
    let models = cache.path().join("models");
    std::os::unix::fs::symlink(scene.models, &models).map_err(PaperError::file(&models))?;
    // Stored windows belong to these addresses; whoever serves them has them alone.
    let ports = scene.ground.ports.lock().unwrap_or_else(PoisonError::into_inner);
    let archive = runtime.block_on(Archive::open(&world.stores(), *ports)).map_err(EvalError::from)?;
    let engine = scene.ground.engine(cache.path())?;
    let mut hands = Hands::new(app, cluster);
    let mut scaler = match driver {
        Driver::Autoscaler(target) => Some(Autoscaler::new(*target)),
        _ => None,
    };
    let mut minutes = Vec::new();
    for minute in 1..=MINUTES {
        world.advance((60 * minute + AFTER_S) * SECOND);
        let at = moment(started + 60 * minute.cast_signed());
        let fetch = async {
            engine.fetch(at, engine::now(), &NoProgress).await?;
            engine.picture(at).await
        };
        let failed = |source| scene.ground.failed(&format!("minute {minute} of a train"), source);
        let picture = runtime.block_on(fetch).map_err(failed)?;
        let tail_ms = picture.statuses.first().and_then(|status| status.recent_ms.last().copied().flatten());
        let violated = tail_ms.is_some_and(|ms| ms > app.objective.limit_ms);
        let usage = usage(&picture);
        let acts = match &mut scaler {
            Some(scaler) => scaler.act(app, &usage, &mut hands),
            None if violated => {
                let blamed = match driver {
                    Driver::Product => product(scene.ground, &engine, minute, started)?,
                    Driver::Omniscient => truth(&faults, 60.0 * minute as f64),
                    Driver::Other(name) => blamed(others, &picture, name)?,
                    Driver::Nobody | Driver::Autoscaler(_) => Vec::new(),
                };
                hands.remedy(&blamed, &usage, minute)
            }
            None => Vec::new(),
        };
        let acts = acts.into_iter().filter_map(|act| carry_out(&mut world, act)).collect();
        minutes.push(Minute { tail_ms, acts });
    }
    drop(engine);
    runtime.block_on(archive.close());
    Ok(Drive {
        limit_ms: app.objective.limit_ms,
        quantile: app.objective.quantile,
        minutes,
        faults,
        added: hands.added(),
    })
}

/// Does it; what the cluster refuses was not done.
fn carry_out(world: &mut World, act: Act) -> Option<String> {
    let done = act.changes.into_iter().filter(|change| world.change(change.clone()).is_ok()).count();
    (done > 0).then_some(act.words)
}

/// Whom the product blames.
fn product(
    ground: &Ground,
    engine: &Arc<Engine>,
    minute: u64,
    started: i64,
) -> Result<Vec<Named>, EvalError> {
    let at = moment(started + 60 * minute.cast_signed());
    let ask = async {
        let slo = engine.slo(None)?.clone();
        let fetched = (Ok(FetchReport::default()), Duration::ZERO);
        engine.explain(&slo, at, fetched, Arc::new(NoProgress)).await
    };
    let verdict = ground.runtime.block_on(ask);
    verdict.map(|verdict| named(&verdict)).map_err(|source| ground.failed("a train", source))
}

/// Whom another method blames; of those that only rank, the first.
fn blamed(others: &Others, picture: &Picture, name: &str) -> Result<Vec<Named>, EvalError> {
    let reply = others.ask(picture)?.remove(name).unwrap_or_default();
    let first = reply.ranking.first().map(|(service, _)| Named {
        service: service.clone(),
        node: None,
        resource: None,
    });
    Ok(reply.blamed.unwrap_or_else(|| first.into_iter().collect()))
}

/// What is broken at `second`.
fn truth(faults: &[Fault], second: f64) -> Vec<Named> {
    let broken = faults.iter().filter(|fault| (fault.from_s..fault.until_s).contains(&second));
    let name = |fault: &Fault| Named {
        service: fault.kind.service().unwrap_or_default().to_owned(),
        node: match &fault.kind {
            FaultKind::NoisyNeighbour { node }
            | FaultKind::CacheInterference { node }
            | FaultKind::MemoryBandwidth { node } => Some(node.clone()),
            _ => None,
        },
        resource: Some(resource_of(&fault.kind)),
    };
    broken.map(name).collect()
}

/// Cores that a replica of each service used in the last minute.
fn usage(picture: &Picture) -> BTreeMap<String, f64> {
    let columns = picture.frame.columns.iter().filter_map(|(column, values)| match column {
        Column::Metric { entity: Entity::Service(service), feature, pool: Pool::Mean }
            if feature.as_str() == "cpu_usage" =>
        {
            let used = values.last().filter(|used| used.is_finite())?;
            Some((service.as_str().to_owned(), f64::from(*used)))
        }
        _ => None,
    });
    columns.collect()
}
