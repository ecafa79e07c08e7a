//! The ground of an application: a day of its life, fetched and learned as in earnest.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::EvalError;
use super::run::Tell;
use crate::config::{self, Config};
use crate::domain::{NoProgress, Progress, Stage};
use crate::engine::{self, Engine};
use crate::lab::app::Application;
use crate::lab::cluster::Cluster;
use crate::lab::measure::Measurement;
use crate::lab::scenario::disturbances;
use crate::lab::sim::{SECOND, Settings};
use crate::lab::stage::{Archive, Look, Ports, config};
use crate::lab::world::World;
use crate::telemetry::Catalogue;

/// Raised when cases or grounds are made in another way: what is kept of before is then made anew.
const RECIPE: u32 = 1;
/// Seconds of history.
pub const HISTORY_S: u64 = 86_400;
/// End of the history in seconds since the epoch, 2025-01-15T00:00:00Z: a training cut-off.
pub const END_S: i64 = 1_736_899_200;
/// Time between two scrapes, in seconds.
const SCRAPE_S: f64 = 15.0;
/// Small disturbances in the history that nobody noted down.
const DISTURBANCES: u64 = 8;
/// Windows are complete so long after their end.
pub const SETTLED_S: u64 = 60;
/// Seed of an application's life after a change …
const AFTER_SEED: u64 = 77;
/// … which begins at this second of the day, in the morning: load rises and falls in it.
const AFTER_START_S: u64 = 8 * 3600;
/// Simulated time between two reports of progress.
const STEP_S: u64 = 600;

/// How well a ground is measured, and by what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Seconds between two scrapes.
    pub scrape_s: f64,
    /// Share of scrapes that fail.
    pub lost_scrapes: f64,
    /// Latencies are read off traces, of which this share is kept; `None`: off metrics.
    pub traces: Option<f64>,
    /// Largest difference of a node's clock to the truth, in milliseconds.
    pub clock_skew_ms: f64,
}

impl Default for Conditions {
    fn default() -> Self {
        let Measurement { lost_scrapes, clock_skew_ms, .. } = Measurement::default();
        Self { scrape_s: SCRAPE_S, lost_scrapes, traces: None, clock_skew_ms }
    }
}

impl Conditions {
    /// The measurement; its epoch is yet to be set.
    fn measurement(&self, seed: u64) -> Measurement {
        Measurement {
            seed,
            scrape_s: self.scrape_s,
            lost_scrapes: self.lost_scrapes,
            // Where latencies come from metrics, a few spans keep Jaeger from being empty.
            trace_sampling: self.traces.unwrap_or(0.001),
            clock_skew_ms: self.clock_skew_ms,
            ..Measurement::default()
        }
    }
}

/// An application with its history, ready for incidents.
#[derive(Debug)]
pub struct Ground {
    /// The application.
    pub app: Arc<Application>,
    /// Where it runs.
    pub cluster: Cluster,
    /// How it is measured. Its days to come are measured in the same way: scrapes and what the exporters
    /// themselves look at keep their phases, and what that does to rates is no change.
    pub measurement: Measurement,
    /// Its configuration.
    pub config: Config,
    /// Where everything is kept.
    pub folder: PathBuf,
    /// End of what is known of it, in seconds since the epoch.
    pub end_s: i64,
    /// Ports of the backends. Stored windows belong to an address, so it must stay the same; and whoever
    /// serves a case has to have them alone.
    pub ports: Mutex<Ports>,
    /// Runs the engine's tasks.
    pub runtime: Handle,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    prometheus: u16,
    jaeger: u16,
}

impl Ground {
    /// The ground of `app` on `nodes` machines below `work`: made, or taken from there.
    ///
    /// # Errors
    /// The lab or the engine failed, or the folder cannot be written.
    pub fn open(
        app: Arc<Application>,
        nodes: usize,
        seed: u64,
        conditions: Conditions,
        work: &Path,
        runtime: &Handle,
        tell: &dyn Tell,
    ) -> Result<Self, EvalError> {
        let cluster = Cluster::for_application(&app, nodes);
        let settings = Settings { seed, ..Settings::default() };
        let faults = disturbances(&app, &cluster, seed, DISTURBANCES, HISTORY_S as f64);
        let measurement =
            Measurement { epoch_ns: epoch_ns(END_S, HISTORY_S), ..conditions.measurement(seed) };
        let source = if conditions.traces.is_some() { "traces" } else { "" };
        let made_of = format!(
            "{RECIPE} {app:?} {cluster:?} {settings:?} {faults:?} {measurement:?} {}{source}",
            asked()?
        );
        let folder = work.join(format!("{}-{seed}-{}", app.name, digest(&made_of)));
        let note = folder.join("ground.json");
        let kept: Option<Kept> =
            std::fs::read(&note).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let mut ground = Self {
            config: read_config(&app, &cluster, Ports::default(), conditions, &folder)?,
            app,
            cluster,
            measurement: measurement.clone(),
            folder,
            end_s: END_S,
            ports: Mutex::default(),
            runtime: runtime.clone(),
        };
        if let Some(Kept { prometheus, jaeger }) = kept {
            let ports = Ports { prometheus, jaeger, control: 0 };
            ground.settle(ports, conditions)?;
            ground.learn(tell)?;
            return Ok(ground);
        }
        let keep = Duration::from_secs(2 * HISTORY_S);
        let (app, at) = (ground.app.clone(), ground.cluster.clone());
        let mut world = World::new(app, at, settings, faults, measurement, keep)?;
        let length = HISTORY_S + SETTLED_S;
        for done in (0..length).step_by(STEP_S as usize) {
            world.advance((done + STEP_S).min(length) * SECOND);
            tell.say(&format!("a day of life: {} %", 100 * (done + STEP_S).min(length) / length));
        }
        let archive = runtime.block_on(Archive::open(&world.stores(), Ports::default()))?;
        let ports = archive.ports;
        ground.settle(ports, conditions)?;
        let engine = ground.engine(&ground.folder.join("cache"))?;
        let end = moment(END_S);
        let fetched = runtime.block_on(engine.fetch(end, engine::now(), &Stages(tell)));
        fetched.map_err(|source| ground.failed("history", source))?;
        drop(engine);
        runtime.block_on(archive.close());
        ground.learn(tell)?;
        let kept = Kept { prometheus: ports.prometheus, jaeger: ports.jaeger };
        write(&note, &serde_json::to_vec(&kept).unwrap_or_default())?;
        Ok(ground)
    }

    /// The ground after the application became `app` at the end of what is known of this one, and lived on
    /// for `length_s` seconds: made, or taken from this one's folder. The model is still that of before.
    ///
    /// # Errors
    /// The lab or the engine failed, or the folder cannot be written.
    pub fn changed(
        &self,
        app: Arc<Application>,
        cluster: Cluster,
        length_s: u64,
        tell: &dyn Tell,
    ) -> Result<Self, EvalError> {
        let settings = Settings { seed: AFTER_SEED, start: AFTER_START_S * SECOND, ..Settings::default() };
        let made_of = format!("{RECIPE} {app:?} {cluster:?} {settings:?} {length_s}");
        let ports = *self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let end_s = self.end_s + length_s.cast_signed();
        let ground = Self {
            folder: self.folder.join(format!("changed-{}", digest(&made_of))),
            end_s,
            measurement: Measurement { epoch_ns: epoch_ns(end_s, length_s), ..self.measurement.clone() },
            config: self.config.clone(),
            app: app.clone(),
            cluster: cluster.clone(),
            ports: Mutex::new(ports),
            runtime: self.runtime.clone(),
        };
        let done = ground.folder.join("windows.done");
        if done.exists() {
            return Ok(ground);
        }
        let keep = Duration::from_secs(2 * HISTORY_S);
        let mut world = World::new(app, cluster, settings, Vec::new(), ground.measurement.clone(), keep)?;
        let length = length_s + SETTLED_S;
        for passed in (0..length).step_by(STEP_S as usize) {
            world.advance((passed + STEP_S).min(length) * SECOND);
            tell.say(&format!("life after the change: {} %", 100 * (passed + STEP_S).min(length) / length));
        }
        let cache = ground.folder.join("cache");
        copy(&self.folder.join("cache/windows"), &cache.join("windows"))?;
        let archive = self.runtime.block_on(Archive::open(&world.stores(), ports))?;
        let engine = ground.engine(&cache)?;
        let fetched = self.runtime.block_on(engine.fetch(moment(end_s), engine::now(), &Stages(tell)));
        drop(engine);
        self.runtime.block_on(archive.close());
        fetched.map_err(|source| ground.failed("life after the change", source))?;
        write(&done, b"")?;
        Ok(ground)
    }

    fn settle(&mut self, ports: Ports, conditions: Conditions) -> Result<(), EvalError> {
        self.config = read_config(&self.app, &self.cluster, ports, conditions, &self.folder)?;
        self.ports = Mutex::new(ports);
        Ok(())
    }

    /// Trains the model of the history, unless it is there.
    fn learn(&self, tell: &dyn Tell) -> Result<(), EvalError> {
        let engine = self.engine(&self.folder.join("cache"))?;
        tell.say("the model");
        let learned = self.runtime.block_on(engine.learn(moment(END_S), false, Arc::new(NoProgress)));
        learned.map(|_| ()).map_err(|source| self.failed("model", source))
    }

    /// An engine on what is kept in `cache`.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn engine(&self, cache: &Path) -> Result<Arc<Engine>, EvalError> {
        let context = self.config.context(None)?;
        Engine::open(&self.config, context, cache)
            .map(Arc::new)
            .map_err(|source| self.failed("store", source))
    }

    /// What to say of an engine that failed.
    pub fn failed(&self, what: &str, source: engine::EngineError) -> EvalError {
        EvalError::Engine { what: format!("{} of {}", what, self.app.name), source }
    }
}

/// What the backends are asked for. Windows fetched for other questions are of no use.
fn asked() -> Result<String, EvalError> {
    let catalogue = Catalogue::standard().map_err(config::ConfigError::from)?;
    let features = catalogue.feature.iter().map(|feature| (&feature.name, &feature.query));
    let latencies = catalogue.latency.iter().map(|latency| &latency.query);
    Ok(format!("{:?} {:?}", Vec::from_iter(features), Vec::from_iter(latencies)))
}

/// The epoch of a simulation that ends after `length_s` at `end_s`.
pub fn epoch_ns(end_s: i64, length_s: u64) -> i64 {
    (end_s - length_s.cast_signed()) * SECOND.cast_signed()
}

/// `second` seconds after 1970.
pub fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Copies the files of a folder; what is there is replaced.
pub fn copy(from: &Path, to: &Path) -> Result<(), EvalError> {
    config::paths::private(to)?;
    for entry in std::fs::read_dir(from).map_err(EvalError::file(from))?.flatten() {
        let target = to.join(entry.file_name());
        std::fs::copy(entry.path(), &target).map_err(EvalError::file(&target))?;
    }
    Ok(())
}

/// The first twelve hexadecimal digits of a digest.
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file wholly or not at all, with its folder.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    config::paths::private(folder)?;
    let part = path.with_extension("part");
    std::fs::write(&part, bytes).map_err(EvalError::file(&part))?;
    std::fs::rename(&part, path).map_err(EvalError::file(path))
}

fn read_config(
    app: &Application,
    cluster: &Cluster,
    ports: Ports,
    conditions: Conditions,
    folder: &Path,
) -> Result<Config, EvalError> {
    let look = Look {
        history: Duration::from_secs(HISTORY_S),
        scrape_s: conditions.scrape_s,
        recent: crate::diagnosis::DiagnosisSettings::default().window,
    };
    let path = folder.join("config.toml");
    let mut text = config(app, &cluster.namespace, ports, look);
    if conditions.traces.is_some() {
        text = text.replace("[windows]\n", "[windows]\nlatency_source = \"traces\"\n");
    }
    write(&path, text.as_bytes())?;
    Ok(config::load(&path)?)
}

/// Tells the engine's progress in words.
pub struct Stages<'a>(pub &'a dyn Tell);

impl Progress for Stages<'_> {
    fn report(&self, stage: Stage, done: u64, total: u64, note: &str) {
        self.0.say(&format!("{} {done}/{total} {note}", stage.word()));
    }
}
