//! What is wrong with an application's file, and where.

use std::fmt;
use std::io;

use crate::domain::Clean;

/// Most problems that are shown at once.
const SHOWN: usize = 20;

/// Why there is no application.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No application has this name.
    #[error(
        "there is no application `{name}`{}; there are {known}, and any .json file",
        did_you_mean(near.as_ref())
    )]
    Unknown {
        /// What was asked for.
        name: Clean,
        /// The nearest known name.
        near: Option<Clean>,
        /// All of them.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: Clean,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any application.
    #[error("{file} is larger than {max_mib} MiB: no application needs that")]
    TooLarge {
        /// The file.
        file: Clean,
        /// The limit.
        max_mib: usize,
    },
    /// The file is not JSON, or not of this format.
    #[error("{file}:{line}:{column}: {message}")]
    Format {
        /// The file.
        file: Clean,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: Clean,
    },
    /// The file contradicts itself or asks for what cannot be.
    #[error("{file} {}", list(problems))]
    Invalid {
        /// The file.
        file: Clean,
        /// What is wrong, at least one.
        problems: Vec<Problem>,
    },
}

impl AppError {
    pub(super) fn format(file: &str, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = Clean::new(text.strip_suffix(&place).unwrap_or(&text));
        Self::Format { file: Clean::new(file), line: error.line(), column: error.column(), message }
    }
}

/// One thing wrong in a file that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a path in the JSON, such as `flows[0].root.stages[1][0].service`.
    pub path: Clean,
    /// What.
    pub message: Clean,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

fn list(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "has a problem:".to_owned(),
        many => format!("has {many} problems:"),
    };
    for problem in problems.iter().take(SHOWN) {
        text += &format!("\n  {problem}");
    }
    if problems.len() > SHOWN {
        text += &format!("\n  and {} more", problems.len() - SHOWN);
    }
    text
}

/// Problems, as they are found.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem; what stands in several places through a fragment is noted once.
    pub fn add(&mut self, path: impl fmt::Display, message: impl fmt::Display) {
        let problem =
            Problem { path: Clean::new(&path.to_string()), message: Clean::new(&message.to_string()) };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Notes a problem unless `fine`.
    pub fn unless(&mut self, fine: bool, path: impl fmt::Display, message: impl fmt::Display) {
        if !fine {
            self.add(path, message);
        }
    }

    /// An error if there are any.
    pub fn none(&mut self, file: &str) -> Result<(), AppError> {
        match std::mem::take(&mut self.0) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(AppError::Invalid { file: Clean::new(file), problems }),
        }
    }
}

/// The known name nearest to `name`, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names are short where they matter; comparing a huge one with all of them would take long.
    if name.len() > 200 {
        return None;
    }
    known
        .into_iter()
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

/// `, did you mean ...?` where there is something to mean.
pub(super) fn did_you_mean(near: Option<impl fmt::Display>) -> String {
    near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
}
