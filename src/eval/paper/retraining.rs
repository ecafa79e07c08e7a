//! Retraining: what is left of the accuracy just after the application changed, and how it comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use super::run::{Unit, Work, fill};
use super::{Ledger, PaperError, Settings};
use crate::eval::model::current::{self, Trial};
use crate::eval::model::run::Plan;
use crate::eval::model::share::{interval, percent};
use crate::eval::model::variants::{APP, SCENARIOS};
use crate::eval::model::{EvalError, Tell};
use crate::lab::app;
use crate::lab::stage::StageError;

/// Most incidents after each change: a dozen models are asked about each.
const MOST: usize = 9;
/// Raised when models are judged in another way.
const RECIPE: u32 = 2;

/// One model after one change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    scenario: String,
    way: String,
    /// Minutes of life after the change that it has seen, and seconds that its training took.
    minutes: i64,
    seconds: f64,
    /// Answers: exact, right in the services, unsure; of how many.
    exact: usize,
    services: usize,
    unsure: usize,
    of: usize,
}

impl From<&Trial> for Model {
    fn from(trial: &Trial) -> Self {
        Self {
            scenario: trial.scenario.to_owned(),
            way: trial.way.word().to_owned(),
            minutes: trial.minutes,
            seconds: trial.seconds,
            exact: trial.scores.iter().filter(|score| score.exact).count(),
            services: trial.scores.iter().filter(|score| score.services).count(),
            unsure: trial.unsure,
            of: trial.scores.len(),
        }
    }
}

/// All models after all changes; the exact answers before any, of how many; and the seconds that a day takes to be
/// learned from scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Changes {
    before: (usize, usize),
    scratch_s: f64,
    models: Vec<Model>,
}

fn cases(settings: &Settings) -> usize {
    settings.cases.min(MOST)
}

fn key(settings: &Settings) -> String {
    format!("retraining/{APP}/{}/{}/{RECIPE}", settings.nodes, cases(settings))
}

/// The one unit of work: the changes are written for one application.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let usual_s = 400.0 + 60.0 * (cases(settings) * (1 + SCENARIOS.len())) as f64;
    vec![Unit { key: key(settings), usual_s: usual_s * settings.threads as f64 }]
}

/// Changes the application in every way, unless that was done.
///
/// # Errors
/// The lab or the engine failed.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    let Work { settings, ledger, runtime, tell } = work;
    fill(&[key(settings)], 1, ledger, tell, |_| {
        let app = app::open(APP).map_err(|error| EvalError::from(StageError::App(error)))?;
        let plan = Plan { cases: cases(settings), ..settings.plan(&app.into()) };
        let measured = current::measure(&plan, runtime, &Muted(tell))?;
        let models = measured.trials.iter().map(Model::from).collect();
        Ok(Changes { before: measured.before, scratch_s: measured.scratch_s, models })
    })
}

/// Tells what is being done; cases are no units here.
pub(super) struct Muted<'a>(pub &'a dyn Tell);

impl Tell for Muted<'_> {
    fn say(&self, what: &str) {
        self.0.say(what);
    }

    fn cases(&self, _: usize) {}

    fn case(&self) {}
}

/// The figure, if anything was measured.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let changes: Changes = ledger.get(&key(settings))?;
    let mut table = Table::new(&[
        "change",
        "model",
        "minutes seen",
        "exact [95 %]",
        "services",
        "unsure",
        "training, s",
        "times less than a day from scratch",
    ]);
    let mut data =
        Table::new(&["change", "model", "minutes", "incidents", "exact", "services", "unsure", "training_s"]);
    for model in &changes.models {
        let times = (model.seconds > 0.0).then(|| changes.scratch_s / model.seconds);
        table.row([
            cell(&model.scenario),
            cell(&model.way),
            cell(model.minutes),
            interval(model.exact, model.of),
            percent(model.services, model.of),
            percent(model.unsure, model.of),
            format!("{:.1}", model.seconds),
            times.map_or_else(|| "–".to_owned(), |times| format!("{times:.1}")),
        ]);
        data.row([
            cell(&model.scenario),
            cell(&model.way),
            cell(model.minutes),
            cell(model.of),
            cell(model.exact),
            cell(model.services),
            cell(model.unsure),
            format!("{:.3}", model.seconds),
        ]);
    }
    Some(Figure {
        name: "retraining",
        title: format!(
            "Models after {APP} changed: {} exact before",
            interval(changes.before.0, changes.before.1)
        ),
        tables: vec![table],
        data,
        drawing: drawing(&changes),
    })
}

/// A panel for each time after the change: groups are changes, bars are ways.
fn drawing(changes: &Changes) -> Drawing {
    let mut ways: Vec<String> = Vec::new();
    let mut by_time: BTreeMap<i64, Vec<&Model>> = BTreeMap::new();
    for model in &changes.models {
        if !ways.contains(&model.way) {
            ways.push(model.way.clone());
        }
        by_time.entry(model.minutes).or_default().push(model);
    }
    let before = by_time.remove(&0).unwrap_or_default();
    let letters = Vec::from_iter(SCENARIOS.iter().map(|scenario| scenario.letter.to_owned()));
    let panel = |(minutes, models): (&i64, &Vec<&Model>)| {
        let bar = |letter: &String, way: &String| {
            let known = models.iter().chain(&before).find(|m| m.scenario == *letter && m.way == *way)?;
            Estimate::share(known.exact, known.of)
        };
        let limit = Estimate::share(changes.before.0, changes.before.1);
        let limit = limit.map(|share| (share.value, "before the change".to_owned()));
        Panel {
            title: format!("{minutes} minutes after the change"),
            x: String::new(),
            y: Scale { limit, ..Scale::percent("exact answers") },
            content: Content::Bars {
                groups: letters.clone(),
                values: letters.iter().map(|l| ways.iter().map(|way| bar(l, way)).collect()).collect(),
                published: Vec::new(),
            },
        }
    };
    let panels = by_time.iter().map(panel).collect();
    Drawing { columns: 2, height: 170, legend: ways.clone(), panels }
}
