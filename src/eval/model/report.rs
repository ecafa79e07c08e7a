//! The outcome of a run as tables for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::others::{Cut, Reply};
use super::run::{Outcome, Plan};
use super::score::{Score, score};
use crate::domain::VerdictKind;

/// Value of [`Accuracy::schema`].
pub const SCHEMA: &str = "sagetop.accuracy/1";
/// Name of the product among the methods.
pub const PRODUCT: &str = "sagetop";
/// Quantile of the normal distribution for an interval of 95 %.
const Z: f64 = 1.96;

/// How often an application's incidents were explained rightly.
#[derive(Clone, Debug, Serialize)]
pub struct Accuracy {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The application.
    pub app: String,
    /// Which seeds: `tuning` or `held back`.
    pub split: &'static str,
    /// By method; the product is `sagetop`.
    pub methods: BTreeMap<String, Method>,
    /// The cases by seed.
    pub outcomes: Vec<Outcome>,
}

/// How one method fared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Method {
    /// How a ranking was made into blame; `None` for methods that blame by themselves.
    pub cut: Option<Cut>,
    /// Its settings; empty for the product.
    pub settings: String,
    /// Case by case.
    pub scores: Vec<Score>,
}

impl Accuracy {
    /// Judges all methods.
    pub fn new(plan: &Plan, settings: BTreeMap<String, String>, outcomes: Vec<Outcome>) -> Self {
        let scores = outcomes.iter().map(|outcome| outcome.score).collect();
        let product = Method { cut: None, settings: String::new(), scores };
        let mut methods = BTreeMap::from([(PRODUCT.to_owned(), product)]);
        for (name, settings) in settings {
            let method = Method { settings, ..best(&outcomes, &name) };
            methods.insert(name, method);
        }
        Self { schema: SCHEMA, app: plan.app.name.to_string(), split: plan.split(), methods, outcomes }
    }
}

/// The scores of a method, with the best cut if it only ranks.
fn best(outcomes: &[Outcome], name: &str) -> Method {
    let ranks = |outcome: &Outcome| outcome.others.get(name).is_some_and(|reply| reply.blamed.is_none());
    let as_is = judged(outcomes, name, None);
    if !outcomes.iter().any(ranks) {
        return as_is;
    }
    let tuned = Cut::all().map(|cut| judged(outcomes, name, Some(cut)));
    let right = |method: &Method| method.scores.iter().filter(|score| score.services).count();
    // The first of the best, which blames fewest.
    tuned.reduce(|best, next| if right(&next) > right(&best) { next } else { best }).unwrap_or(as_is)
}

fn judged(outcomes: &[Outcome], name: &str, cut: Option<Cut>) -> Method {
    let none = Reply::default();
    let scores = outcomes.iter().map(|outcome| {
        let reply = outcome.others.get(name).unwrap_or(&none);
        let services = Vec::from_iter(reply.ranking.iter().map(|(service, _)| service.clone()));
        let cut = || cut.map(|cut| cut.blamed(&reply.ranking)).unwrap_or_default();
        let blamed = reply.blamed.clone().unwrap_or_else(cut);
        score(outcome.truth.sets(), &blamed, &services)
    });
    Method { cut, settings: String::new(), scores: scores.collect() }
}

/// A share with its 95 % interval by Wilson (1927).
pub fn wilson(right: usize, of: usize) -> (f64, f64, f64) {
    if of == 0 {
        return (f64::NAN, 0.0, 1.0);
    }
    let (n, p) = (of as f64, right as f64 / of as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (p, (middle - half).max(0.0), (middle + half).min(1.0))
}

fn percent(right: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * right as f64 / of as f64) }
}

fn count(scores: &[Score], is: impl Fn(&Score) -> bool) -> usize {
    scores.iter().filter(|score| is(score)).count()
}

/// Mean of a rank figure over the cases that have one.
fn mean(scores: &[Score], of: fn((f64, f64)) -> f64) -> String {
    let known = Vec::from_iter(scores.iter().filter_map(|score| score.ranked.map(of)));
    if known.is_empty() {
        "–".to_owned()
    } else {
        format!("{:.2}", known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// A row of the table of methods.
fn row(f: &mut fmt::Formatter<'_>, app: &str, name: &str, method: &Method) -> fmt::Result {
    let scores = &method.scores;
    let (share, low, high) = wilson(count(scores, |s| s.exact), scores.len());
    let found = scores.iter().map(|score| score.found).sum();
    let resources = scores.iter().map(|score| score.resources).sum();
    let nodes = Vec::from_iter(scores.iter().filter_map(|score| score.node));
    // The others name services only.
    let of_product = |text: String| if name == PRODUCT { text } else { "–".to_owned() };
    writeln!(
        f,
        "| `{app}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        name,
        scores.len(),
        of_product(format!("{:.0} % [{:.0}–{:.0}]", 100.0 * share, 100.0 * low, 100.0 * high)),
        percent(count(scores, |s| s.services), scores.len()),
        percent(count(scores, |s| s.missed > 0), scores.len()),
        percent(count(scores, |s| s.wrong > 0), scores.len()),
        of_product(percent(resources, found)),
        of_product(percent(nodes.iter().filter(|named| **named).count(), nodes.len())),
        mean(scores, |(first, _)| first),
        mean(scores, |(_, three)| three),
    )
}

/// The table of methods, over several applications.
pub fn methods(all: &[Accuracy]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        writeln!(
            f,
            "| application | method | incidents | exact [95 %] | services | false negatives | false positives | \
             resource | node | AC@1 | AC@3 |"
        )?;
        writeln!(f, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        let mut together: BTreeMap<&str, Method> = BTreeMap::new();
        for accuracy in all {
            // The product first.
            let mut ordered = Vec::from_iter(&accuracy.methods);
            ordered.sort_by_key(|(name, _)| *name != PRODUCT);
            for (name, method) in ordered {
                row(f, &accuracy.app, name, method)?;
                let sum = Method { scores: Vec::new(), ..method.clone() };
                together.entry(name).or_insert(sum).scores.extend(&method.scores);
            }
        }
        if all.len() > 1 {
            let mut ordered = Vec::from_iter(&together);
            ordered.sort_by_key(|(name, _)| **name != PRODUCT);
            ordered.into_iter().try_for_each(|(name, method)| row(f, "all", name, method))?;
        }
        Ok(())
    })
}

/// The settings of the other methods, over several applications.
pub fn settings(all: &[Accuracy]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        let mut known: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for accuracy in all {
            for (name, method) in accuracy.methods.iter().filter(|(_, method)| !method.settings.is_empty()) {
                known.entry((name, &method.settings)).or_default().push(format!("`{}`", accuracy.app));
            }
        }
        writeln!(f, "| method | settings | in |")?;
        writeln!(f, "|---|---|---|")?;
        known.iter().try_for_each(|((name, settings), apps)| {
            let everywhere = apps.len() == all.len();
            let apps = if everywhere { "all".to_owned() } else { apps.join(", ") };
            writeln!(f, "| {name} | {settings} | {apps} |")
        })
    })
}

/// What became of each kind of fault, over several applications.
pub fn kinds(all: &[Accuracy]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        writeln!(
            f,
            "| what broke | incidents | exact | missed | wrong | resource | when not exact: verdict, blamed |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|---|")?;
        let mut kinds: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in all.iter().flat_map(|accuracy| &accuracy.outcomes) {
            kinds.entry(&outcome.truth.kind).or_default().push(outcome);
        }
        for (kind, outcomes) in kinds {
            let scores = Vec::from_iter(outcomes.iter().map(|outcome| outcome.score));
            let found = scores.iter().map(|score| score.found).sum();
            let resources = scores.iter().map(|score| score.resources).sum();
            let mut instead: BTreeMap<String, usize> = BTreeMap::new();
            for outcome in outcomes.iter().filter(|outcome| !outcome.score.exact) {
                *instead.entry(in_words(outcome)).or_default() += 1;
            }
            let mut instead = Vec::from_iter(instead);
            instead.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
            let words = Vec::from_iter(instead.iter().map(|(what, times)| format!("{times}× {what}")));
            writeln!(
                f,
                "| {kind} | {} | {} | {} | {} | {} | {} |",
                scores.len(),
                percent(count(&scores, |s| s.exact), scores.len()),
                percent(count(&scores, |s| s.missed > 0), scores.len()),
                percent(count(&scores, |s| s.wrong > 0), scores.len()),
                percent(resources, found),
                words.join("; "),
            )?;
        }
        Ok(())
    })
}

/// In which way an answer is not exact.
fn in_words(outcome: &Outcome) -> String {
    let Outcome { score, kind, .. } = outcome;
    match kind {
        VerdictKind::Unsure | VerdictKind::Unresolved | VerdictKind::Healthy | VerdictKind::Load => {
            kind.word().to_owned()
        }
        VerdictKind::Culprits | VerdictKind::Latent if score.services => {
            let node = outcome.score.node == Some(false);
            if node { "its node not named" } else { "right service, not called latent" }.to_owned()
        }
        VerdictKind::Culprits | VerdictKind::Latent => match (score.found > 0, score.wrong > 0) {
            (true, true) => "others beside it",
            (true, false) => "part of it",
            (false, _) => "others",
        }
        .to_owned(),
    }
}

impl fmt::Display for Accuracy {
    /// A line for each case that was not explained exactly, and a summary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.score.exact) {
            let set = Vec::from_iter(outcome.truth.causes.iter().map(|blame| {
                let node = blame.node.as_ref().map(|node| format!("@{node}")).unwrap_or_default();
                format!("{} {}{node}", blame.cause.service, blame.cause.resource)
            }));
            let blamed = Vec::from_iter(outcome.blamed.iter().map(|named| {
                let node = named.node.as_ref().map(|node| format!("@{node}")).unwrap_or_default();
                let resource = named.resource.map(|r| r.to_string()).unwrap_or_default();
                format!("{} {resource}{node}", named.service)
            }));
            let first = outcome.verdict.ranking.first().map_or("", |ranked| ranked.service.as_str());
            writeln!(
                f,
                "{} {}: {} | truth: {} | {}: {} | first: {first}",
                self.app,
                outcome.truth.seed,
                outcome.truth.kind,
                set.join(", "),
                outcome.kind.word(),
                blamed.join(", "),
            )?;
        }
        let unseen = self.outcomes.iter().filter(|outcome| !outcome.violated).count();
        let kinds = |kind| self.outcomes.iter().filter(|outcome| outcome.kind == kind).count();
        writeln!(
            f,
            "{}: {} incidents ({}); {unseen} in which the objective is met as measured; {} unsure, {} unresolved.",
            self.app,
            self.outcomes.len(),
            self.split,
            kinds(VerdictKind::Unsure),
            kinds(VerdictKind::Unresolved),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_are_those_of_the_books() {
        // Newcombe (1998), table I: 15 of 148 and 0 of 20.
        let (share, low, high) = wilson(15, 148);
        assert!((share - 0.1014).abs() < 1e-4 && (low - 0.0624).abs() < 2e-4 && (high - 0.1605).abs() < 2e-4);
        let (_, low, high) = wilson(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 2e-4);
        assert_eq!((wilson(0, 0).1, wilson(0, 0).2), (0.0, 1.0));
    }
}
