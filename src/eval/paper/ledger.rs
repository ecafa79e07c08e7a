//! What was measured, one line of JSON for each unit of work, so that a run goes on where it stopped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PaperError;

/// Name of the file in its folder.
pub const FILE: &str = "results.jsonl";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was asked, in parts separated by slashes.
    pub key: String,
    /// How long the answer took, in seconds.
    pub seconds: f64,
    /// The answer.
    pub value: Value,
}

/// The lines of a folder, and the file they are in.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Option<File>,
    lines: BTreeMap<String, Line>,
}

impl Ledger {
    /// Reads the file in `folder`, and keeps others from writing to it. A last line that was cut off is
    /// dropped.
    ///
    /// # Errors
    /// The file cannot be read, is not understood, or belongs to a run that goes on.
    pub fn open(folder: &Path) -> Result<Self, PaperError> {
        let path = folder.join(FILE);
        let failed = PaperError::file(&path);
        std::fs::create_dir_all(folder).map_err(&failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(&failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PaperError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(&failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = parse(&path, &bytes[..whole])?;
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(&failed)?;
        Ok(Self { path, inner: Mutex::new(Inner { file: Some(file), lines }) })
    }

    /// Reads the file in `folder`, to which nothing will be added.
    ///
    /// # Errors
    /// The file cannot be read or is not understood.
    pub fn read(folder: &Path) -> Result<Self, PaperError> {
        let path = folder.join(FILE);
        let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => PaperError::Nothing { folder: folder.to_owned() },
            _ => PaperError::File { path: path.clone(), source },
        })?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = parse(&path, &bytes[..whole])?;
        Ok(Self { path, inner: Mutex::new(Inner { file: None, lines }) })
    }

    /// Forgets what was answered to keys that begin with one of `prefixes`: it will be measured anew.
    ///
    /// # Errors
    /// The file cannot be written; then it is as it was.
    pub fn forget(self, prefixes: &[String]) -> Result<Self, PaperError> {
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let failed = PaperError::file(&self.path);
        let mut kept = tempfile::NamedTempFile::new_in(&folder).map_err(&failed)?;
        self.with(|inner| {
            let is_kept = |key: &str| !prefixes.iter().any(|prefix| key.starts_with(prefix));
            for line in inner.lines.values().filter(|line| is_kept(&line.key)) {
                let mut text = serde_json::to_vec(line).unwrap_or_default();
                text.push(b'\n');
                kept.write_all(&text)?;
            }
            kept.as_file().sync_all()
        })
        .map_err(&failed)?;
        kept.persist(&self.path).map_err(|error| failed(error.error))?;
        // The lock was on the file that is no more.
        Self::open(&folder)
    }

    /// Whether this was measured.
    pub fn knows(&self, key: &str) -> bool {
        self.with(|inner| inner.lines.contains_key(key))
    }

    /// The answer to `key`, if it is there and of this form.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.with(|inner| inner.lines.get(key).map(|line| line.value.clone()))?;
        serde_json::from_value(value).ok()
    }

    /// Keys that begin with `prefix`, with what follows it, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.with(|inner| {
            let from = inner.lines.range(prefix.to_owned()..);
            let of = from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix));
            of.cloned().collect()
        })
    }

    /// Mean time in seconds of the units whose keys begin with `prefix`.
    pub fn seconds(&self, prefix: &str) -> Option<f64> {
        self.with(|inner| {
            let known = inner.lines.iter().filter(|(key, _)| key.starts_with(prefix));
            let seconds = Vec::from_iter(known.map(|(_, line)| line.seconds));
            (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
        })
    }

    /// Adds an answer, durably: what was added is there after a crash, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&self, key: &str, seconds: f64, value: &impl Serialize) -> Result<(), PaperError> {
        let value = serde_json::to_value(value).map_err(|error| PaperError::Line {
            path: self.path.clone(),
            number: 0,
            what: error.to_string(),
        })?;
        let line = Line { key: key.to_owned(), seconds: (1e3 * seconds).round() / 1e3, value };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        self.with(|inner| {
            if let Some(file) = &mut inner.file {
                file.write_all(&text)
                    .and_then(|()| file.sync_data())
                    .map_err(PaperError::file(&self.path))?;
            }
            inner.lines.insert(line.key.clone(), line);
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Line>, PaperError> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let read = |(index, line): (usize, &[u8])| {
        let line: Line = serde_json::from_slice(line).map_err(|error| PaperError::Line {
            path: path.to_owned(),
            number: index + 1,
            what: error.to_string(),
        })?;
        Ok((line.key.clone(), line))
    };
    lines.map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_goes_on_behind_the_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.put("accuracy/a/1", 2.0, &1).unwrap();
        ledger.put("accuracy/a/2", 4.0, &2).unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(PaperError::Busy { .. })), "one run at a time");
        drop(ledger);
        // As kill -9 in the middle of a write leaves it: at whichever byte.
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in first..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let ledger = Ledger::open(folder.path()).unwrap();
            assert_eq!(ledger.keys("accuracy/a/"), ["accuracy/a/1"], "cut at {cut}");
            assert!(!ledger.knows("accuracy/a/2"));
            ledger.put("accuracy/a/2", 4.0, &2).unwrap();
            drop(ledger);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
        let ledger = Ledger::read(folder.path()).unwrap();
        assert_eq!((ledger.get::<u8>("accuracy/a/2"), ledger.seconds("accuracy/a")), (Some(2), Some(3.0)));
        assert_eq!((ledger.get::<String>("accuracy/a/2"), ledger.seconds("b")), (None, None));
        let ledger = Ledger::open(folder.path()).unwrap().forget(&["accuracy/a/1".to_owned()]).unwrap();
        assert_eq!(ledger.keys(""), ["accuracy/a/2"]);
        assert!(matches!(Ledger::open(folder.path()), Err(PaperError::Busy { .. })), "still ours alone");
        drop(ledger);
        assert_eq!(Ledger::read(folder.path()).unwrap().keys(""), ["accuracy/a/2"]);
    }

    #[test]
    fn a_folder_without_results_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Ledger::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("nothing was measured in") && error.contains("--draw"), "{error}");
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{\"key\":\"a\",\"seconds\":1,\"value\":1}\n{}\n").unwrap();
        let error = Ledger::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("missing field"), "{error}");
    }
}
