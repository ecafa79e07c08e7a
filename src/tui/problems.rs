//! What is wrong with a keymap or theme file: where, what, and what was probably meant.

use std::fmt;
use std::ops::Range;

use crate::domain::Clean;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// All mistakes found in a file; shown as `file:line:column: message`, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file as the user named it.
    pub file: Clean,
    /// In the order of the file.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}:{}: {}", self.file, p.line, p.column, Clean::new(&p.message))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects the mistakes of one file while it is read to the end.
pub(super) struct Collector<'a> {
    file: &'a str,
    text: &'a str,
    list: Vec<(usize, Problem)>,
}

impl<'a> Collector<'a> {
    /// For `text`, which was read from `file`.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, list: Vec::new() }
    }

    /// Adds a mistake at a byte range of the text.
    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        self.list.push((span.start, Problem { line, column, message: message.into() }));
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `value`, unless something was wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|(at, _)| *at);
        let list = self.list.into_iter().map(|(_, p)| p).collect();
        Err(Problems { file: Clean::new(self.file), list })
    }
}

/// ", did you mean `x`?" with the nearest of `known`, or nothing if none is near.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), k), k))
        .filter(|(distance, k)| *distance <= k.len().max(3) / 3)
        .min()
        .map(|(_, k)| format!(", did you mean `{k}`?"))
        .unwrap_or_default()
}
