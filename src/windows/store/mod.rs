//! The window store: one SQLite file per context, a cache of what the backends answered.
//!
//! Rows are kept per query (`part`), so that a changed query, backend or name map starts afresh
//! beside the old data instead of mixing with it, and so that writing is only ever "replace this
//! part's windows in this range": repeatable, and harmless when two processes do it at once.

mod file;
mod rows;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::cells::{Cells, Ends};
use super::error::Error;
use super::plan::Key;
use crate::domain::{Clean, NodeName, ServiceName};
use file::File;
pub use file::file_stem;

/// A node that replicas of a service ran on, from the window ending at `first` to that at `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The service.
    pub service: ServiceName,
    /// The node.
    pub node: NodeName,
    /// End of the first window, unix seconds.
    pub first: i64,
    /// End of the last window, unix seconds.
    pub last: i64,
}

/// Handle of an open store. Cheap to clone; calls block for milliseconds, so async code
/// calls them on a blocking thread.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    connection: Mutex<Connection>,
    warnings: Mutex<Vec<Clean>>,
}

impl Store {
    /// Opens the store of `context` in the folder `dir`, creating both as needed. A damaged file is
    /// moved aside and replaced by an empty one; [`Store::take_warnings`] then says so.
    ///
    /// # Errors
    /// If the folder or file cannot be used, or was written by a newer sagetop.
    pub fn open(dir: &Path, context: &str) -> Result<Self, Error> {
        let file = File::in_folder(dir, context)?;
        let mut warnings = Vec::new();
        let connection = file.open(&mut warnings)?;
        let inner = Inner { file, connection: Mutex::new(connection), warnings: Mutex::new(warnings) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.inner.file.path()
    }

    /// What happened to the file since the last call, for the reader's eyes.
    pub fn take_warnings(&self) -> Vec<Clean> {
        std::mem::take(&mut *lock(&self.inner.warnings))
    }

    /// Ranges of a part that were fetched and are complete, in order, touching ones merged.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn covered(&self, key: &Key) -> Result<Vec<Ends>, Error> {
        self.with(|c| rows::covered(c, key))
    }

    /// Replaces what the part holds in `range` by `cells`, in one transaction. With `complete`, the
    /// range counts as fetched from now on.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn commit(
        &self,
        key: &Key,
        label: &Clean,
        range: Ends,
        length: i64,
        cells: &Cells,
        complete: bool,
    ) -> Result<(), Error> {
        self.with(|c| rows::commit(c, key, label, range, length, cells, complete))
    }

    /// Cells of a part in `range`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn cells(&self, key: &Key, range: Ends) -> Result<Cells, Error> {
        self.with(|c| rows::cells(c, key, range))
    }

    /// Whether the part has any cell in `range`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn has_cells(&self, key: &Key, range: Ends) -> Result<bool, Error> {
        self.with(|c| rows::has_cells(c, key, range))
    }

    /// Where replicas ran according to a part, as far as it was known by `range.until`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn placements(&self, key: &Key, range: Ends) -> Result<Vec<Placement>, Error> {
        self.with(|c| rows::placements(c, key, range))
    }

    /// Forgets all windows that end at or before `before` (unix seconds).
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn prune(&self, before: i64) -> Result<(), Error> {
        self.with(|c| rows::prune(c, before))
    }

    /// Runs `work`; if the file turns out to be damaged, once more on a fresh one.
    fn with<T>(&self, work: impl Fn(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let mut connection = lock(&self.inner.connection);
        let result = match work(&mut connection) {
            Err(reason) if file::is_damage(&reason) => {
                let mut warnings = Vec::new();
                // The old connection must be closed before its file is moved.
                *connection = Connection::open_in_memory().map_err(|e| self.inner.file.error(e))?;
                *connection = self.inner.file.reopen(&mut warnings)?;
                lock(&self.inner.warnings).append(&mut warnings);
                work(&mut connection)
            }
            result => result,
        };
        result.map_err(|reason| self.inner.file.error(reason))
    }
}

/// A panic elsewhere leaves SQLite's own state sound: transactions roll back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
