//! The outcome of a run as tables for people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::others::{Cut, Judged, Reply, judge};
use super::run::{Outcome, Plan};
use super::score::Score;
use super::share::{count, interval, percent, ranked};
use crate::domain::VerdictKind;

/// Value of [`Accuracy::schema`].
pub const SCHEMA: &str = "sagetop.accuracy/1";
/// Name of the product among the methods.
pub const PRODUCT: &str = "sagetop";

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
            let none = Reply::default();
            let cases = outcomes
                .iter()
                .map(|outcome| (outcome.truth.sets(), outcome.others.get(&name).unwrap_or(&none)));
            let Judged { scores, cut } = judge(cases);
            methods.insert(name.clone(), Method { cut, settings, scores });
        }
        Self { schema: SCHEMA, app: plan.app.name.to_string(), split: plan.split(), methods, outcomes }
    }
}

/// A row of the table of methods.
fn row(f: &mut fmt::Formatter<'_>, app: &str, name: &str, method: &Method) -> fmt::Result {
    let scores = &method.scores;
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
        of_product(interval(count(scores, |s| s.exact), scores.len())),
        percent(count(scores, |s| s.services), scores.len()),
        percent(count(scores, |s| s.missed > 0), scores.len()),
        percent(count(scores, |s| s.wrong > 0), scores.len()),
        of_product(percent(resources, found)),
        of_product(percent(nodes.iter().filter(|named| **named).count(), nodes.len())),
        ranked(scores, |(first, _)| first),
        ranked(scores, |(_, three)| three),
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
