//! A case: an incident on the day after the ground's history, its truth, and what the product says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::EvalError;
use super::ground::{Ground, SETTLED_S, copy, digest, epoch_ns, moment, write};
use crate::domain::{NoProgress, Timestamp, Verdict};
use crate::engine::{self, Engine, Learned, Picture};
use crate::lab::fault::Fault;
use crate::lab::measure::Measurement;
use crate::lab::scenario::{Scenario, Timing, draw, word};
use crate::lab::sim::{SECOND, Settings};
use crate::lab::stage::Archive;
use crate::lab::truth::{Blame, Case as Moment};
use crate::lab::world::World;
use crate::windows::FetchReport;

/// Raised when cases are made in another way: what is kept of before is then made anew.
const RECIPE: u32 = 2;
/// From the end of the history to the question, in seconds: on the next day, before the model is due to
/// be trained again.
const LATER_S: i64 = 3_600;

/// Eleven healthy minutes, one in which things break, and the five that are diagnosed. Rates look back a
/// minute, so in the diagnosed ones all is broken.
pub const TIMING: Timing = Timing {
    quiet_s: 600.0,
    lead_s: 660.0,
    window_s: (720.0, 1_020.0),
    sought_s: (720.0, 780.0),
    until_s: 1_140.0,
};

/// What really happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Truth {
    /// What it was drawn from.
    pub seed: u64,
    /// One line for people.
    pub title: String,
    /// Kind of the fault that is to blame, or `several`.
    pub kind: String,
    /// The simulation's seed, time of day in nanoseconds, and factor on the load.
    pub run: (u64, u64, f64),
    /// What broke, and what was merely unusual.
    pub faults: Vec<Fault>,
    /// The smallest set to blame.
    pub causes: BTreeSet<Blame>,
    /// Others as small.
    pub alternatives: Vec<BTreeSet<Blame>>,
    /// Whether no smaller set was left untried.
    pub smallest: bool,
    /// The entry's tail in milliseconds: as it was, with the causes normal, with everything normal.
    pub tails_ms: (f64, f64, f64),
}

/// A case with its windows.
#[derive(Debug)]
pub struct Case<'a> {
    ground: &'a Ground,
    /// The truth.
    pub truth: Truth,
    folder: PathBuf,
}

impl Truth {
    fn of(scenario: &Scenario) -> Self {
        let Scenario { seed, title, settings, faults, label, .. } = scenario;
        let kinds = Vec::from_iter(scenario.culprits().map(|fault| word(&fault.kind)));
        Self {
            seed: *seed,
            title: title.clone(),
            kind: if let [kind] = kinds.as_slice() { kind.clone() } else { "several".to_owned() },
            run: (settings.seed, settings.start, settings.load.scale),
            faults: faults.clone(),
            causes: label.causes.clone(),
            alternatives: label.alternatives.clone(),
            smallest: label.smallest,
            tails_ms: (
                label.factual.seen_ms,
                label.restored.map_or(f64::NAN, |tail| tail.seen_ms),
                label.normal.seen_ms,
            ),
        }
    }

    /// How it was simulated; `quiet_s` leaves out the requests before.
    pub fn settings(&self, quiet_s: f64) -> Settings {
        let (seed, start, scale) = self.run;
        let quiet_until = (quiet_s * SECOND as f64) as u64;
        let mut settings = Settings { seed, start, quiet_until, ..Settings::default() };
        settings.load.scale = scale;
        settings
    }

    /// The moment that is to be explained.
    pub fn moment(&self, ground: &Ground) -> Moment {
        let (from_s, until_s) = TIMING.window_s;
        Moment {
            app: ground.app.clone(),
            cluster: ground.cluster.clone(),
            settings: self.settings(TIMING.quiet_s),
            faults: self.faults.clone(),
            changes: Vec::new(),
            window: ((from_s * SECOND as f64) as u64, (until_s * SECOND as f64) as u64),
        }
    }

    /// The label and its alternatives.
    pub fn sets(&self) -> impl Iterator<Item = &BTreeSet<Blame>> {
        std::iter::once(&self.causes).chain(&self.alternatives)
    }
}

impl<'a> Case<'a> {
    /// The case of `seed`: made, or taken from the ground's folder.
    ///
    /// # Errors
    /// The lab or the engine failed, or the folder cannot be written.
    pub fn open(ground: &'a Ground, seed: u64) -> Result<Self, EvalError> {
        let made_of = format!("{RECIPE} {TIMING:?} {LATER_S}");
        let folder = ground.folder.join(format!("cases-{}", digest(&made_of))).join(seed.to_string());
        let note = folder.join("truth.json");
        let known = std::fs::read(&note).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let truth = match known {
            Some(truth) => truth,
            None => {
                let truth = Truth::of(&draw(&ground.app, &ground.cluster, TIMING, seed)?);
                write(&note, &serde_json::to_vec_pretty(&truth).unwrap_or_default())?;
                truth
            }
        };
        let case = Self { ground, truth, folder };
        if !case.done().exists() {
            case.live()?;
        }
        Ok(case)
    }

    /// Where what is known of it is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Exists when the windows are complete.
    fn done(&self) -> PathBuf {
        self.folder.join("windows.done")
    }

    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// Lets it happen, and fetches what was measured into a copy of the ground's windows.
    fn live(&self) -> Result<(), EvalError> {
        let Ground { app, cluster, runtime, .. } = self.ground;
        let length = TIMING.window_s.1 as u64;
        let at = self.ground.end_s + LATER_S;
        let measurement = Measurement { epoch_ns: epoch_ns(at, length), ..self.ground.measurement.clone() };
        let settings = self.truth.settings(0.0);
        let keep = Duration::from_secs(86_400);
        let faults = self.truth.faults.clone();
        let mut world = World::new(app.clone(), cluster.clone(), settings, faults, measurement, keep)?;
        world.advance((length + SETTLED_S) * SECOND);
        let cache = self.cache();
        copy(&self.ground.folder.join("cache/windows"), &cache.join("windows"))?;
        let models = cache.join("models");
        // From `cases-…/SEED/cache` to the ground's, wherever that is moved to.
        if std::fs::symlink_metadata(&models).is_err() {
            std::os::unix::fs::symlink("../../../cache/models", &models).map_err(EvalError::file(&models))?;
        }
        let ports = self.ground.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let archive = runtime.block_on(Archive::open(&world.stores(), *ports))?;
        let engine = self.ground.engine(&cache)?;
        let fetched = runtime.block_on(engine.fetch(self.at(), engine::now(), &NoProgress));
        drop(engine);
        runtime.block_on(archive.close());
        drop(ports);
        fetched.map_err(|source| self.failed(source))?;
        write(&self.done(), b"")
    }

    /// The moment that is asked about.
    pub fn at(&self) -> Timestamp {
        moment(self.ground.end_s + LATER_S)
    }

    /// What the product knows before it is asked.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn picture(&self) -> Result<(Arc<Engine>, Picture), EvalError> {
        let engine: Arc<Engine> = self.ground.engine(&self.cache())?;
        let picture = self.ground.runtime.block_on(engine.picture(self.at()));
        let picture = picture.map_err(|source| self.failed(source))?;
        Ok((engine, picture))
    }

    /// What it says of `picture` with another model than its own.
    ///
    /// # Errors
    /// It says nothing.
    pub fn answer(
        &self,
        engine: &Engine,
        picture: &Picture,
        learned: &Learned,
    ) -> Result<Verdict, EvalError> {
        let answer = || engine.answer(&engine.slo(None)?.clone(), picture, learned, &NoProgress);
        answer().map_err(|source| self.failed(source))
    }

    /// What the product says, and the windows from which it does.
    ///
    /// # Errors
    /// It says nothing.
    pub fn ask(&self) -> Result<(Verdict, Picture), EvalError> {
        let at = self.at();
        let engine: Arc<Engine> = self.ground.engine(&self.cache())?;
        let ask = async {
            let slo = engine.slo(None)?.clone();
            let fetched = (Ok(FetchReport::default()), Duration::ZERO);
            let verdict = engine.explain(&slo, at, fetched, Arc::new(NoProgress)).await?;
            Ok((verdict, engine.picture(at).await?))
        };
        self.ground.runtime.block_on(ask).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: engine::EngineError) -> EvalError {
        self.ground.failed(&format!("incident {}", self.truth.seed), source)
    }
}
