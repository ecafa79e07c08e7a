//! What is left of the accuracy where an application is measured badly: rare or lost scrapes, metrics that
//! nobody exports, latencies from few traces, clocks that disagree.
//!
//! Everything is lived through again under each condition, from the day of history on: the same incidents
//! in the same application, seen by another monitoring.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::EvalError;
use super::case::Case;
use super::ground::{Conditions, END_S, Ground, HISTORY_S, moment};
use super::run::{Plan, Tell, each_case, ground_under};
use super::score::{Score, named, score};
use super::share::{count, interval, percent};
use crate::domain::{Column, Verdict, VerdictKind};
use crate::engine::Learned;

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
        let lacks = |column: &Column| lacks(column, flaw.missing);
        let learned = match flaw.missing > 0.0 {
            true => Some(learn_without(&ground, lacks)?),
            false => None,
        };
        let answers = each_case(plan, &ground, tell, |case| {
            let verdict = match &learned {
                Some(learned) => ask_without(case, learned, lacks)?,
                None => case.ask()?.0,
            };
            Ok((verdict.kind, score(case.truth.sets(), &named(&verdict), &[])))
        })?;
        let is_unsure = |(kind, score): &&(VerdictKind, Score)| *kind == VerdictKind::Unsure && !score.exact;
        conditions.push(Condition {
            what: flaw.what,
            unsure: answers.iter().filter(is_unsure).count(),
            scores: answers.into_iter().map(|(_, score)| score).collect(),
        });
    }
    Ok(Robust { app: plan.app.name.to_string(), split: plan.split(), conditions })
}

/// The model where some metrics were never exported.
fn learn_without(ground: &Ground, lacks: impl Fn(&Column) -> bool) -> Result<Arc<Learned>, EvalError> {
    let engine = ground.engine(&ground.folder.join("cache"))?;
    let after = moment(END_S - HISTORY_S.cast_signed());
    let learned = ground.runtime.block_on(engine.learn_between(after, moment(END_S), lacks, None));
    learned.map_err(|source| ground.failed("metrics missing", source))
}

/// Its verdict.
fn ask_without(
    case: &Case,
    learned: &Learned,
    lacks: impl Fn(&Column) -> bool,
) -> Result<Verdict, EvalError> {
    let (engine, mut picture) = case.picture()?;
    picture.frame.columns.retain(|column, _| !lacks(column));
    case.answer(&engine, &picture, learned)
}

/// Whether nobody exports this metric: the same ones each time.
fn lacks(column: &Column, share: f64) -> bool {
    let Column::Metric { entity, feature, .. } = column else { return false };
    let digest = Sha256::digest(format!("{entity:?} {feature}"));
    f64::from(digest[0]) < 256.0 * share
}

/// The conditions as a table.
pub fn table(all: &[Robust]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        writeln!(f, "| application | condition | exact [95 %] | services | unsure instead of wrong |")?;
        writeln!(f, "|---|---|--:|--:|--:|")?;
        for (app, condition) in
            all.iter().flat_map(|robust| robust.conditions.iter().map(|c| (&robust.app, c)))
        {
            let Condition { what, unsure, scores } = condition;
            let of = scores.len();
            let (exact, services) =
                (count(scores, |score| score.exact), count(scores, |score| score.services));
            let (exact, services) = (interval(exact, of), percent(services, of));
            writeln!(f, "| `{app}` | {what} | {exact} | {services} | {} |", percent(*unsure, of))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clean, Entity, Pool, Quantile, Rpc, ServiceName, Side, Stat};

    #[test]
    fn about_a_share_of_the_metrics_is_missing_and_no_latency() {
        let metric = |i: usize| Column::Metric {
            entity: Entity::Service(ServiceName::new(&format!("service-{i}"))),
            feature: Clean::new("cpu_usage"),
            pool: Pool::Mean,
        };
        let missing = (0..1_000).filter(|i| lacks(&metric(*i), MISSING)).count();
        assert!((250..350).contains(&missing), "{missing}");
        assert!((0..1_000).all(|i| !lacks(&metric(i), 0.0)));
        let rpc = Rpc::served_by(&ServiceName::new("web"));
        let latency = Column::Latency { rpc, side: Side::Server, stat: Stat::Quantile(Quantile(990)) };
        assert!(!lacks(&latency, 1.0));
    }
}
