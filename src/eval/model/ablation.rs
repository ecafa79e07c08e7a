//! What each part of the diagnosis is worth: the same incidents in the same windows with the same model,
//! asked with one part after the other left out, and with all of them (the published method: the smallest
//! set of services whose reset meets the objective, sage.md's section 3).

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use tokio::runtime::Handle;

use super::EvalError;
use super::run::{Plan, Tell, each_case, ground_of};
use super::score::{Score, named, score};
use super::share::{count, interval, percent};
use crate::diagnosis::Part;

/// The diagnosis without something.
#[derive(Clone, Debug, Serialize)]
pub struct Without {
    /// The application.
    pub app: String,
    /// What is left out.
    pub parts: BTreeSet<Part>,
    /// The answers, by incident.
    pub scores: Vec<Score>,
}

/// All of them.
#[derive(Clone, Debug, Serialize)]
pub struct Ablation {
    /// Which seeds.
    pub split: &'static str,
    /// First with everything, then without each part, at last without all of them.
    pub without: Vec<Without>,
}

/// Asks about the cases of `plan` with parts left out.
///
/// # Errors
/// The lab or the engine failed, or the folder cannot be written.
pub fn measure(plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Ablation, EvalError> {
    let mut ground = ground_of(plan, runtime, tell)?;
    let all: BTreeSet<Part> = Part::ALL.into();
    let sets =
        std::iter::once(BTreeSet::new()).chain(Part::ALL.map(|part| BTreeSet::from([part]))).chain([all]);
    tell.cases(plan.cases * (Part::ALL.len() + 2));
    let mut without = Vec::new();
    for parts in sets {
        ground.config.diagnosis.without.clone_from(&parts);
        let scores =
            each_case(plan, &ground, tell, |case| Ok(score(case.truth.sets(), &named(&case.ask()?.0), &[])))?;
        without.push(Without { app: plan.app.name.to_string(), parts, scores });
    }
    Ok(Ablation { split: plan.split(), without })
}

/// What is left out, in words.
fn word(parts: &BTreeSet<Part>) -> &'static str {
    match (parts.len(), parts.first()) {
        (1, Some(part)) => part.word(),
        (0, _) => "nothing",
        _ => "all of these",
    }
}

/// A line for each part, a column for each application.
pub fn table(all: &[Ablation]) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        write!(f, "| left out |")?;
        let apps = Vec::from_iter(all.iter().filter_map(|ablation| Some(&ablation.without.first()?.app)));
        apps.iter().try_for_each(|app| write!(f, " `{app}` |"))?;
        writeln!(f, " all [95 %] | services | missed | wrong |\n|---|{}", "--:|".repeat(apps.len() + 4))?;
        let lines = all.iter().map(|ablation| ablation.without.len()).min().unwrap_or(0);
        for line in 0..lines {
            let line = Vec::from_iter(all.iter().filter_map(|ablation| ablation.without.get(line)));
            write!(f, "| {} |", line.first().map_or("", |without| word(&without.parts)))?;
            for without in &line {
                write!(
                    f,
                    " {} |",
                    percent(count(&without.scores, |score| score.exact), without.scores.len())
                )?;
            }
            let scores = Vec::from_iter(line.iter().flat_map(|without| without.scores.iter().copied()));
            let share = |which: fn(&Score) -> bool| percent(count(&scores, which), scores.len());
            writeln!(
                f,
                " {} | {} | {} | {} |",
                interval(count(&scores, |score| score.exact), scores.len()),
                share(|score| score.services),
                share(|score| score.missed > 0),
                share(|score| score.wrong > 0),
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_part_and_applications_stand_side_by_side() {
        let of = |app: &str, exact: [bool; 2]| {
            let scores = exact.map(|exact| Score { exact, services: true, ..Score::default() });
            let without =
                |parts: BTreeSet<Part>| Without { app: app.to_owned(), parts, scores: scores.to_vec() };
            let parts = [BTreeSet::new(), BTreeSet::from([Part::Machines]), Part::ALL.into()];
            Ablation { split: "tuning", without: parts.map(without).to_vec() }
        };
        let table = table(&[of("a", [true, false]), of("b", [true, true])]).to_string();
        let lines = Vec::from_iter(table.lines());
        assert_eq!(lines[0], "| left out | `a` | `b` | all [95 %] | services | missed | wrong |");
        assert_eq!(lines[2], "| nothing | 50 % | 100 % | 75 % [30–95] | 100 % | 0 % | 0 % |");
        assert!(lines[3].starts_with("| machines |") && lines[4].starts_with("| all of these |"));
    }
}
