//! The document: prose written by hand, with figures and tables put where it asks for them.
//!
//! | in the prose | becomes |
//! |---|---|
//! | `{{figure NAME}}` | the picture |
//! | `{{table NAME 2}}` | its second table |
//! | `{{words NAME}}` | sentences that follow from the results |
//! | `{{if NAME}}` … `{{end}}`, on lines of their own | what is between, if the figure is there |
//!
//! What a result says in words is computed or stays out of the prose: a sentence cannot go stale.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::Figure;

/// The prose of `docs/evaluation.md`.
pub const EVALUATION: &str = include_str!("evaluation.md");

/// Fills in `prose`; pictures are in the folder `pictures`, as seen from the document.
pub fn document<'a>(
    prose: &'a str,
    figures: &'a [Figure],
    words: &'a BTreeMap<&'static str, String>,
    pictures: &'a Path,
) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        let known = |name: &str| figures.iter().find(|figure| figure.name == name);
        let mut hidden = 0_usize;
        for line in prose.lines() {
            match command(line)[..] {
                ["if", name] => hidden += usize::from(hidden > 0 || known(name).is_none()),
                ["end"] => hidden = hidden.saturating_sub(1),
                _ if hidden > 0 => {}
                ["figure", name] => match known(name) {
                    Some(figure) => {
                        let path = pictures.join(format!("{name}.svg"));
                        writeln!(f, "![{}]({})", figure.title, path.display())?;
                    }
                    None => writeln!(f, "(not measured)")?,
                },
                ["table", name, number] => {
                    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                    let table = known(name).zip(index).and_then(|(figure, index)| figure.tables.get(index));
                    match table.filter(|table| !table.is_empty()) {
                        Some(table) => write!(f, "{table}")?,
                        None => writeln!(f, "(not measured)")?,
                    }
                }
                ["words", name] => {
                    writeln!(f, "{}", words.get(name).map_or("(not measured)", String::as_str))?;
                }
                _ => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    })
}

/// The words of a line `{{…}}`; none if it is another line.
fn command(line: &str) -> Vec<&str> {
    let inner = line.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.into_iter().flat_map(str::split_whitespace).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::figure::tests::example;
    use super::super::{Ledger, Settings, figures, words};
    use super::*;

    #[test]
    fn prose_gets_its_figures_and_loses_what_was_not_measured() {
        let prose = "# A\n{{figure example}}\n\n{{table example 1}}\n{{if other}}\nnever\n{{if example}}\nnor this\n{{end}}\n{{end}}\n\
                     {{if example}}\nshown\n{{end}}\n{{words ahead}}\n{{table example 9}}\nlast {{words}}\n";
        let words = BTreeMap::from([("ahead", "It is ahead.".to_owned())]);
        let text = document(prose, &[example()], &words, Path::new("pictures")).to_string();
        assert_eq!(
            text,
            "# A\n![An example](pictures/example.svg)\n\n| application | exact |\n|---|--:|\n| chain, small | 0.5 |\n\
             shown\nIt is ahead.\n(not measured)\nlast {{words}}\n"
        );
    }

    #[test]
    fn the_prose_asks_for_nothing_unknown() {
        let known = [
            "accuracy",
            "actuation",
            "calibration",
            "difficulty",
            "replay",
            "retraining",
            "scale",
            "sensitivity",
        ];
        let mut open = 0;
        for line in EVALUATION.lines().filter(|line| line.contains("{{")) {
            match command(line)[..] {
                ["if", name] => {
                    open += 1;
                    assert!(known.contains(&name), "{line}");
                }
                ["end"] => open -= 1,
                ["figure", name] | ["table", name, _] => assert!(known.contains(&name), "{line}"),
                ["words", name] => assert!(super::super::run::WORDS.contains(&name), "{line}"),
                _ => panic!("{line}"),
            }
        }
        assert_eq!(open, 0, "every if has its end");
    }

    #[test]
    fn the_document_in_the_repository_is_what_its_results_give() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let ledger = Ledger::read(&docs.join("evaluation")).unwrap();
        let settings = Settings::new(false, "unused".into(), 1).unwrap();
        let (figures, words) = (figures(&settings, &ledger), words(&settings, &ledger));
        let text = document(EVALUATION, &figures, &words, Path::new("evaluation")).to_string();
        let kept = std::fs::read_to_string(docs.join("evaluation.md")).unwrap();
        assert!(
            text == kept,
            "write it anew: sagetop eval paper --draw --out docs/evaluation --report docs/evaluation.md"
        );
    }
}
