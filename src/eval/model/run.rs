//! A run over many cases, on several threads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Handle;

use super::EvalError;
use super::case::{Case, Truth};
use super::ground::{Conditions, Ground};
use super::others::{Others, Reply};
use super::report::Accuracy;
use super::score::{Named, Score, named, score};
use crate::domain::{Verdict, VerdictKind};
use crate::eval::difficulty::each;
use crate::lab::app::Application;

/// Seeds from this one on are held back: nothing may be changed because of what they show.
pub const HELD_BACK: u64 = 10_001;
/// The last seed to develop with.
pub const LAST_TUNING: u64 = 1_000;

/// Hears how far a run is.
pub trait Tell: Send + Sync {
    /// What is being done.
    fn say(&self, what: &str);
    /// So many cases will be done.
    fn cases(&self, many: usize);
    /// A case is done.
    fn case(&self);
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The application.
    pub app: Arc<Application>,
    /// Machines of its cluster.
    pub nodes: usize,
    /// Seed of the first case; the others follow.
    pub seed: u64,
    /// How many cases.
    pub cases: usize,
    /// How many labelled cases are shown to the methods that need some.
    pub labels: usize,
    /// Threads.
    pub threads: usize,
    /// Where grounds and cases are kept.
    pub work: PathBuf,
}

impl Plan {
    /// Which part of the seeds it takes from.
    pub fn split(&self) -> &'static str {
        match (self.seed, self.seed + self.cases as u64) {
            (_, end) if end <= LAST_TUNING + 1 => "tuning",
            (first, _) if first >= HELD_BACK => "held back",
            _ => "mixed",
        }
    }
}

/// One case and what was made of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The truth.
    pub truth: Truth,
    /// Whether the objective was violated as the product measures it.
    pub violated: bool,
    /// What kind of answer.
    pub kind: VerdictKind,
    /// What it blames.
    pub blamed: Vec<Named>,
    /// How good it is.
    pub score: Score,
    /// The whole answer.
    pub verdict: Verdict,
    /// What the others say.
    pub others: BTreeMap<String, Reply>,
}

/// Makes the ground and the cases, or takes them from where they are kept, and asks.
///
/// The result does not depend on the number of threads.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn measure(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Accuracy, EvalError> {
    let ground = ground_of(plan, runtime, tell)?;
    let others = Others::new(&ground, plan, runtime, tell)?;
    tell.cases(plan.cases);
    let outcomes = each_case(plan, &ground, tell, |case| ask(case, &others))?;
    Ok(Accuracy::new(plan, others.settings(), outcomes))
}

/// What `ask` makes of each case of `plan` on `ground`, on several threads, in order.
///
/// # Errors
/// The first of `ask`, or a case could not be made.
pub fn each_case<T: Send>(
    plan: &Plan,
    ground: &Ground,
    tell: &dyn Tell,
    ask: impl Fn(&Case) -> Result<T, EvalError> + Sync,
) -> Result<Vec<T>, EvalError> {
    tell.say("cases");
    each(plan.cases, plan.threads, |index| {
        let answer = ask(&Case::open(ground, plan.seed + index as u64)?)?;
        tell.case();
        Ok(answer)
    })
}

/// The ground of a plan's cases.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn ground_of(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Ground, EvalError> {
    ground_under(plan, Conditions::default(), runtime, tell)
}

/// The same where it is measured in another way.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn ground_under(
    plan: &Plan,
    conditions: Conditions,
    runtime: &Handle,
    tell: &dyn Tell,
) -> Result<Ground, EvalError> {
    // What is held back is held back with its own history.
    let seed = if plan.seed >= HELD_BACK { 2 } else { 1 };
    Ground::open(plan.app.clone(), plan.nodes, seed, conditions, &plan.work, runtime, tell)
}

fn ask(case: &Case, others: &Others) -> Result<Outcome, EvalError> {
    let (verdict, picture) = case.ask()?;
    let ranking = Vec::from_iter(verdict.ranking.iter().map(|ranked| ranked.service.as_str().to_owned()));
    let blamed = named(&verdict);
    Ok(Outcome {
        truth: case.truth.clone(),
        violated: verdict.slo.observed_ms.is_some_and(|ms| ms > verdict.slo.objective_ms),
        kind: verdict.kind,
        score: score(case.truth.sets(), &blamed, &ranking),
        blamed,
        verdict,
        others: others.ask(&picture)?,
    })
}
