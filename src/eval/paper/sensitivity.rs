//! Sensitivity: what is left of the accuracy where the application is measured badly.

use serde::{Deserialize, Serialize};

use super::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use super::retraining::Muted;
use super::run::{Unit, Work, fill};
use super::{Ledger, PaperError, Settings};
use crate::eval::model::robust;
use crate::eval::model::share::{interval, percent};
use crate::lab::app::Application;

/// Raised when conditions or scores change.
const RECIPE: u32 = 1;

/// A way to be measured, and the answers: exact, right in the services, unsure where they would have been
/// wrong; of how many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Condition {
    what: String,
    exact: usize,
    services: usize,
    unsure: usize,
    of: usize,
}

fn key(settings: &Settings, app: &Application) -> String {
    format!("sensitivity/{}/{}/{}/{RECIPE}", app.name, settings.nodes, settings.cases)
}

/// All units of work: an application each, lived through under every condition.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let unit = |app: &std::sync::Arc<Application>| {
        let each = 100.0 + 2.0 * (settings.cases * app.services.len()) as f64;
        Unit { key: key(settings, app), usual_s: 10.0 * each * settings.threads as f64 }
    };
    settings.apps.iter().map(unit).collect()
}

/// Lets the applications of which nothing is known be measured badly.
///
/// # Errors
/// The lab or the engine failed.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    let Work { settings, ledger, runtime, tell } = work;
    for app in &settings.apps {
        fill(&[key(settings, app)], 1, ledger, tell, |_| {
            let measured = robust::measure(&settings.plan(app), runtime, &Muted(tell))?;
            let conditions = measured.conditions.iter().map(|condition| Condition {
                what: condition.what.to_owned(),
                exact: condition.scores.iter().filter(|score| score.exact).count(),
                services: condition.scores.iter().filter(|score| score.services).count(),
                unsure: condition.unsure,
                of: condition.scores.len(),
            });
            Ok(Vec::from_iter(conditions))
        })?;
    }
    Ok(())
}

/// The figure, if anything was measured.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let known = settings
        .apps
        .iter()
        .filter_map(|app| Some((app.name.to_string(), ledger.get::<Vec<Condition>>(&key(settings, app))?)));
    let known = Vec::from_iter(known);
    let mut table =
        Table::new(&["application", "condition", "exact [95 %]", "services", "unsure instead of wrong"]);
    let mut data = Table::new(&["application", "condition", "incidents", "exact", "services", "unsure"]);
    let mut panels = Vec::new();
    let legend = known.first().map(|(_, conditions)| conditions.iter().map(|c| c.what.clone()).collect());
    for (app, conditions) in &known {
        let share = |c: &Condition| Estimate::share(c.exact, c.of);
        for c in conditions {
            table.row([
                cell(app),
                cell(&c.what),
                interval(c.exact, c.of),
                percent(c.services, c.of),
                percent(c.unsure, c.of),
            ]);
            data.row([cell(app), cell(&c.what), cell(c.of), cell(c.exact), cell(c.services), cell(c.unsure)]);
        }
        panels.push(Panel {
            title: app.clone(),
            x: String::new(),
            y: Scale::percent("exact answers"),
            content: Content::Bars {
                groups: vec![String::new()],
                values: vec![conditions.iter().map(share).collect()],
                published: Vec::new(),
            },
        });
    }
    (!known.is_empty()).then(|| Figure {
        name: "sensitivity",
        title: "Accuracy where the application is measured badly, 95 % intervals".to_owned(),
        tables: vec![table],
        data,
        drawing: Drawing { columns: 2, height: 170, legend: legend.unwrap_or_default(), panels },
    })
}
