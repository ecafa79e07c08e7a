//! Difficulty: how far simple rules get on the lab's scenarios, so that one knows what an answer is worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use super::run::{Unit, Work, fill};
use super::{Ledger, PaperError, Settings};
use crate::baselines::Rule;
use crate::eval::difficulty::{self, Plan};
use crate::eval::model::run::HELD_BACK;
use crate::eval::model::share::interval;
use crate::lab::app::Application;

/// Raised when scenarios are drawn or judged in another way.
const RECIPE: u32 = 1;

/// How often each rule is right, of the scenarios in which a service is to blame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    of: usize,
    right: BTreeMap<String, usize>,
}

fn key(settings: &Settings, app: &Application) -> String {
    format!("difficulty/{}/{}/{RECIPE}", app.name, settings.scenarios)
}

/// All units of work: an application each.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let unit = |app: &std::sync::Arc<Application>| {
        let each = 0.3 * app.services.len() as f64;
        Unit { key: key(settings, app), usual_s: 20.0 + each * settings.scenarios as f64 }
    };
    settings.apps.iter().map(unit).collect()
}

/// Tries the rules on the applications of which nothing is known.
///
/// # Errors
/// The lab failed.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    let Work { settings, ledger, tell, .. } = work;
    for app in &settings.apps {
        fill(&[key(settings, app)], 1, ledger, tell, |_| {
            tell.say(&format!("simple rules on {}", app.name));
            let (scenarios, threads) = (settings.scenarios, settings.threads);
            let plan = Plan { app: app.clone(), scenarios, seed: HELD_BACK, threads };
            let measured = difficulty::measure(&plan, &|| {})?;
            let judged = Vec::from_iter(measured.outcomes.iter().filter_map(|o| o.right.as_ref()));
            let right = |rule: Rule| judged.iter().filter(|right| right.contains(&rule)).count();
            let right = Rule::ALL.map(|rule| (rule.word().to_owned(), right(rule)));
            Ok(Found { of: judged.len(), right: right.into_iter().collect() })
        })?;
    }
    Ok(())
}

/// The figure, if anything was measured.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let found = settings
        .apps
        .iter()
        .filter_map(|app| Some((app.name.to_string(), ledger.get::<Found>(&key(settings, app))?)));
    let found = BTreeMap::from_iter(found);
    let rules = Rule::ALL.map(|rule| rule.word().to_owned());
    let share = |found: &Found, rule: &str| Estimate::share(*found.right.get(rule)?, found.of);
    let mut table =
        Table::new(&[&["application", "scenarios"], &rules.each_ref().map(String::as_str)[..]].concat());
    let mut data = Table::new(&["application", "rule", "scenarios", "right", "share", "low", "high"]);
    for (app, found) in &found {
        let shares = rules.iter().map(|rule| {
            found.right.get(rule).map_or_else(|| "–".to_owned(), |right| interval(*right, found.of))
        });
        table.row([cell(app), cell(found.of)].into_iter().chain(shares));
        for (rule, right) in &found.right {
            let Some(s) = share(found, rule) else { continue };
            let numbers = [s.value, s.low, s.high].map(|value| format!("{value:.4}"));
            data.row([cell(app), cell(rule), cell(found.of), cell(right)].into_iter().chain(numbers));
        }
    }
    let values = found.values().map(|found| rules.iter().map(|rule| share(found, rule)).collect());
    let panel = Panel {
        title: "culprit found by simple rules".to_owned(),
        x: String::new(),
        y: Scale::percent("scenarios"),
        content: Content::Bars {
            groups: found.keys().cloned().collect(),
            values: values.collect(),
            published: Vec::new(),
        },
    };
    (!found.is_empty()).then(|| Figure {
        name: "difficulty",
        title: "How far simple rules get, 95 % intervals".to_owned(),
        tables: vec![table],
        data,
        drawing: Drawing { columns: 1, height: 220, legend: rules.to_vec(), panels: vec![panel] },
    })
}
