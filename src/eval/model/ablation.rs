//! What each part of the diagnosis is worth: the same incidents in the same windows with the same model,
//! asked with one part after the other left out, and with all of them (the published method: the smallest
//! set of services whose reset meets the objective, sage.md's section 3).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use tokio::runtime::Handle;

use super::EvalError;
use super::case::Case;
use super::report::wilson;
use super::run::{Plan, Tell, ground_of};
use super::score::{Score, named, score};
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
        let mut scores = Vec::new();
        for index in 0..plan.cases as u64 {
            let case = Case::open(&ground, plan.seed + index)?;
            scores.push(score(case.truth.sets(), &named(&case.ask()?.0), &[]));
            tell.case();
        }
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
pub fn table(all: &[Ablation]) -> String {
    let apps = Vec::from_iter(all.iter().filter_map(|ablation| Some(&ablation.without.first()?.app)));
    let mut text = String::from("| left out |");
    // Writing to a string does not fail.
    apps.iter().for_each(|app| {
        let _ = write!(text, " `{app}` |");
    });
    text.push_str(" all [95 %] | services | missed | wrong |\n|---|");
    text.push_str(&"--:|".repeat(apps.len() + 4));
    text.push('\n');
    let lines = all.iter().map(|ablation| ablation.without.len()).min().unwrap_or(0);
    for line in 0..lines {
        let of_line = || all.iter().filter_map(move |ablation| ablation.without.get(line));
        let share = |scores: &mut dyn Iterator<Item = &Score>, which: fn(&Score) -> bool| {
            let (mut right, mut of) = (0, 0);
            scores.for_each(|score| {
                right += usize::from(which(score));
                of += 1;
            });
            (right, of)
        };
        let name = of_line().next().map_or("", |without| word(&without.parts));
        let _ = write!(text, "| {name} |");
        for without in of_line() {
            let (exact, of) = share(&mut without.scores.iter(), |score| score.exact);
            let _ = write!(text, " {:.0} % |", 100.0 * exact as f64 / of.max(1) as f64);
        }
        let whole = |which| share(&mut of_line().flat_map(|without| &without.scores), which);
        let percent = |(right, of): (usize, usize)| 100.0 * right as f64 / of.max(1) as f64;
        let (exact, of) = whole(|score| score.exact);
        let (exact, low, high) = wilson(exact, of);
        let _ = writeln!(
            text,
            " {:.0} % [{:.0}–{:.0}] | {:.0} % | {:.0} % | {:.0} % |",
            100.0 * exact,
            100.0 * low,
            100.0 * high,
            percent(whole(|score| score.services)),
            percent(whole(|score| score.missed > 0)),
            percent(whole(|score| score.wrong > 0)),
        );
    }
    text
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
        let table = table(&[of("a", [true, false]), of("b", [true, true])]);
        let lines = Vec::from_iter(table.lines());
        assert_eq!(lines[0], "| left out | `a` | `b` | all [95 %] | services | missed | wrong |");
        assert_eq!(lines[2], "| nothing | 50 % | 100 % | 75 % [30–95] | 100 % | 0 % | 0 % |");
        assert!(lines[3].starts_with("| machines |") && lines[4].starts_with("| all of these |"));
    }
}
