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

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;

use super::EvalError;
use super::ground::{END_S, Ground, HISTORY_S, moment};
use super::run::{Plan, Tell, each_case, ground_of};
use super::score::{Score, named, score};
use super::share::{count, interval, percent};
use super::variants::{Changed, SCENARIOS, Scenario};
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
    let before = each_case(plan, &ground, tell, |case| {
        Ok(score(case.truth.sets(), &named(&case.ask()?.0), &[]).exact)
    })?;
    let before = before.into_iter().filter(|exact| *exact).count();
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
        match runtime.block_on(engine.learn_between(moment(since), until, |_| false, base)) {
            Ok(learned) => models.push((way, minutes, clock.elapsed(), learned)),
            // Too few windows to train from scratch: there is no such model yet.
            Err(error) if error.is_want_of_a_model() => {}
            Err(error) => return Err(failed(error)),
        }
    }
    tell.say(scenario.letter);
    let answers = each_case(plan, &changed, tell, |case| {
        let (engine, picture) = case.picture()?;
        let answer = |learned: &Learned| {
            let verdict = case.answer(&engine, &picture, learned)?;
            Ok((verdict.kind, score(case.truth.sets(), &named(&verdict), &[])))
        };
        models.iter().map(|(.., learned)| answer(learned)).collect::<Result<Vec<_>, EvalError>>()
    })?;
    let trial = |(index, (way, minutes, in_all, learned)): (usize, &(Way, i64, Duration, Arc<Learned>))| {
        let answers = || answers.iter().map(|of_case| &of_case[index]);
        Trial {
            scenario: scenario.letter,
            way: *way,
            minutes: *minutes,
            // The model of before is at hand.
            seconds: if *way == Way::Before { 0.0 } else { learned.training.as_secs_f64() },
            in_all_s: in_all.as_secs_f64(),
            unsure: answers().filter(|(kind, _)| *kind == VerdictKind::Unsure).count(),
            scores: answers().map(|(_, score)| *score).collect(),
        }
    };
    Ok(models.iter().enumerate().map(trial).collect())
}

/// The trials as a table.
pub fn table(all: &[Current]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        for current in all {
            let Current { app, split, before: (exact, of), scratch_s, trials } = current;
            writeln!(
                f,
                "{app} ({split}), before any change: {} exact of {of} incidents; a day is learned from scratch in \
                 {scratch_s:.1} s.\n",
                interval(*exact, *of),
            )?;
            writeln!(
                f,
                "| change | model | minutes seen | exact | services | unsure | training, s | times less than a day \
                 from scratch | with what is normal, s |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
            )?;
            trials.iter().try_for_each(|trial| row(f, trial, *scratch_s))?;
        }
        Ok(())
    })
}

fn row(f: &mut fmt::Formatter<'_>, trial: &Trial, scratch_s: f64) -> fmt::Result {
    let Trial { scenario, way, minutes, seconds, in_all_s, unsure, scores } = trial;
    let share = |which: fn(&Score) -> bool| percent(count(scores, which), scores.len());
    let times = if *seconds > 0.0 { format!("{:.1}", scratch_s / seconds) } else { "–".to_owned() };
    writeln!(
        f,
        "| {scenario} | {} | {minutes} | {} | {} | {} | {seconds:.1} | {times} | {in_all_s:.1} |",
        way.word(),
        share(|score| score.exact),
        share(|score| score.services),
        percent(*unsure, scores.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_is_told_against_a_day_from_scratch() {
        let right = Score { exact: true, services: true, ..Score::default() };
        let trial = |way, minutes, seconds, unsure| Trial {
            scenario: "A",
            way,
            minutes,
            seconds,
            in_all_s: seconds + 2.0,
            unsure,
            scores: vec![right, Score::default()],
        };
        let trials = vec![trial(Way::Before, 0, 0.0, 2), trial(Way::Partial, 25, 0.5, 0)];
        let current = Current {
            app: "social-network".to_owned(),
            split: "tuning",
            before: (2, 2),
            scratch_s: 10.0,
            trials,
        };
        let table = table(&[current]).to_string();
        let lines = Vec::from_iter(table.lines());
        assert!(
            lines[0].contains("100 % [34–100] exact of 2 incidents") && lines[0].ends_with("10.0 s."),
            "{table}"
        );
        assert_eq!(lines[4], "| A | model of before | 0 | 50 % | 50 % | 100 % | 0.0 | – | 2.0 |");
        assert_eq!(lines[5], "| A | incremental and partial | 25 | 50 % | 50 % | 0 % | 0.5 | 20.0 | 2.5 |");
    }
}
