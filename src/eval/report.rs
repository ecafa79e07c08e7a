//! The difficulty of an application's scenarios as a table for people.

use std::collections::BTreeMap;
use std::fmt;

use super::difficulty::{Difficulty, Outcome};
use crate::baselines::rules::Rule;

impl fmt::Display for Difficulty {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Rule::ALL.map(Rule::word);
        writeln!(f, "| {}, what is to blame | scenarios | {} |", self.app, words.join(" | "))?;
        writeln!(f, "|---|--:|{}", "--:|".repeat(words.len()))?;
        let mut kinds: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.outcomes {
            kinds.entry(&outcome.kind).or_default().push(outcome);
        }
        for (kind, outcomes) in &kinds {
            row(f, kind, outcomes)?;
        }
        let judged = Vec::from_iter(self.outcomes.iter().filter(|outcome| outcome.right.is_some()));
        row(f, "**all but load**", &judged)?;
        writeln!(f)?;
        let count =
            |is: &dyn Fn(&Outcome) -> bool| self.outcomes.iter().filter(|outcome| is(outcome)).count();
        writeln!(
            f,
            "{} scenarios, seeds {} to {}: one cause in {}, two in {}, three or more in {}; the load is to blame in \
             {}, a node in {}; {} have other sets as small.",
            self.outcomes.len(),
            self.seed,
            self.seed + self.outcomes.len().saturating_sub(1) as u64,
            count(&|outcome| outcome.causes.len() == 1),
            count(&|outcome| outcome.causes.len() == 2),
            count(&|outcome| outcome.causes.len() > 2),
            count(&|outcome| outcome.right.is_none()),
            count(&|outcome| outcome.causes.iter().any(|cause| cause.contains('@'))),
            count(&|outcome| outcome.alternatives > 0),
        )
    }
}

/// Shares found of some scenarios, in percent.
fn row(f: &mut fmt::Formatter<'_>, what: &str, outcomes: &[&Outcome]) -> fmt::Result {
    write!(f, "| {what} | {} |", outcomes.len())?;
    let judged = Vec::from_iter(outcomes.iter().filter_map(|outcome| outcome.right.as_ref()));
    for rule in Rule::ALL {
        let right = judged.iter().filter(|right| right.contains(&rule)).count();
        if judged.is_empty() {
            write!(f, " – |")?;
        } else {
            write!(f, " {:.0} % |", 100.0 * right as f64 / judged.len() as f64)?;
        }
    }
    writeln!(f)
}
