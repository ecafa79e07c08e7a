//! What the script prints: sections of lines, each section's name behind `=`, each line behind a blank.

use std::collections::BTreeMap;

use super::script::{Exit, PROTOCOL};
use crate::domain::Clean;

/// A report by its sections. A name that comes twice keeps its last lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(BTreeMap<String, Vec<String>>);

impl Report {
    /// Reads what the script printed; lines of no section are passed over.
    pub fn read(text: &str) -> Self {
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current: Option<&mut Vec<String>> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('=') {
                let lines = sections.entry(name.to_owned()).or_default();
                lines.clear();
                current = Some(lines);
            } else if let (Some(lines), Some(line)) = (&mut current, line.strip_prefix(' ')) {
                lines.push(line.to_owned());
            }
        }
        Self(sections)
    }

    /// The lines of a section; none if there is none.
    pub fn lines(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether there is such a section.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A section as one text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|lines| lines.join("\n"))
    }

    /// A section's first line without blanks around it.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(|line| line.trim())
    }

    /// The sections whose name begins with `prefix`, by the rest of their names.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [String])> {
        self.0.iter().filter_map(move |(name, lines)| Some((name.strip_prefix(prefix)?, lines.as_slice())))
    }

    /// Whether it is of a script that speaks as this program does.
    pub fn is_ours(&self) -> bool {
        self.word("protocol") == Some(PROTOCOL.to_string().as_str())
    }
}

/// What the machine keeps about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How it ended, and what it said; `None` if it did not end.
    pub result: Option<(Exit, Clean)>,
    /// Whether it was begun at all. Without a result, and with the lock free, it was stopped in the middle.
    pub begun: bool,
    /// How its scheduled inverse ended, if it ran.
    pub reverted: Option<(Exit, Clean)>,
    /// Whether the inverse still waits.
    pub waits: bool,
}

impl Kept {
    /// Of a report on `operation outcome`.
    pub fn of(report: &Report) -> Self {
        let result = |name: &str| {
            let (code, said) = report.lines(name).split_first()?;
            let exit = Exit::of(code.trim().parse().ok()?)?;
            Some((exit, Clean::capped(said.join("\n").trim(), 2_000)))
        };
        Self {
            result: result("result"),
            begun: report.has("begun"),
            reverted: result("reverted"),
            waits: report.word("timer") == Some("active"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_outcome_is_read() {
        let text = "=begun\n begun\n=result\n 0\n L3:0=7; 4 threads moved, 0 not\n=timer\n active\n";
        let kept = Kept::of(&Report::read(text));
        let said = Clean::new("L3:0=7; 4 threads moved, 0 not");
        assert_eq!(kept, Kept { result: Some((Exit::Done, said)), begun: true, reverted: None, waits: true });
        let kept = Kept::of(&Report::read("=begun\n begun\n=result\n 76\n absent\n=reverted\n 0\n absent\n"));
        assert_eq!(kept.result, Some((Exit::Changed, Clean::new("absent"))));
        assert_eq!(kept.reverted, Some((Exit::Done, Clean::new("absent"))));
        let none = Kept { result: None, begun: false, reverted: None, waits: false };
        assert_eq!(Kept::of(&Report::read("")), none);
    }

    proptest! {
        #[test]
        fn sections_come_back(sections in prop::collection::btree_map("[a-z/._-]{1,12}", prop::collection::vec("[^\n\r]{0,20}", 0..5), 0..6)) {
            let text: String = sections.iter().map(|(name, lines)| {
                let lines: String = lines.iter().map(|line| format!(" {line}\n")).collect();
                format!("={name}\n{lines}")
            }).collect();
            let report = Report::read(&text);
            for (name, lines) in &sections {
                prop_assert_eq!(report.lines(name), lines.as_slice());
            }
        }

        #[test]
        fn any_text_is_read(text in "(?s).{0,200}") {
            let _ = Kept::of(&Report::read(&text));
        }
    }
}
