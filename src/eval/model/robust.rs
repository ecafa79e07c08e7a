//! What is left of the accuracy where an application is measured badly: rare or lost scrapes, metrics that
//! nobody exports, latencies from few traces, clocks that disagree.
//!
//! Everything is lived through again under each condition, from the day of history on: the same incidents
//! in the same application, seen by another monitoring.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::EvalError;
use super::case::Case;
use super::ground::{Conditions, END_S, Ground, HISTORY_S, moment};
use super::report::wilson;
use super::run::{Plan, Tell, ground_under};
use super::score::{Score, named, score};
use crate::domain::{Column, NoProgress, Verdict, VerdictKind};

/// Share of the services' metrics that are missing under one of the conditions.
const MISSING: f64 = 0.3;

/// A way to be measured badly.
#[derive(Clone, Copy, Debug)]
struct Flaw {
    what: &'static str,
    conditions: fn(Conditions) -> Conditions,
    /// Share of metrics that nobody exports.
    missing: f64,
}

const fn flaw(what: &'static str, conditions: fn(Conditions) -> Conditions) -> Flaw {
    Flaw { what, conditions, missing: 0.0 }
}

const FLAWS: [Flaw; 10] = [
    flaw("a scrape every 15 s, latencies from metrics", |c| c),
    flaw("a scrape every 5 s", |c| Conditions { scrape_s: 5.0, ..c }),
    flaw("a scrape every 30 s", |c| Conditions { scrape_s: 30.0, ..c }),
    flaw("a scrape every minute", |c| Conditions { scrape_s: 60.0, ..c }),
    flaw("a scrape every 2 minutes", |c| Conditions { scrape_s: 120.0, ..c }),
    flaw("20 % of scrapes lost", |c| Conditions { lost_scrapes: 0.2, ..c }),
    Flaw { what: "30 % of metrics missing", conditions: |c| c, missing: MISSING },
    flaw("latencies from 5 % of traces", |c| Conditions { traces: Some(0.05), ..c }),
    flaw("latencies from 0.5 % of traces", |c| Conditions { traces: Some(0.005), ..c }),
    flaw("latencies from 5 % of traces, clocks 50 ms apart", |c| Conditions {
        traces: Some(0.05),
        clock_skew_ms: 50.0,
        ..c
    }),
];

/// What came of one condition.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// In words.
    pub what: &'static str,
    /// Verdicts that say "unsure" and would not have been right.
    pub unsure: usize,
    /// The answers, by incident.
    pub scores: Vec<Score>,
}

/// All conditions.
#[derive(Clone, Debug, Serialize)]
pub struct Robust {
    /// The application.
    pub app: String,
    /// Which seeds.
    pub split: &'static str,
    /// By condition; the first is the ordinary one.
    pub conditions: Vec<Condition>,
}

/// Asks about the cases of `plan` under all conditions.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn measure(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Robust, EvalError> {
    tell.cases(plan.cases * FLAWS.len());
    let mut conditions = Vec::new();
    for flaw in FLAWS {
        tell.say(flaw.what);
        let ground = ground_under(plan, (flaw.conditions)(Conditions::default()), runtime, tell)?;
        let mut condition = Condition { what: flaw.what, unsure: 0, scores: Vec::new() };
        for index in 0..plan.cases as u64 {
            let case = Case::open(&ground, plan.seed + index)?;
            let verdict =
                if flaw.missing > 0.0 { without(&ground, &case, flaw.missing)? } else { case.ask()?.0 };
            let score = score(case.truth.sets(), &named(&verdict), &[]);
            condition.unsure += usize::from(verdict.kind == VerdictKind::Unsure && !score.exact);
            condition.scores.push(score);
            tell.case();
        }
        conditions.push(condition);
    }
    Ok(Robust { app: plan.app.name.to_string(), split: plan.split(), conditions })
}

/// The verdict where a share of the metrics was never exported.
fn without(ground: &Ground, case: &Case, share: f64) -> Result<Verdict, EvalError> {
    let lacks = |column: &Column| lacks(column, share);
    let failed = |source| ground.failed("metrics missing", source);
    let (engine, mut picture) = case.picture()?;
    let slo = engine.slo(None).map_err(failed)?.clone();
    let after = moment(END_S - HISTORY_S.cast_signed());
    let learned = engine.learn_between(after, moment(END_S), lacks, None);
    let learned = ground.runtime.block_on(learned).map_err(failed)?;
    picture.frame.columns.retain(|column, _| !lacks(column));
    engine.answer(&slo, &picture, &learned, &NoProgress).map_err(failed)
}

/// Whether nobody exports this metric: the same ones each time.
fn lacks(column: &Column, share: f64) -> bool {
    let Column::Metric { entity, feature, .. } = column else { return false };
    let digest = Sha256::digest(format!("{entity:?} {feature}"));
    f64::from(digest[0]) < 256.0 * share
}

/// The conditions as a table.
pub fn table(all: &[Robust]) -> String {
    let mut text = String::from(
        "| application | condition | exact [95 %] | services | unsure instead of wrong |\n|---|---|--:|--:|--:|\n",
    );
    for robust in all {
        for condition in &robust.conditions {
            let of = condition.scores.len();
            let count = |which: fn(&Score) -> bool| condition.scores.iter().filter(|s| which(s)).count();
            let (share, low, high) = wilson(count(|score| score.exact), of);
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {:.0} % [{:.0}–{:.0}] | {:.0} % | {:.0} % |",
                robust.app,
                condition.what,
                100.0 * share,
                100.0 * low,
                100.0 * high,
                100.0 * count(|score| score.services) as f64 / of.max(1) as f64,
                100.0 * condition.unsure as f64 / of.max(1) as f64,
            );
        }
    }
    text
}
