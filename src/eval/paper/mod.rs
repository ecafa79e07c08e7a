//! The evaluation of Sage's paper on the lab, and what the paper does not ask, with one command.
//!
//! ```text
//!            ┌→ accuracy ────┐
//!            ├→ actuation ───┤          ┌→ figure ──→ SVG, PNG, CSV, Markdown, terminal
//!  settings ─┼→ calibration ─┼→ ledger ─┤
//!            └→ difficulty ──┘          └→ report ──→ docs/evaluation.md
//!  what to     a unit of work           from what is in the ledger alone
//!  measure     each a line of JSON
//! ```
//!
//! Units are measured in the same way whoever asks, with fixed seeds, and each is kept in the
//! [`Ledger`] as soon as it is done: a run that was stopped goes on, and figures and documents are made
//! again without measuring anything.

pub mod accuracy;
pub mod actuation;
pub mod calibration;
pub mod difficulty;
pub mod figure;
pub mod ledger;
pub mod published;
pub mod report;
pub mod retraining;
pub mod run;
pub mod sensitivity;
pub mod settings;

use std::path::{Path, PathBuf};

use super::model::EvalError;
pub use figure::{Figure, PlotError};
pub use ledger::Ledger;
pub use run::{Work, estimate, figures, measure, prefixes, words, write};
pub use settings::{Settings, Topic};

/// Why an evaluation stopped.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The lab or the engine.
    #[error(transparent)]
    Eval(Box<EvalError>),
    /// A figure.
    #[error("{name}: {source}")]
    Plot {
        /// Which.
        name: &'static str,
        /// Why.
        source: PlotError,
    },
    /// A file.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder without results.
    #[error("nothing was measured in {} yet: leave --draw away, or give the folder with --out", .folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// Two runs at once would do the same work twice.
    #[error("{} is being written by another run: wait for it, or give another folder with --out", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A result that is no result.
    #[error("{}: line {number}: {what}; delete that line to measure it anew", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        number: usize,
        /// What is wrong.
        what: String,
    },
}

impl<E: Into<EvalError>> From<E> for PaperError {
    fn from(error: E) -> Self {
        Self::Eval(Box::new(error.into()))
    }
}

impl PaperError {
    /// For `map_err` on what is done to `path`.
    pub(in crate::eval) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path: path.clone(), source }
    }
}
