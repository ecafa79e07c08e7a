//! Whether predictions can be taken at their word: the counterfactual tail of every suspect that a verdict
//! describes against the true one, which the lab knows by running the incident again with that service
//! normal.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::EvalError;
use super::case::{Case, TIMING};
use super::ground::{Ground, write};
use super::run::{Plan, Tell, each_case, ground_of};
use crate::domain::{Resource, Verdict};
use crate::lab::sim::SECOND;
use crate::lab::truth::{Answer, Normal};

/// Value of [`Calibration::schema`].
pub const SCHEMA: &str = "sagetop.calibration/1";
/// Length of a window in seconds.
const WINDOW_S: u64 = 60;
/// A tail that changes by less is taken as unchanged: nothing was predicted about it.
const CHANGE: f64 = 0.05;
/// Bounds of the bins of P(SLO met).
pub const BINS: [f64; 6] = [0.0, 0.1, 0.3, 0.7, 0.9, 1.0];

/// One prediction and what is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Seed of the incident.
    pub seed: u64,
    /// Service that is normal.
    pub service: String,
    /// The tail as observed, milliseconds.
    pub observed_ms: f64,
    /// Median prediction and 90 % interval, milliseconds.
    pub predicted_ms: (f64, f64, f64),
    /// Predicted probability that the objective is met.
    pub p_met: f64,
    /// The true tail, milliseconds.
    pub true_ms: f64,
    /// Whether the objective is truly met.
    pub met: bool,
}

impl Prediction {
    /// Whether the interval holds the truth.
    pub fn holds(&self) -> bool {
        (self.predicted_ms.1..=self.predicted_ms.2).contains(&self.true_ms)
    }
}

/// How an application's predictions fared.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The application.
    pub app: String,
    /// Which seeds: `tuning` or `held back`.
    pub split: &'static str,
    /// The predictions.
    pub predictions: Vec<Prediction>,
}

/// Asks about the cases of `plan` and simulates what was predicted.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn calibrate(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Calibration, EvalError> {
    let ground = ground_of(plan, runtime, tell)?;
    tell.cases(plan.cases);
    let predictions = each_case(plan, &ground, tell, |case| of_case(&ground, case, &case.ask()?.0))?;
    let predictions = predictions.concat();
    Ok(Calibration { schema: SCHEMA, app: plan.app.name.to_string(), split: plan.split(), predictions })
}

/// What a verdict predicts about an incident, and what is true, where either says that the tail changes.
///
/// # Errors
/// The lab failed, or what it says cannot be kept.
pub fn of_case(ground: &Ground, case: &Case, verdict: &Verdict) -> Result<Vec<Prediction>, EvalError> {
    let path = case.folder().join("tails.json");
    let kept = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut tails: BTreeMap<String, f64> = kept.unwrap_or_default();
    let known = tails.len();
    let moment = case.truth.moment(ground);
    let candidates = moment.candidates();
    let limit = ground.app.objective.limit_ms;
    let mut predictions = Vec::new();
    for suspect in &verdict.suspects {
        let Some(predicted) = &suspect.counterfactual else { continue };
        let Some(id) = ground.app.service(suspect.service.as_str()) else { continue };
        let own =
            candidates.iter().filter(|(service, resource)| *service == id && *resource != Resource::Load);
        let normal: Normal = own.copied().collect();
        let key = if normal.is_empty() { String::new() } else { suspect.service.as_str().to_owned() };
        let true_ms = match tails.get(&key) {
            Some(tail) => *tail,
            None => {
                let tail = as_measured(&moment.answers(&normal, &[])?, ground.app.objective.quantile);
                tails.insert(key, tail);
                tail
            }
        };
        let observed_ms = verdict.slo.observed_ms.unwrap_or(f64::NAN);
        let changed = |ms: f64| (ms / observed_ms).ln().abs() > CHANGE;
        if changed(true_ms) || changed(predicted.quantile_ms) {
            predictions.push(Prediction {
                seed: case.truth.seed,
                service: suspect.service.as_str().to_owned(),
                observed_ms,
                predicted_ms: (predicted.quantile_ms, predicted.low_ms, predicted.high_ms),
                p_met: predicted.p_slo_met,
                true_ms,
                met: true_ms <= limit,
            });
        }
    }
    if tails.len() > known {
        write(&path, &serde_json::to_vec(&tails).unwrap_or_default())?;
    }
    Ok(predictions)
}

/// The tail as the product measures it: the median over the windows of each window's quantile.
pub(super) fn as_measured(answers: &[Answer], quantile: f64) -> f64 {
    let mut windows: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for answer in answers {
        let window = answer.sent / SECOND / WINDOW_S;
        windows.entry(window).or_default().extend(answer.seen);
    }
    let of_window = |mut seen: Vec<u64>| {
        seen.sort_unstable();
        let at = (quantile * seen.len() as f64 - 1e-9).ceil().max(1.0) as usize - 1;
        seen.get(at).map(|ns| *ns as f64 / 1e6)
    };
    let mut tails: Vec<f64> = windows.into_values().filter_map(of_window).collect();
    tails.sort_by(f64::total_cmp);
    debug_assert!((TIMING.window_s.0 as u64).is_multiple_of(WINDOW_S));
    tails.get(tails.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The table of calibrations, over several applications.
pub fn table(all: &[Calibration]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        let rows = all.iter().map(|calibration| (calibration.app.as_str(), calibration.predictions.clone()));
        predictions_table(f, &Vec::from_iter(rows))
    })
}

/// How often intervals hold the truth, by application, and how often what is predicted with so much
/// probability comes true.
pub(super) fn predictions_table(f: &mut fmt::Formatter<'_>, all: &[(&str, Vec<Prediction>)]) -> fmt::Result {
    writeln!(
        f,
        "| application | predictions | within the 90 % interval | above it | below it | median error |"
    )?;
    writeln!(f, "|---|--:|--:|--:|--:|--:|")?;
    for (app, predictions) in all {
        row(f, app, predictions)?;
    }
    let together = Vec::from_iter(all.iter().flat_map(|(_, predictions)| predictions.iter().cloned()));
    row(f, "all", &together)?;
    writeln!(f, "\n| P(SLO met) as predicted | predictions | mean | truly met |\n|---|--:|--:|--:|")?;
    for bounds in BINS.windows(2) {
        let [low, high] = bounds else { continue };
        let last = *high >= 1.0;
        let here = together.iter().filter(|p| p.p_met >= *low && (p.p_met < *high || last));
        let here = Vec::from_iter(here);
        let n = here.len().max(1) as f64;
        let mean = here.iter().map(|p| p.p_met).sum::<f64>() / n;
        let met = here.iter().filter(|p| p.met).count() as f64 / n;
        writeln!(f, "| {low} to {high} | {} | {mean:.2} | {met:.2} |", here.len())?;
    }
    Ok(())
}

fn row(f: &mut fmt::Formatter<'_>, app: &str, predictions: &[Prediction]) -> fmt::Result {
    let share = |is: &dyn Fn(&Prediction) -> bool| {
        let many = predictions.iter().filter(|p| is(p)).count();
        format!("{:.0} %", 100.0 * many as f64 / predictions.len().max(1) as f64)
    };
    let mut errors = Vec::from_iter(predictions.iter().map(|p| (p.predicted_ms.0 / p.true_ms).ln().abs()));
    errors.sort_by(f64::total_cmp);
    let error = errors.get(errors.len() / 2).map_or(f64::NAN, |error| error.exp() - 1.0);
    writeln!(
        f,
        "| `{app}` | {} | {} | {} | {} | {:.0} % |",
        predictions.len(),
        share(&Prediction::holds),
        share(&|p| p.true_ms > p.predicted_ms.2),
        share(&|p| p.true_ms < p.predicted_ms.1),
        100.0 * error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_middle_one_of_the_windows() {
        let answer = |id: u64, minute: u64, ms: u64| Answer {
            id,
            sent: minute * WINDOW_S * SECOND + id,
            latency: None,
            seen: Some(ms * 1_000_000),
        };
        let answers = Vec::from_iter((0..300).map(|id| {
            let (minute, place) = (12 + id / 100, id % 100);
            answer(id, minute, if place >= 99 { 1_000 } else { 10 * (minute - 11) + place / 98 })
        }));
        assert_eq!(as_measured(&answers, 0.99), 21.0);
        assert!(as_measured(&[], 0.99).is_nan());
    }
}
