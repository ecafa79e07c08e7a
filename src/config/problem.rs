//! Problems of a file: where they are, what is wrong, what was probably meant.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use crate::domain::Clean;

/// Longest source line shown below a problem, in grapheme clusters.
const EXCERPT: usize = 160;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably not as meant.
    Warning,
}

/// A problem with its place, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: Clean,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: Clean,
    /// What to do about it.
    pub help: Option<Clean>,
    /// The line of the file, with secrets blotted out, and where to underline it (cells).
    excerpt: (Clean, Range<usize>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, "{}:{}:{}: {kind}{}", self.file, self.line, self.column, self.message)?;
        let (text, mark) = &self.excerpt;
        if !text.as_str().is_empty() {
            let number = self.line.to_string();
            let gap = " ".repeat(number.len());
            write!(f, "\n  {number} | {text}")?;
            write!(f, "\n  {gap} | {}{}", " ".repeat(mark.start), "^".repeat(mark.len()))?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  = {help}"),
            None => Ok(()),
        }
    }
}

/// All problems of a configuration, in the order of the files' lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The first one in a line, and how many more there are: for a place where there is no room for all.
    pub fn brief(&self) -> Option<String> {
        let first = self.0.first()?;
        let help = first.help.as_ref().map_or_else(String::new, |help| format!(", {help}"));
        let more = match self.0.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        Some(format!("{}:{}:{}: {}{help}{more}", first.file, first.line, first.column, first.message))
    }

    /// Whether one of them makes the file unusable.
    pub fn fatal(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// What a check found; [`Findings::locate`] turns it into a [`Problem`].
#[derive(Clone, Debug)]
struct Finding {
    severity: Severity,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

/// Collects findings about one text, and which parts of it must not be shown.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    secrets: Vec<Range<usize>>,
}

impl Findings {
    /// The text at `span` makes the file unusable.
    pub fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.list.push(Finding { severity: Severity::Error, span, message: message.into(), help });
    }

    /// The text at `span` is probably not what was meant.
    pub fn warn(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.list.push(Finding { severity: Severity::Warning, span, message: message.into(), help });
    }

    /// Never show the text at `span`.
    pub fn hide(&mut self, span: Range<usize>) {
        self.secrets.push(span);
    }

    /// Never show what `other` hides.
    pub fn hide_as(&mut self, other: &Self) {
        self.secrets.extend(other.secrets.iter().cloned());
    }

    /// Whether there is an error.
    pub fn fatal(&self) -> bool {
        self.list.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// `value`, unless there is an error in `text`, called `file`.
    pub fn unless_fatal<T>(self, value: T, file: &str, text: &str) -> Result<T, Problems> {
        if self.fatal() { Err(Problems(self.locate(&Clean::new(file), text))) } else { Ok(value) }
    }

    /// The problems in `text`, called `file`, in the order of its lines.
    pub fn locate(mut self, file: &Clean, text: &str) -> Vec<Problem> {
        self.list.sort_by_key(|finding| (finding.span.start, finding.severity));
        self.list.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        self.secrets.extend(logins(text));
        let shown = blot(text, &self.secrets);
        self.list.into_iter().map(|finding| place(finding, file, text, &shown)).collect()
    }
}

fn place(finding: Finding, file: &Clean, text: &str, shown: &str) -> Problem {
    let start = floor(text, finding.span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
    let end = floor(text, finding.span.end).clamp(start, line_end);
    let line = Clean::capped(shown[line_start..line_end].trim_end(), EXCERPT);
    let before = width(&shown[line_start..start]).min(line.width());
    let marked = width(&shown[start..end]).min(line.width() - before).max(1);
    Problem {
        severity: finding.severity,
        file: file.clone(),
        line: text[..line_start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        message: Clean::capped(&finding.message, 4 * EXCERPT),
        help: finding.help.map(|help| Clean::capped(&help, 4 * EXCERPT)),
        excerpt: (line, before..before + marked),
    }
}

/// Cells that `text` takes once cleaned.
fn width(text: &str) -> usize {
    Clean::capped(text, EXCERPT).as_str().width()
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Where addresses in `text` contain a login: also in a file that is too broken to be walked.
fn logins(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let start = at + mark.len();
        let rest = &text[start..];
        let host = rest.split(|c: char| c == '/' || c == '"' || c == '\'' || c.is_whitespace()).next()?;
        Some(start..start + host.rfind('@')?)
    })
}

/// `text` with the characters in `secrets` replaced byte for byte, so that positions stay valid.
fn blot(text: &str, secrets: &[Range<usize>]) -> String {
    text.char_indices()
        .map(|(i, c)| {
            let secret = c != '\n' && secrets.iter().any(|span| span.contains(&i));
            if secret { "*".repeat(c.len_utf8()) } else { c.to_string() }
        })
        .collect()
}

/// The candidate that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?" if one of `candidates` is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// "did you mean `x`?" if one of `candidates` is near, else what there is to choose from.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match did_you_mean(name, candidates.iter().copied()) {
        Some(hint) => Some(hint),
        None if candidates.is_empty() => None,
        None => Some(format!("known: {}", candidates.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn points_at_the_place_and_hides_secrets() {
        let text = "a = 1\n  tökén = \"hunter2\"\n";
        let mut findings = Findings::default();
        let at = text.find("tökén").unwrap_or_default();
        findings.hide(text.find('"').unwrap_or_default()..text.len() - 1);
        findings.error(at..at + "tökén".len(), "unknown key", Some("did you mean `token`?".into()));
        let problems = findings.locate(&"c.toml".into(), text);
        let shown = Problems(problems).to_string();
        assert_eq!(
            shown,
            "c.toml:2:3: unknown key\n  2 |   tökén = *********\n    |   ^^^^^\n  = did you mean `token`?"
        );
    }

    #[test]
    fn logins_are_hidden_wherever_they_stand() {
        let text = "url = \"https://admin:hunter2@host/a@b\" x";
        let mut findings = Findings::default();
        findings.error(text.len() - 1..text.len(), "unexpected", None);
        let shown = Problems(findings.locate(&"f".into(), text)).to_string();
        assert!(shown.contains("https://*************@host/a@b"), "{shown}");
    }

    #[test]
    fn near_names_are_near() {
        assert_eq!(nearest("promtheus", ["jaeger", "prometheus"]), Some("prometheus"));
        assert_eq!(nearest("URL", ["url", "auth"]), Some("url"));
        assert_eq!(nearest("colour", ["url", "auth"]), None);
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in "(?s).{0,80}", a in 0usize..100, b in 0usize..100) {
            let mut findings = Findings::default();
            findings.hide(b..a);
            findings.error(a..b, "x", None);
            let shown = Problems(findings.locate(&"f".into(), &text)).to_string();
            prop_assert!(shown.starts_with("f:"));
        }
    }
}
