//! How a model is kept current when the application changes: accuracy just after, and how much time and
//! data it takes until it is back, for each way of training again (scenarios A to F of [`super::variants`]).
//!
//! ```text
//!  ground: a day ──→ change ──→ hours of life after it ──→ incidents
//!    └ model of before              └ first minutes of them: models trained again ─┘→ verdicts, scores
//! ```
//!
//! Every model is asked about the same incidents, in the same windows; they differ in what they have
//! learned from, and how.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;

use super::case::Case;
use super::ground::{END_S, Ground, HISTORY_S, moment};
use super::run::{Plan, Tell, ground_of};
use super::score::{Score, named, score};
use super::variants::{Changed, SCENARIOS, Scenario};
use super::{EvalError, report::wilson};
use crate::domain::{NoProgress, VerdictKind};
use crate::engine::Learned;
use crate::engine::learn::Base;
use crate::gvae::Again;

/// Seconds of life after the change.
const LIFE_S: u64 = 6 * 3600;
/// Minutes after the change at which models are trained again.
const MINUTES: [i64; 4] = [25, 50, 100, 360];

/// How a model came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The model of before, asked as if nothing had changed.
    Before,
    /// From scratch, on what was seen since the change.
    Scratch,
    /// From the parameters of before, all of it.
    Incremental,
    /// From the parameters of before, only what the change affects.
    Partial,
}

impl Way {
    const AFTER: [Self; 3] = [Self::Scratch, Self::Incremental, Self::Partial];

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "model of before",
            Self::Scratch => "from scratch",
            Self::Incremental => "incremental",
            Self::Partial => "incremental and partial",
        }
    }
}

/// One model after one change.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// Letter of the scenario.
    pub scenario: &'static str,
    /// How the model came to be.
    pub way: Way,
    /// Minutes of life after the change that it has seen.
    pub minutes: i64,
    /// Seconds that its training took …
    pub seconds: f64,
    /// … and with learning what is normal.
    pub in_all_s: f64,
    /// Verdicts that say "unsure".
    pub unsure: usize,
    /// The answers, by incident.
    pub scores: Vec<Score>,
}

/// All models after all changes.
#[derive(Clone, Debug, Serialize)]
pub struct Current {
    /// The application before.
    pub app: String,
    /// Which seeds.
    pub split: &'static str,
    /// Exact answers of the model of before about the application of before, of how many: what is to be
    /// reached again.
    pub before: (usize, usize),
    /// Seconds that training from scratch takes on as much history as there ordinarily is, a day.
    pub scratch_s: f64,
    /// By scenario, way and time.
    pub trials: Vec<Trial>,
}

/// Lets the application of `plan` change in each of the ways, and asks all models.
///
/// # Errors
/// The lab or the engine failed, the folder cannot be written, or the application has not the services that
/// the scenarios are about.
pub fn measure(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Current, EvalError> {
    let ground = ground_of(plan, runtime, tell)?;
    tell.cases(plan.cases * (1 + SCENARIOS.len()));
    let mut before = 0;
    for seed in seeds(plan) {
        tell.say("incidents before the change");
        let case = Case::open(&ground, seed)?;
        let (verdict, picture) = case.ask()?;
        drop(picture);
        before += usize::from(score(case.truth.sets(), &named(&verdict), &[]).exact);
        tell.case();
    }
    let engine = ground.engine(&ground.folder.join("cache"))?;
    let day = moment(END_S - HISTORY_S.cast_signed());
    let whole = runtime.block_on(engine.learn_between(day, moment(END_S), |_| false, None));
    let scratch_s = whole.map_err(|source| ground.failed("model", source))?.training.as_secs_f64();
    let mut trials = Vec::new();
    for scenario in SCENARIOS {
        trials.extend(after(plan, &ground, &scenario, tell)?);
    }
    let (app, split) = (plan.app.name.to_string(), plan.split());
    Ok(Current { app, split, before: (before, plan.cases), scratch_s, trials })
}

fn seeds(plan: &Plan) -> impl Iterator<Item = u64> + use<> {
    let first = plan.seed;
    (0..plan.cases as u64).map(move |index| first + index)
}

/// The trials of one change.
fn after(
    plan: &Plan,
    ground: &Ground,
    scenario: &Scenario,
    tell: &dyn Tell,
) -> Result<Vec<Trial>, EvalError> {
    let Changed { app, cluster, updated } = scenario.apply(&ground.app, &ground.cluster)?;
    let changed = ground.changed(app, cluster, LIFE_S, tell)?;
    let runtime = &ground.runtime;
    let failed = |source| changed.failed(&format!("scenario {}", scenario.letter), source);
    let old = ground.engine(&ground.folder.join("cache"))?;
    let before = runtime.block_on(old.learn(moment(END_S), false, Arc::new(NoProgress))).map_err(failed)?;
    let engine = changed.engine(&changed.folder.join("cache"))?;
    let mut models: Vec<(Way, i64, Duration, Arc<Learned>)> =
        vec![(Way::Before, 0, Duration::ZERO, before.clone())];
    for (minutes, way) in MINUTES.iter().flat_map(|minutes| Way::AFTER.map(|way| (*minutes, way))) {
        tell.say(&format!("{}: {} after {minutes} min", scenario.letter, way.word()));
        let until = moment(END_S + 60 * minutes);
        let again = Again { updated: updated.clone(), whole: way == Way::Incremental };
        let base = Base { learned: before.clone(), changed: moment(END_S + 1), again };
        let (since, base) = match way {
            Way::Scratch | Way::Before => (END_S, None),
            Way::Incremental | Way::Partial => (END_S - HISTORY_S.cast_signed(), Some(base)),
        };
        let clock = Instant::now();
        // Too few windows to train from scratch: there is no such model yet.
        if let Ok(learned) = runtime.block_on(engine.learn_between(moment(since), until, |_| false, base)) {
            models.push((way, minutes, clock.elapsed(), learned));
        }
    }
    let mut trials = Vec::from_iter(models.iter().map(|(way, minutes, in_all, learned)| Trial {
        scenario: scenario.letter,
        way: *way,
        minutes: *minutes,
        // The model of before is at hand.
        seconds: if *way == Way::Before { 0.0 } else { learned.training.as_secs_f64() },
        in_all_s: in_all.as_secs_f64(),
        unsure: 0,
        scores: Vec::new(),
    }));
    for seed in seeds(plan) {
        tell.say(&format!("{}: incident {seed}", scenario.letter));
        let case = Case::open(&changed, seed)?;
        let (engine, picture) = case.picture()?;
        let slo = engine.slo(None).map_err(failed)?.clone();
        for (trial, (.., learned)) in trials.iter_mut().zip(&models) {
            let verdict = engine.answer(&slo, &picture, learned, &NoProgress).map_err(failed)?;
            trial.unsure += usize::from(verdict.kind == VerdictKind::Unsure);
            trial.scores.push(score(case.truth.sets(), &named(&verdict), &[]));
        }
        tell.case();
    }
    Ok(trials)
}

/// The trials as a table.
pub fn table(all: &[Current]) -> String {
    let mut text = String::new();
    for current in all {
        let (exact, of) = current.before;
        let (share, low, high) = wilson(exact, of);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} ({}), before any change: {:.0} % exact [{:.0}–{:.0}] of {of} incidents; a day is learned from scratch in {:.1} s.\n",
            current.app,
            current.split,
            100.0 * share,
            100.0 * low,
            100.0 * high,
            current.scratch_s,
        );
        text.push_str("| change | model | minutes seen | exact | services | unsure | training, s | times less than a day from scratch | with what is normal, s |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
        for trial in &current.trials {
            text.push_str(&row(trial, current));
        }
    }
    text
}

fn row(trial: &Trial, current: &Current) -> String {
    let of = trial.scores.len().max(1);
    let share = |which: fn(&Score) -> bool| {
        100.0 * trial.scores.iter().filter(|score| which(score)).count() as f64 / of as f64
    };
    let times = (trial.seconds > 0.0).then(|| format!("{:.1}", current.scratch_s / trial.seconds));
    let times = times.unwrap_or("–".to_owned());
    format!(
        "| {} | {} | {} | {:.0} % | {:.0} % | {:.0} % | {:.1} | {times} | {:.1} |\n",
        trial.scenario,
        trial.way.word(),
        trial.minutes,
        share(|score| score.exact),
        share(|score| score.services),
        100.0 * trial.unsure as f64 / of as f64,
        trial.seconds,
        trial.in_all_s,
    )
}
