//! Who finds the root cause: the product and every other method on the same held-back incidents.

mod judge;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use judge::words;
pub use tables::figure;

use super::run::{Unit, Work, fill};
use super::{Ledger, PaperError, Settings};
use crate::baselines;
use crate::eval::model::EvalError;
use crate::eval::model::case::Case;
use crate::eval::model::ground::{Ground, digest};
use crate::eval::model::others::{Others, Reply};
use crate::eval::model::report::PRODUCT;
use crate::eval::model::run::ground_of;
use crate::eval::model::score::named;
use crate::lab::app::Application;
use crate::lab::truth::Blame;

/// Raised when incidents are judged in another way.
const RECIPE: u32 = 1;
/// Services of a ranking that are kept: nothing looks further.
const KEPT: usize = 5;

/// What really happened, as far as answers are judged by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Truth {
    kind: String,
    sets: Vec<BTreeSet<Blame>>,
}

/// What methods said of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Replies {
    truth: Truth,
    by_method: BTreeMap<String, Reply>,
}

/// The keys of an incident: the product's answer and the others'. Other methods make another key, so a
/// new one is asked without asking the product again.
fn keys(settings: &Settings, app: &Application, seed: u64) -> [String; 2] {
    let names = Vec::from_iter(baselines::all(0.0).iter().map(|method| method.name()));
    let of = format!("accuracy/{}/{}/{seed}", app.name, settings.nodes);
    let others = digest(&format!("{names:?} {}", settings.labels));
    [format!("{of}/{PRODUCT}-{RECIPE}"), format!("{of}/others-{RECIPE}-{others}")]
}

/// What is known of an incident: answers of methods that have been renamed or left out since are part of it.
fn known(settings: &Settings, app: &Application, seed: u64, ledger: &Ledger) -> Vec<Replies> {
    let of = format!("accuracy/{}/{}/{seed}/", app.name, settings.nodes);
    let is_of_now = |key: &&String| {
        let last = key.strip_prefix(&of).unwrap_or_default();
        last == format!("{PRODUCT}-{RECIPE}") || last.starts_with(&format!("others-{RECIPE}-"))
    };
    let keys = ledger.keys(&of);
    keys.iter().filter(is_of_now).filter_map(|key| ledger.get(key)).collect()
}

fn all_keys(settings: &Settings, app: &Application) -> Vec<String> {
    settings.seeds().flat_map(|seed| keys(settings, app, seed)).collect()
}

/// All units of work.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let keys = settings.apps.iter().flat_map(|app| {
        let services = app.services.len() as f64;
        // A share of the history's simulation and the training, and the incident's own.
        all_keys(settings, app).into_iter().map(move |key| Unit { key, usual_s: 2.0 + 0.5 * services })
    });
    keys.collect()
}

/// Asks about every incident that nothing is known of.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    work.settings.apps.iter().try_for_each(|app| measure_app(work, app))
}

fn measure_app(work: Work<'_>, app: &Arc<Application>) -> Result<(), PaperError> {
    let Work { settings, ledger, runtime, tell } = work;
    let keys = all_keys(settings, app);
    if keys.iter().all(|key| ledger.knows(key)) {
        return Ok(());
    }
    let plan = settings.plan(app);
    let ground = ground_of(&plan, runtime, tell)?;
    tell.say("other methods learn");
    let others = Others::new(&ground, &plan, runtime, tell)?;
    let seeds = Vec::from_iter(settings.seeds());
    // The product first: it makes the windows that all of them see.
    let (product, rest): (Vec<_>, Vec<_>) = keys.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).unzip();
    let owned = |keys: Vec<&String>| Vec::from_iter(keys.into_iter().cloned());
    tell.say("the product's answers");
    fill(&owned(product), settings.threads, ledger, tell, |index| Ok(of_product(&ground, seeds[index])?))?;
    tell.say("the others' answers");
    fill(&owned(rest), settings.threads, ledger, tell, |index| {
        let case = Case::open(&ground, seeds[index])?;
        let by_method = others.ask(&case.picture()?.1)?;
        let by_method = by_method.into_iter().map(|(name, reply)| (name, short(reply)));
        Ok(Replies { truth: truth(&case), by_method: by_method.collect() })
    })?;
    ledger_settings(app, &others, ledger)
}

/// Keeps what the methods were set to.
fn ledger_settings(app: &Application, others: &Others, ledger: &Ledger) -> Result<(), PaperError> {
    let key = settings_key(app);
    let now = others.settings();
    if ledger.get::<BTreeMap<String, String>>(&key).is_some_and(|kept| kept == now) {
        return Ok(());
    }
    ledger.put(&key, 0.0, &now)
}

fn settings_key(app: &Application) -> String {
    format!("settings/{}", app.name)
}

fn truth(case: &Case<'_>) -> Truth {
    Truth { kind: case.truth.kind.clone(), sets: case.truth.sets().cloned().collect() }
}

fn short(mut reply: Reply) -> Reply {
    reply.ranking.truncate(KEPT);
    reply
}

fn of_product(ground: &Ground, seed: u64) -> Result<Replies, EvalError> {
    let case = Case::open(ground, seed)?;
    let (verdict, _) = case.ask()?;
    let ranking = verdict.ranking.iter().map(|ranked| (ranked.service.as_str().to_owned(), ranked.score));
    let reply = Reply { ranking: ranking.collect(), blamed: Some(named(&verdict)) };
    Ok(Replies { truth: truth(&case), by_method: BTreeMap::from([(PRODUCT.to_owned(), short(reply))]) })
}
