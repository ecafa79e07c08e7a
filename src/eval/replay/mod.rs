//! Recorded incidents, served by a Prometheus and a Jaeger that somebody started: every method that can
//! is asked some minutes after each fault, and nothing later is read.
//!
//! Methods that learn from labels are left out: a recorded day has no incidents to spare.

mod report;
mod score;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

pub use report::{figure, figures};
pub use score::Score;

use super::model::{EvalError, Tell};
use super::paper::{Ledger, PaperError};
use crate::baselines::{self, Question};
use crate::config::Config;
use crate::diagnosis::FeatureKinds;
use crate::domain::{NoProgress, Timestamp, Verdict};
use crate::engine::{self, Engine, EngineError};
use crate::eval::model::report::PRODUCT;

/// From a fault to the question, in seconds.
pub const ASK_AFTER_S: i64 = 300;

/// The labels of a prepared set, `faults.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// Its name.
    #[serde(rename = "set")]
    pub name: String,
    /// What was injected.
    pub faults: Vec<Fault>,
}

/// A fault that was injected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its name.
    pub id: String,
    /// When, in seconds since the epoch.
    pub inject_unix: i64,
    /// Where.
    pub service: String,
    /// Whether it makes things slow, rather than wrong.
    pub performance: bool,
    /// The resource that it takes, where it takes one.
    pub resource: Option<String>,
}

/// What a method says of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Services, most suspect first.
    pub services: Vec<String>,
    /// Services with their resources, most suspect first; methods that name no resource have none.
    pub resources: Vec<(String, String)>,
    /// The kind of the product's verdict; empty for the others.
    pub verdict: String,
    /// Whether exactly the fault's service is blamed; `None` if nobody is.
    pub exact: Option<bool>,
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The labels.
    pub set: Set,
    /// Where everything is, and how it is looked at.
    pub config: Config,
    /// Context of the configuration; without it the only one.
    pub context: Option<String>,
    /// Models of the product, each trained from another seed.
    pub seeds: u64,
}

/// Reads the labels of the prepared set in `folder`.
///
/// # Errors
/// There are none, or they are not understood.
pub fn read(folder: &Path) -> Result<Set, PaperError> {
    let path = folder.join("faults.json");
    let text = std::fs::read(&path).map_err(PaperError::file(&path))?;
    serde_json::from_slice(&text).map_err(|error| PaperError::Line {
        number: error.line(),
        what: error.to_string(),
        path,
    })
}

/// Points a configuration to other addresses.
pub fn point(config: &mut Config, prometheus: Option<&str>, jaeger: Option<&str>) {
    for context in config.contexts.values_mut() {
        if let Some(url) = prometheus {
            url.clone_into(&mut context.prometheus.url);
        }
        if let (Some(url), Some(jaeger)) = (jaeger, &mut context.jaeger) {
            url.clone_into(&mut jaeger.backend.url);
        }
    }
}

/// The names of all methods that can be asked, the product and its control first.
pub fn methods() -> Vec<&'static str> {
    let all = baselines::all(0.0);
    let others = all.iter().filter(|method| !method.needs_labels()).map(|method| method.name());
    let others = others.filter(|name| *name != CONTROL);
    [PRODUCT, CONTROL].into_iter().chain(others).collect()
}

/// The control, which the program itself falls back on; it names resources.
const CONTROL: &str = "control";

fn key(set: &str, method: &str, seed: u64, fault: &str) -> String {
    format!("replay/{set}/{method}/{seed}/{fault}")
}

/// Where a set's labels are kept, so that its figure can be made again.
fn set_key(set: &str) -> String {
    format!("replay-set/{set}")
}

/// Seeds with which a method is asked: only the product's answer depends on one.
fn seeds(method: &str, product: u64) -> std::ops::RangeInclusive<u64> {
    1..=if method == PRODUCT { product } else { 1 }
}

/// How many answers are missing.
pub fn missing(plan: &Plan, ledger: &Ledger) -> usize {
    let keys = methods().into_iter().flat_map(|method| {
        seeds(method, plan.seeds).flat_map(move |seed| plan.set.faults.iter().map(move |f| (method, seed, f)))
    });
    keys.filter(|(method, seed, fault)| !ledger.knows(&key(&plan.set.name, method, *seed, &fault.id))).count()
}

/// Asks for every answer that is missing; windows and models are kept in `cache`.
///
/// # Errors
/// A backend does not answer, or a file cannot be written.
pub fn measure(
    plan: &Plan,
    cache: &Path,
    ledger: &Ledger,
    runtime: &Handle,
    tell: &dyn Tell,
) -> Result<(), PaperError> {
    let labels = set_key(&plan.set.name);
    if ledger.get::<Set>(&labels).as_ref() != Some(&plan.set) {
        ledger.put(&labels, 0.0, &plan.set)?;
    }
    for seed in 1..=plan.seeds {
        let mut config = plan.config.clone();
        config.model.seed = seed;
        let context = config.context(plan.context.as_deref()).map_err(EvalError::from)?;
        let engine = Engine::open(&config, context, cache).map_err(failed("store"))?;
        let asker = Asker {
            unusual: config.diagnosis.unusual,
            kinds: FeatureKinds::of(&context.catalogue),
            diagnosed: engine.span(),
            engine: Arc::new(engine),
        };
        for fault in &plan.set.faults {
            for method in methods().into_iter().filter(|method| seeds(method, plan.seeds).contains(&seed)) {
                let key = key(&plan.set.name, method, seed, &fault.id);
                if ledger.knows(&key) {
                    continue;
                }
                tell.say(&format!("{} {}, seed {seed}", fault.id, method));
                let clock = Instant::now();
                let answer = runtime.block_on(asker.ask(method, fault)).map_err(failed(&fault.id))?;
                ledger.put(&key, clock.elapsed().as_secs_f64(), &answer)?;
                tell.case();
            }
        }
    }
    Ok(())
}

fn failed(what: &str) -> impl FnOnce(EngineError) -> EvalError + use<> {
    let what = what.to_owned();
    |source| EvalError::Engine { what, source }
}

struct Asker {
    engine: Arc<Engine>,
    kinds: FeatureKinds,
    diagnosed: usize,
    unusual: f64,
}

impl Asker {
    async fn ask(&self, method: &str, fault: &Fault) -> Result<Answer, EngineError> {
        let at = Timestamp::from_second(fault.inject_unix + ASK_AFTER_S).unwrap_or(Timestamp::UNIX_EPOCH);
        let slo = self.engine.slo(None)?.clone();
        match method {
            PRODUCT => {
                let verdict = self.engine.diagnose(&slo, at, engine::now(), Arc::new(NoProgress)).await?;
                let blamed = Vec::from_iter(verdict.culprits.iter().map(|culprit| culprit.service.as_str()));
                let exact = (!blamed.is_empty()).then_some(blamed == [fault.service.as_str()]);
                Ok(Answer { exact, verdict: verdict.kind.word().to_owned(), ..answer(&verdict) })
            }
            CONTROL => self
                .engine
                .control(&slo, at, engine::now(), &NoProgress)
                .await
                .map(|verdict| answer(&verdict)),
            other => {
                self.engine.fetch(at, engine::now(), &NoProgress).await?;
                let picture = self.engine.picture(at).await?;
                let question = Question {
                    frame: &picture.frame,
                    diagnosed: self.diagnosed,
                    graph: &picture.graph,
                    kinds: &self.kinds,
                    slo: &slo,
                };
                let all = baselines::all(self.unusual);
                let method = all.iter().find(|method| method.name() == other);
                // One that cannot answer has answered nothing.
                let said = method.and_then(|method| method.answer(&question).ok());
                let services = said.into_iter().flat_map(|said| said.ranking);
                let services = services.map(|ranked| ranked.service.as_str().to_owned());
                Ok(Answer {
                    services: services.collect(),
                    resources: Vec::new(),
                    verdict: String::new(),
                    exact: None,
                })
            }
        }
    }
}

/// Pairs of service and resource that are kept: nothing looks further than five.
const KEPT: usize = 10;

fn answer(verdict: &Verdict) -> Answer {
    let pairs = verdict.resource_ranking.iter().take(KEPT);
    let pairs = pairs.map(|r| (r.service.as_str().to_owned(), r.resource.word().to_owned()));
    Answer {
        services: verdict.ranking.iter().map(|ranked| ranked.service.as_str().to_owned()).collect(),
        resources: pairs.collect(),
        verdict: String::new(),
        exact: None,
    }
}

/// How long so many questions take, at so many seconds each if that is known. Training a model, which the
/// first of a seed waits for, is most of it.
pub fn usual(each_s: Option<f64>, questions: usize) -> Duration {
    Duration::from_secs_f64(each_s.unwrap_or(0.8).max(0.0) * questions as f64)
}
