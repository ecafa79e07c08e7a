//! Whether what-if can be taken at its word: the tail that more CPU or more replicas for a service that runs
//! short of CPU are predicted to bring against the one they bring in the lab, and whether the smallest
//! amount that is predicted to suffice does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::EvalError;
use super::calibration::{Prediction, as_measured, predictions_table};
use super::case::{Case, TIMING};
use super::ground::{Ground, write};
use super::run::{Plan, Tell, each_case, ground_of};
use super::share::percent;
use crate::domain::{Lever, Move, NoProgress, Resource, ServiceName};
use crate::lab::scenario::{FIRST_DISTRACTOR, word};
use crate::lab::sim::{Change, SECOND};
use crate::lab::truth::Blame;

/// Factors on the CPU limit, and on the number of replicas, from the smallest on.
const FACTORS: [f64; 4] = [1.25, 1.5, 2.0, 3.0];
/// Least P(SLO met) with which an amount is proposed.
const PROPOSED: f64 = 0.5;

/// What is made larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The CPU limit of each replica.
    Cpu,
    /// The number of replicas.
    Replicas,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Cpu => "CPU limit",
            Self::Replicas => "replicas",
        }
    }
}

/// One amount of one kind for one service in one incident.
#[derive(Clone, Debug, Serialize)]
pub struct Amount {
    /// Kind of the fault that the service lacks CPU for.
    pub broke: String,
    /// What is made larger.
    pub kind: Kind,
    /// By which factor.
    pub factor: f64,
    /// What is predicted, and what is true.
    pub prediction: Prediction,
}

/// How an application's what-ifs fared.
#[derive(Clone, Debug, Serialize)]
pub struct Sizing {
    /// The application.
    pub app: String,
    /// Which seeds.
    pub split: &'static str,
    /// By incident, service and kind, from the smallest amount on.
    pub amounts: Vec<Amount>,
}

/// Asks about the cases of `plan` in which a service lacks CPU, and makes the changes in the lab.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn measure(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Sizing, EvalError> {
    let ground = ground_of(plan, runtime, tell)?;
    tell.cases(plan.cases);
    let amounts = each_case(plan, &ground, tell, |case| of_case(&ground, case))?.concat();
    Ok(Sizing { app: plan.app.name.to_string(), split: plan.split(), amounts })
}

/// What can be tried: the move, and the change in the lab.
struct Trial {
    service: String,
    broke: String,
    kind: Kind,
    factor: f64,
    lever: Lever,
    change: Change,
}

fn trials(ground: &Ground, case: &Case) -> Vec<Trial> {
    let mut trials = Vec::new();
    // What a neighbour takes, no limit of one's own gives back.
    let own = |blame: &&Blame| blame.cause.resource == Resource::Cpu && blame.node.is_none();
    for blame in case.truth.causes.iter().filter(own) {
        let Some(id) = ground.app.service(&blame.cause.service) else { continue };
        let service = &ground.app.services[id];
        let name = || blame.cause.service.clone();
        let broke = || broke(case, &blame.cause.service);
        let mut add = |kind, factor, lever, change| {
            trials.push(Trial { service: name(), broke: broke(), kind, factor, lever, change });
        };
        for factor in FACTORS {
            if let Some(from) = service.cpu_limit {
                let to = from * factor;
                add(Kind::Cpu, factor, Lever::Cpu { from, to }, Change::CpuLimit(id, Some(to)));
            }
        }
        let mut least = service.replicas;
        for factor in FACTORS {
            // Whole replicas: factors that come to as many are one.
            let to = (f64::from(service.replicas) * factor).ceil() as u32;
            if to > least {
                let lever = Lever::Replicas { from: service.replicas, to };
                add(
                    Kind::Replicas,
                    f64::from(to) / f64::from(service.replicas),
                    lever,
                    Change::Replicas(id, to),
                );
                least = to;
            }
        }
    }
    trials
}

/// The kinds of the faults at a service.
fn broke(case: &Case, service: &str) -> String {
    let here = case.truth.faults.iter().filter(|fault| fault.id < FIRST_DISTRACTOR);
    let here = here.filter(|fault| fault.kind.service() == Some(service));
    Vec::from_iter(here.map(|fault| word(&fault.kind))).join(" and ")
}

fn of_case(ground: &Ground, case: &Case) -> Result<Vec<Amount>, EvalError> {
    let trials = trials(ground, case);
    if trials.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |source| ground.failed(&format!("incident {}", case.truth.seed), source);
    let (engine, picture) = case.picture()?;
    let slo = engine.slo(None).map_err(failed)?.clone();
    let learned = ground.runtime.block_on(engine.learn(case.at(), false, Arc::new(NoProgress)));
    let learned = learned.map_err(failed)?;
    let of = |trial: &Trial| vec![Move { service: ServiceName::new(&trial.service), lever: trial.lever }];
    let changes = Vec::from_iter(trials.iter().map(of));
    let predicted = engine.what_if(&slo, &picture, &learned, &changes).map_err(failed)?;
    let observed_ms = picture.statuses.first().and_then(|status| status.observed_ms).unwrap_or(f64::NAN);
    let path = case.folder().join("changes.json");
    let kept = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut tails: BTreeMap<String, f64> = kept.unwrap_or_default();
    let moment = case.truth.moment(ground);
    let mut amounts = Vec::new();
    for (trial, predicted) in trials.into_iter().zip(predicted) {
        // Nobody can tell: nothing of it is measured.
        let Some(predicted) = predicted else { continue };
        let key = format!("{} {:?}", trial.service, trial.change);
        let true_ms = match tails.get(&key) {
            Some(tail) => *tail,
            None => {
                // As soon as it breaks, so that new replicas are up in the windows that count.
                let at = (TIMING.lead_s * SECOND as f64) as u64;
                let answers = moment.answers(&Default::default(), &[(at, trial.change)])?;
                let tail = as_measured(&answers, ground.app.objective.quantile);
                tails.insert(key, tail);
                write(&path, &serde_json::to_vec(&tails).unwrap_or_default())?;
                tail
            }
        };
        amounts.push(Amount {
            broke: trial.broke,
            kind: trial.kind,
            factor: trial.factor,
            prediction: Prediction {
                seed: case.truth.seed,
                service: trial.service,
                observed_ms,
                predicted_ms: (predicted.quantile_ms, predicted.low_ms, predicted.high_ms),
                p_met: predicted.p_slo_met,
                true_ms,
                met: true_ms <= ground.app.objective.limit_ms,
            },
        });
    }
    Ok(amounts)
}

/// How the smallest amounts fared that were predicted to suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sized {
    /// Services in incidents for which amounts were tried.
    asked: usize,
    /// An amount was proposed …
    proposed: usize,
    /// … and it suffices …
    suffices: usize,
    /// … and no smaller one does.
    smallest: usize,
    /// None was proposed, and none suffices.
    rightly_none: usize,
}

/// Of amounts with the application that they are of.
fn sized<'a>(amounts: impl Iterator<Item = (&'a str, &'a Amount)>) -> BTreeMap<Kind, Sized> {
    let mut groups: BTreeMap<(Kind, &str, u64, &str), Vec<&Amount>> = BTreeMap::new();
    for (app, amount) in amounts {
        let Prediction { seed, service, .. } = &amount.prediction;
        groups.entry((amount.kind, app, *seed, service)).or_default().push(amount);
    }
    let mut by_kind: BTreeMap<Kind, Sized> = BTreeMap::new();
    for ((kind, ..), mut group) in groups {
        group.sort_by(|a, b| a.factor.total_cmp(&b.factor));
        let sized = by_kind.entry(kind).or_default();
        sized.asked += 1;
        let enough = group.iter().position(|amount| amount.prediction.met);
        match group.iter().position(|amount| amount.prediction.p_met >= PROPOSED) {
            Some(proposed) => {
                sized.proposed += 1;
                sized.suffices += usize::from(group[proposed].prediction.met);
                sized.smallest += usize::from(enough == Some(proposed));
            }
            None => sized.rightly_none += usize::from(enough.is_none()),
        }
    }
    by_kind
}

/// Predictions against the truth, and what became of the amounts that would have been proposed.
pub fn table(all: &[Sizing]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        let rows = all.iter().map(|sizing| {
            let predictions = sizing.amounts.iter().map(|amount| amount.prediction.clone());
            (sizing.app.as_str(), Vec::from_iter(predictions))
        });
        predictions_table(f, &Vec::from_iter(rows))?;
        writeln!(
            f,
            "\n| what grows | services short of CPU | proposed | of these sufficient | and the smallest | none proposed, and none suffices |\n|---|--:|--:|--:|--:|--:|"
        )?;
        let amounts = || all.iter().flat_map(|s| s.amounts.iter().map(|amount| (s.app.as_str(), amount)));
        for (kind, s) in sized(amounts()) {
            let what = kind.word();
            let Sized { asked, proposed, suffices, smallest, rightly_none } = s;
            let none = asked - proposed;
            writeln!(
                f,
                "| {what} | {asked} | {proposed} | {suffices} | {smallest} | {rightly_none} of {none} |"
            )?;
        }
        writeln!(
            f,
            "\n| what broke | what grows | predictions | within the 90 % interval | P(SLO met) at least a half | of these met |\n|---|---|--:|--:|--:|--:|"
        )?;
        let mut by_fault: BTreeMap<(&str, Kind), Vec<&Prediction>> = BTreeMap::new();
        for (_, Amount { broke, kind, prediction, .. }) in amounts() {
            by_fault.entry((broke, *kind)).or_default().push(prediction);
        }
        for ((broke, kind), predictions) in by_fault {
            let count = |is: fn(&Prediction) -> bool| predictions.iter().filter(|p| is(p)).count();
            let within = percent(count(Prediction::holds), predictions.len());
            let proposed = count(|p| p.p_met >= PROPOSED);
            let met = count(|p| p.p_met >= PROPOSED && p.met);
            let (what, of) = (kind.word(), predictions.len());
            writeln!(f, "| {broke} | {what} | {of} | {within} | {proposed} | {met} |")?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(seed: u64, factor: f64, p_met: f64, met: bool) -> Amount {
        let prediction = Prediction {
            seed,
            service: "geo".to_owned(),
            observed_ms: 300.0,
            predicted_ms: (100.0, 50.0, 200.0),
            p_met,
            true_ms: 90.0,
            met,
        };
        Amount { broke: "cpu-hog".to_owned(), kind: Kind::Cpu, factor, prediction }
    }

    #[test]
    fn the_smallest_amount_that_is_predicted_to_suffice_is_judged() {
        let amounts = [
            // Twice as much is proposed and suffices, as half as much again would.
            amount(1, 1.5, 0.3, true),
            amount(1, 2.0, 0.8, true),
            // What is proposed is the smallest that does.
            amount(2, 1.5, 0.1, false),
            amount(2, 2.0, 0.9, true),
            // Nothing is proposed, and nothing suffices.
            amount(3, 1.5, 0.0, false),
            // Too little is proposed.
            amount(4, 1.5, 0.6, false),
            amount(4, 2.0, 0.9, true),
        ];
        let sized = sized(amounts.iter().rev().map(|amount| ("hotel", amount)));
        let expected = Sized { asked: 4, proposed: 3, suffices: 2, smallest: 1, rightly_none: 1 };
        assert_eq!(sized.get(&Kind::Cpu), Some(&expected));
    }
}
