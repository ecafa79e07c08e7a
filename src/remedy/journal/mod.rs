//! The journal: what was going to be done, what came of it, and whether it helped; one file a context,
//! written before anything is done.
//!
//! Lines of JSON, each with the SHA-256 of its entry, each entry with the hash of the one before: a line
//! that was changed, removed or put in between breaks the chain. (Lines cut off at the end do not; whoever
//! must rule that out keeps the last hash elsewhere: `sagetop actions verify-journal` prints it.) The file
//! is only ever appended to, under an exclusive lock, because two sagetops may share it. If it cannot be
//! written, nothing is done.

mod chain;
mod record;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use chain::{Broken, Chain, Entry, Verified, verify};
pub use record::{Actor, Intent, Record};

use crate::domain::Timestamp;
use crate::windows::store::file_stem;

/// Why the journal cannot be used. Nothing may be done then.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("the journal {} cannot be {what}: {source}; without it nothing is done", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `written`, `locked`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Its chain is broken.
    #[error("the journal {}, {broken}; nothing is done on top of it: put it aside and look into it", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where and how.
        broken: Broken,
    },
    /// It is shorter than it was.
    #[error("the journal {} was cut off or replaced while it was in use; nothing is done on top of it", .path.display())]
    Cut {
        /// The file.
        path: PathBuf,
    },
}

/// A context's journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    chain: Chain,
    /// How much of the file the chain is of, and the file's number.
    length: u64,
    inode: Option<u64>,
}

/// Where the journal of `context` is below the state folder.
pub fn path(state: &Path, context: &str) -> PathBuf {
    state.join("actions").join(format!("{}.jsonl", file_stem(context)))
}

impl Journal {
    /// Opens the journal of `context` below `state`, made with mode 0600 if need be.
    ///
    /// # Errors
    /// It cannot be read, or its chain is broken.
    pub fn open(state: &Path, context: &str) -> Result<Self, JournalError> {
        let path = path(state, context);
        let journal = Self { path, known: Mutex::default() };
        if let Some(folder) = journal.path.parent() {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| journal.error("written", source))?;
        }
        journal.refresh()?;
        Ok(journal)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, what: &'static str, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), what, source }
    }

    fn file(&self) -> Result<File, JournalError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&self.path);
        file.map_err(|source| self.error("written", source))
    }

    /// Reads what another process has appended meanwhile; blocks while one is writing.
    ///
    /// # Errors
    /// It cannot be read, or its chain is broken.
    pub fn refresh(&self) -> Result<(), JournalError> {
        let mut file = self.file()?;
        file.lock_shared().map_err(|source| self.error("locked", source))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut file, &mut known)
    }

    /// All entries that are known.
    pub fn entries(&self) -> Vec<Entry> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).chain.entries.clone()
    }

    fn catch_up(&self, file: &mut File, known: &mut Known) -> Result<(), JournalError> {
        let read = |source| self.error("read", source);
        let about = file.metadata().map_err(read)?;
        if about.len() < known.length || known.inode.is_some_and(|inode| inode != about.ino()) {
            return Err(JournalError::Cut { path: self.path.clone() });
        }
        known.inode = Some(about.ino());
        file.seek(SeekFrom::Start(known.length)).map_err(read)?;
        let mut more = Vec::new();
        file.read_to_end(&mut more).map_err(read)?;
        known.length += more.len() as u64;
        known.chain.extend(&more).map_err(|broken| JournalError::Broken { path: self.path.clone(), broken })
    }

    /// Appends `record` and makes sure that it is on the disk.
    ///
    /// # Errors
    /// It could not be; then what was to be recorded must not be done.
    pub fn append(&self, record: Record) -> Result<(), JournalError> {
        let mut file = self.file()?;
        file.lock().map_err(|source| self.error("locked", source))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.length == 0;
        self.catch_up(&mut file, &mut known)?;
        let mut next = known.chain.clone();
        let bytes = next
            .append(record, Timestamp::now())
            .map_err(|error| self.error("written", io::Error::other(error)))?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if let Err(source) = written {
            // Half a line would be told and chained over, but none at all is better. The lock is still held.
            let _ = file.set_len(known.length);
            return Err(self.error("written", source));
        }
        if is_new && let Some(folder) = self.path.parent() {
            // The name of a new file is on the disk only with its folder.
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| self.error("written", source))?;
        }
        known.length += bytes.len() as u64;
        known.chain = next;
        Ok(())
    }
}
