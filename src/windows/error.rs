//! What can go wrong with windows, in words a tired person can act on.

use std::path::PathBuf;

use crate::domain::Clean;
use crate::telemetry;

/// A backend did not deliver; the text is the client's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub Clean);

impl From<telemetry::Error> for SourceError {
    fn from(error: telemetry::Error) -> Self {
        Self(Clean::new(&error.to_string()))
    }
}

/// Failure of the store or of a whole fetch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store's folder cannot be made.
    #[error("cannot create the folder {}: {reason} (choose another with --state-dir)", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The store cannot be opened, read or written.
    #[error("the window store {} cannot be used: {reason}", path.display())]
    Store {
        /// Its file.
        path: PathBuf,
        /// SQLite's reason.
        reason: rusqlite::Error,
    },
    /// The store comes from the future.
    #[error(
        "the window store {} has version {found}, this sagetop knows up to {known}: \
         update sagetop, or choose another folder with --state-dir",
        path.display()
    )]
    Newer {
        /// Its file.
        path: PathBuf,
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// A damaged store could not be moved out of the way.
    #[error("the window store {} is damaged and cannot be moved aside: {reason}; delete it", path.display())]
    Stuck {
        /// Its file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// Not one request was answered.
    #[error("no telemetry could be fetched: all {failed} requests failed, first {what}: {first}")]
    AllFailed {
        /// How many were tried.
        failed: usize,
        /// What the first asked for.
        what: Clean,
        /// Why it failed.
        first: SourceError,
    },
    /// Background work was aborted by the runtime.
    #[error("writing to the window store was aborted: {0}")]
    Aborted(String),
}
