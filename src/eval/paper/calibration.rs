//! Calibration: whether predicted counterfactuals and probabilities can be taken at their word.

use std::collections::BTreeMap;

use super::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use super::run::{Unit, Work, fill};
use super::{Ledger, PaperError, Settings};
use crate::eval::model::calibration::{BINS, Prediction, of_case};
use crate::eval::model::case::Case;
use crate::eval::model::run::ground_of;
use crate::lab::app::Application;

/// Raised when predictions are judged in another way.
const RECIPE: u32 = 1;
/// What the intervals promise.
const PROMISED: f64 = 0.9;

fn keys(settings: &Settings, app: &Application) -> Vec<String> {
    let key = |seed| format!("calibration/{}/{}/{seed}/{RECIPE}", app.name, settings.nodes);
    settings.seeds().map(key).collect()
}

/// All units of work.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let keys = settings.apps.iter().flat_map(|app| {
        let usual_s = 2.0 + 1.5 * app.services.len() as f64;
        keys(settings, app).into_iter().map(move |key| Unit { key, usual_s })
    });
    keys.collect()
}

/// Compares the predictions about every incident that nothing is known of with what is true.
///
/// # Errors
/// The lab or the engine failed.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    let Work { settings, ledger, runtime, tell } = work;
    for app in &settings.apps {
        let keys = keys(settings, app);
        if keys.iter().all(|key| ledger.knows(key)) {
            continue;
        }
        let ground = ground_of(&settings.plan(app), runtime, tell)?;
        tell.say(&format!("predictions about {}", app.name));
        let seeds = Vec::from_iter(settings.seeds());
        fill(&keys, settings.threads, ledger, tell, |index| {
            let case = Case::open(&ground, seeds[index])?;
            let (verdict, _) = case.ask()?;
            Ok(of_case(&ground, &case, &verdict)?)
        })?;
    }
    Ok(())
}

type Predictions = BTreeMap<String, Vec<Prediction>>;

/// The figure, if anything was predicted.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let of_app = |app: &Application| {
        let known = keys(settings, app).into_iter().filter_map(|key| ledger.get::<Vec<Prediction>>(&key));
        (app.name.to_string(), known.flatten().collect::<Vec<_>>())
    };
    let all = settings.apps.iter().map(|app| of_app(app)).filter(|(_, known)| !known.is_empty());
    let all = Predictions::from_iter(all);
    let together = Vec::from_iter(all.values().flatten().cloned());
    let bins = bins(&together);
    (!together.is_empty()).then(|| Figure {
        name: "calibration",
        title: format!("Counterfactuals against the truth: {} predictions, 95 % intervals", together.len()),
        tables: vec![coverage(&all, &together), reliability(&bins)],
        data: data(&all),
        drawing: drawing(&all, &together, &bins),
    })
}

/// What a place is called, and whether a prediction has the truth there.
type Place = (&'static str, fn(&Prediction) -> bool);

/// Whether the truth lies within, above or below the predicted interval.
const PLACES: [Place; 3] = [
    ("within the 90 % interval", Prediction::holds),
    ("above it", |p| p.true_ms > p.predicted_ms.2),
    ("below it", |p| p.true_ms < p.predicted_ms.1),
];

fn share(predictions: &[Prediction], is: fn(&Prediction) -> bool) -> Option<Estimate> {
    Estimate::share(predictions.iter().filter(|p| is(p)).count(), predictions.len())
}

/// A bin of P(SLO met): its bounds, the mean prediction, how often it was met, and of how many.
struct Bin {
    bounds: (f64, f64),
    mean: f64,
    met: Estimate,
    count: usize,
}

fn bins(predictions: &[Prediction]) -> Vec<Bin> {
    let bin = |bounds: &[f64]| {
        let [low, high] = *bounds else { return None };
        let last = high >= 1.0;
        let is_here = |p: &&Prediction| p.p_met >= low && (p.p_met < high || last);
        let here = Vec::from_iter(predictions.iter().filter(is_here));
        let met = Estimate::share(here.iter().filter(|p| p.met).count(), here.len())?;
        let mean = here.iter().map(|p| p.p_met).sum::<f64>() / here.len() as f64;
        Some(Bin { bounds: (low, high), mean, met, count: here.len() })
    };
    BINS.windows(2).filter_map(bin).collect()
}

fn drawing(all: &Predictions, together: &[Prediction], bins: &[Bin]) -> Drawing {
    let (_, within) = PLACES[0];
    let values = all.values().map(|known| vec![share(known, within)]);
    let coverage = Panel {
        title: "truth within the 90 % interval".to_owned(),
        x: String::new(),
        y: Scale { limit: Some((PROMISED, "promised".to_owned())), ..Scale::percent("predictions") },
        content: Content::Bars {
            groups: all.keys().cloned().chain(["all".to_owned()]).collect(),
            values: values.chain([vec![share(together, within)]]).collect(),
            published: Vec::new(),
        },
    };
    let reliability = Panel {
        title: "P(SLO met), predicted and true".to_owned(),
        x: "predicted, mean of the bin".to_owned(),
        y: Scale::percent("truly met"),
        content: Content::Reliability {
            points: bins.iter().map(|bin| (bin.mean, bin.met, bin.count)).collect(),
        },
    };
    Drawing { columns: 2, height: 300, legend: Vec::new(), panels: vec![coverage, reliability] }
}

fn coverage(all: &Predictions, together: &[Prediction]) -> Table {
    let mut head = vec!["application", "predictions"];
    head.extend(PLACES.map(|(name, _)| name));
    head.push("median error");
    let mut table = Table::new(&head);
    let mut row = |app: &str, known: &[Prediction]| {
        let mut cells = vec![cell(app), cell(known.len())];
        cells.extend(PLACES.map(|(_, is)| {
            share(known, is).map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share.value))
        }));
        let mut errors = Vec::from_iter(known.iter().map(|p| (p.predicted_ms.0 / p.true_ms).ln().abs()));
        errors.sort_by(f64::total_cmp);
        let error = errors.get(errors.len() / 2).map_or(f64::NAN, |error| error.exp() - 1.0);
        cells.push(format!("{:.0} %", 100.0 * error));
        table.row(cells);
    };
    all.iter().for_each(|(app, known)| row(app, known));
    if all.len() > 1 {
        row("all", together);
    }
    table
}

fn reliability(bins: &[Bin]) -> Table {
    let mut table = Table::new(&["P(SLO met) as predicted", "predictions", "mean", "truly met [95 %]"]);
    for Bin { bounds: (low, high), mean, met, count } in bins {
        let met = format!("{:.2} [{:.2}–{:.2}]", met.value, met.low, met.high);
        table.row([format!("{low} to {high}"), cell(count), format!("{mean:.2}"), met]);
    }
    table
}

fn data(all: &Predictions) -> Table {
    let mut table = Table::new(&[
        "application",
        "seed",
        "service",
        "observed_ms",
        "predicted_ms",
        "low_ms",
        "high_ms",
        "p_met",
        "true_ms",
        "met",
    ]);
    for (app, known) in all {
        for p in known {
            let ms = |value: f64| format!("{value:.2}");
            let (median, low, high) = p.predicted_ms;
            table.row([
                cell(app),
                cell(p.seed),
                cell(&p.service),
                ms(p.observed_ms),
                ms(median),
                ms(low),
                ms(high),
                format!("{:.4}", p.p_met),
                ms(p.true_ms),
                cell(p.met),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(p_met: f64, true_ms: f64) -> Prediction {
        Prediction {
            seed: 1,
            service: "db".to_owned(),
            observed_ms: 300.0,
            predicted_ms: (100.0, 80.0, 120.0),
            p_met,
            true_ms,
            met: true_ms <= 110.0,
        }
    }

    #[test]
    fn bins_compare_what_was_predicted_with_what_is_true() {
        let known = [
            prediction(0.95, 100.0),
            prediction(1.0, 105.0),
            prediction(0.9, 130.0),
            prediction(0.05, 200.0),
        ];
        let bins = bins(&known);
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 3]);
        assert!((bins[1].met.value - 2.0 / 3.0).abs() < 1e-12 && (bins[1].mean - 0.95).abs() < 1e-12);
        let shares = PLACES.map(|(_, is)| share(&known, is).map(|share| share.value));
        assert_eq!(shares, [Some(0.5), Some(0.5), Some(0.0)]);
        assert!(
            coverage(&Predictions::from([("a".to_owned(), known.to_vec())]), &known)
                .to_string()
                .contains("| a | 4 | 50 % | 50 % | 0 % |")
        );
    }
}
