//! How often each method is right, and what follows from it in words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Replies, Truth, known};
use crate::eval::model::others::{Judged, Reply, judge};
use crate::eval::model::report::PRODUCT;
use crate::eval::model::score::{Score, score};
use crate::eval::paper::figure::Estimate;
use crate::eval::paper::published::Published;
use crate::eval::paper::{Ledger, Settings};

/// By application, then by method.
pub type Scores = BTreeMap<String, BTreeMap<String, Judged>>;

/// The scores of all that was asked.
pub fn scores(settings: &Settings, ledger: &Ledger) -> Scores {
    let mut all = Scores::new();
    for app in &settings.apps {
        let replies = settings.seeds().flat_map(|seed| known(settings, app, seed, ledger));
        let mut by_method: BTreeMap<String, Vec<(Truth, Reply)>> = BTreeMap::new();
        for Replies { truth, by_method: said, .. } in replies {
            for (name, reply) in said {
                by_method.entry(name).or_default().push((truth.clone(), reply));
            }
        }
        let judge =
            |cases: &[(Truth, Reply)]| judge(cases.iter().map(|(truth, reply)| (truth.sets.iter(), reply)));
        let judged = by_method.into_iter().map(|(name, cases)| (name, judge(&cases)));
        let judged = BTreeMap::from_iter(judged);
        if judged.contains_key(PRODUCT) {
            all.insert(app.name.to_string(), judged);
        }
    }
    all
}

/// A measure of an incident's score, what it is called, and what was published of it.
pub type Measure = (&'static str, fn(&Score) -> bool, fn(&Published) -> Option<f64>);

/// The three measures of the paper, on services: what all methods name.
pub const MEASURES: [Measure; 3] = [
    ("accuracy: exactly the right services", |score| score.services, |published| published.accuracy),
    ("false negatives: a cause missed", |score| score.overlooked > 0, |published| published.missed),
    ("false positives: an innocent blamed", |score| score.accused > 0, |published| published.wrong),
];

/// The share of these incidents.
pub fn share(scores: &[Score], is: fn(&Score) -> bool) -> Option<Estimate> {
    Estimate::share(scores.iter().filter(|score| is(score)).count(), scores.len())
}

/// The methods, the product first, then by how often they are right.
pub fn methods(scores: &Scores) -> Vec<String> {
    let names: BTreeSet<&String> = scores.values().flat_map(BTreeMap::keys).collect();
    let right = |name: &str| together(scores, name).iter().filter(|score| score.services).count();
    let mut names = Vec::from_iter(names.into_iter().cloned());
    names.sort_by_key(|name| (name != PRODUCT, std::cmp::Reverse(right(name))));
    names
}

/// Of all applications.
pub fn together(scores: &Scores, method: &str) -> Vec<Score> {
    scores.values().filter_map(|of| of.get(method)).flat_map(|judged| judged.scores.clone()).collect()
}

/// The product's scores by what broke.
pub fn by_kind(settings: &Settings, ledger: &Ledger) -> BTreeMap<String, Vec<Score>> {
    let mut by_kind: BTreeMap<String, Vec<Score>> = BTreeMap::new();
    for app in &settings.apps {
        let replies = settings.seeds().flat_map(|seed| known(settings, app, seed, ledger));
        for Replies { truth, by_method, .. } in replies {
            let Some(Reply { blamed: Some(blamed), .. }) = by_method.get(PRODUCT) else { continue };
            by_kind.entry(truth.kind).or_default().push(score(truth.sets.iter(), blamed, &[]));
        }
    }
    by_kind
}

/// Where the product is ahead and where it is not, in words.
pub fn words(settings: &Settings, ledger: &Ledger) -> Option<String> {
    let scores = scores(settings, ledger);
    let right = |judged: &Judged| judged.scores.iter().filter(|score| score.services).count();
    let mut behind = Vec::new();
    for (app, of) in &scores {
        let own = right(of.get(PRODUCT)?);
        let others = of.iter().filter(|(name, _)| *name != PRODUCT);
        for (name, judged) in others.filter(|(_, judged)| right(judged) >= own) {
            let how = if right(judged) == own { "level with" } else { "behind" };
            behind.push(format!(
                "{how} {name} on {app} ({own} against {} of {})",
                right(judged),
                judged.scores.len()
            ));
        }
    }
    let apps = match scores.len() {
        0 => return None,
        1 => "the one application".to_owned(),
        n => format!("all {n} applications"),
    };
    Some(if behind.is_empty() {
        format!("In naming the services, sagetop is ahead of every other method on {apps}.")
    } else {
        format!(
            "In naming the services, sagetop is {}; elsewhere it is ahead of every other method.",
            behind.join("; ")
        )
    })
}
