//! The store's file: opening, schema versions, and what to do when it is damaged.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::domain::{Clean, Timestamp};
use crate::windows::error::Error;

/// Schema by version: entry n leads from version n to n + 1. Only ever append.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE part (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, label TEXT NOT NULL);
    CREATE TABLE column_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE window (part INTEGER NOT NULL, end INTEGER NOT NULL, cells BLOB NOT NULL,
                         PRIMARY KEY (part, end));
    CREATE TABLE coverage (part INTEGER NOT NULL, after INTEGER NOT NULL, until INTEGER NOT NULL,
                           PRIMARY KEY (part, after)) WITHOUT ROWID;
    CREATE TABLE placement (part INTEGER NOT NULL, service TEXT NOT NULL, node TEXT NOT NULL,
                            first INTEGER NOT NULL, last INTEGER NOT NULL);
    CREATE INDEX placement_part ON placement (part, first);
"];

/// How long to wait for another process that is writing; its transactions take milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// Path of a store and how to open it.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
}

impl File {
    /// The file of `context` in `dir`; the folder is created.
    pub fn in_folder(dir: &Path, context: &str) -> Result<Self, Error> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|reason| Error::Folder { path: dir.to_owned(), reason })?;
        Ok(Self { path: dir.join(format!("{}.windows.db", file_stem(context))) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn error(&self, reason: rusqlite::Error) -> Error {
        Error::Store { path: self.path.clone(), reason }
    }

    /// Opens the file and brings its schema up to date; a damaged one is moved aside first.
    pub fn open(&self, warnings: &mut Vec<Clean>) -> Result<Connection, Error> {
        // Only one process at a time creates, migrates or moves the file.
        let _guard = self.guard();
        match self.try_open() {
            Err(Error::Store { reason, .. }) if is_damage(&reason) => self.start_afresh(&reason, warnings),
            result => result,
        }
    }

    /// Opens the file after damage was met while using it. Another process may have replaced
    /// it already, in which case the new file is as good as ours would be.
    pub fn reopen(&self, warnings: &mut Vec<Clean>) -> Result<Connection, Error> {
        let _guard = self.guard();
        let checked = self.try_open().and_then(|connection| {
            let verdict: String = connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
                .map_err(|reason| self.error(reason))?;
            if verdict == "ok" {
                return Ok(connection);
            }
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            Err(self.error(rusqlite::Error::SqliteFailure(code, Some(verdict))))
        });
        match checked {
            Err(Error::Store { reason, .. }) if is_damage(&reason) => self.start_afresh(&reason, warnings),
            result => result,
        }
    }

    fn start_afresh(&self, why: &rusqlite::Error, warnings: &mut Vec<Clean>) -> Result<Connection, Error> {
        let aside = self.move_aside().map_err(|reason| Error::Stuck { path: self.path.clone(), reason })?;
        tracing::warn!(%why, aside = %aside.display(), "damaged window store moved aside");
        warnings.push(Clean::new(&format!(
            "the window store was damaged ({why}) and is kept as {}; history is fetched again",
            aside.display()
        )));
        self.try_open()
    }

    fn try_open(&self) -> Result<Connection, Error> {
        let fail = |reason| self.error(reason);
        // SQLite makes files that everybody can read; an empty file is a new store to it. Should
        // this fail, opening fails, too, and with SQLite's reason.
        let _ = self.private("db");
        let mut connection = Connection::open(&self.path).map_err(fail)?;
        connection.busy_timeout(BUSY).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;",
            )
            .map_err(fail)?;
        self.migrate(&mut connection)?;
        Ok(connection)
    }

    fn migrate(&self, connection: &mut Connection) -> Result<(), Error> {
        let fail = |reason| self.error(reason);
        let known = MIGRATIONS.len();
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        let from = usize::try_from(found).unwrap_or(usize::MAX);
        if from > known {
            let path = self.path.clone();
            return Err(Error::Newer { path, found, known: known as i64 });
        }
        if from == known {
            return Ok(());
        }
        let tx =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive).map_err(fail)?;
        for step in &MIGRATIONS[from..] {
            tx.execute_batch(step).map_err(fail)?;
        }
        tx.execute_batch(&format!("PRAGMA user_version = {known}")).map_err(fail)?;
        tx.commit().map_err(fail)
    }

    fn move_aside(&self) -> std::io::Result<PathBuf> {
        let now = Timestamp::now().as_millisecond();
        let aside = self.path.with_extension(format!("db.damaged-{now}"));
        fs::rename(&self.path, &aside)?;
        for tail in ["-wal", "-shm"] {
            let mut beside = self.path.clone().into_os_string();
            beside.push(tail);
            // A log that belongs to the damaged file must not be replayed into the new one.
            match fs::remove_file(&beside) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(aside)
    }

    /// An advisory lock beside the file, held while the guard lives. Where file systems know none,
    /// SQLite's own locking has to do.
    fn guard(&self) -> Option<fs::File> {
        let lock = self.private("lock").ok()?;
        lock.lock().ok()?;
        Some(lock)
    }

    /// The file itself or one beside it, made readable by its owner only.
    fn private(&self, ending: &str) -> std::io::Result<fs::File> {
        let path = self.path.with_extension(ending);
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    }
}

/// Whether an error means that the file's content is not a sound database.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// A context's name as the stem of a file. Names that had to be changed get a digest, so that no two
/// contexts share a file.
pub fn file_stem(context: &str) -> String {
    use sha2::{Digest, Sha256};
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let stem: String = context.chars().take(64).map(|c| if safe(c) { c } else { '_' }).collect();
    if stem == context && !stem.is_empty() {
        return stem;
    }
    let digest = Sha256::digest(context.as_bytes());
    format!("{stem}-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_never_share_a_file() {
        assert_eq!(file_stem("prod-eu_1"), "prod-eu_1");
        assert_ne!(file_stem("a/b"), file_stem("a_b"));
        assert_ne!(file_stem("a/b"), file_stem("a:b"));
        assert!(file_stem("../../etc").starts_with("______etc-"));
        assert!(!file_stem("").is_empty());
    }
}
