//! Tells when a file of the user's says something else, so that a theme can be tried while it is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

/// How often the files are looked at. Looking costs a system call each, works on every file system and
/// survives editors that replace a file instead of writing to it.
const EVERY: Duration = Duration::from_secs(1);
/// Changes under way to the screens.
const CHANGES: usize = 8;

/// A file that says something else now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its path, as it was given.
    pub file: String,
    /// What it says, or why it cannot be read.
    pub text: Result<String, String>,
}

/// Watches `files` for as long as the receiver is kept. What they say at the start is taken as known.
///
/// # Errors
/// No thread can be started.
pub fn watch(files: Vec<PathBuf>) -> std::io::Result<mpsc::Receiver<Changed>> {
    let (changes, receiver) = mpsc::channel(CHANGES);
    let mut known: Vec<_> = files.iter().map(|file| stamp(file)).collect();
    // A thread and no task: a network file system that hangs must not hold up the runtime.
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        while !changes.is_closed() {
            thread::sleep(EVERY);
            for (file, known) in files.iter().zip(&mut known) {
                let now = stamp(file);
                // While an editor replaces it, the file is away for a moment.
                if now == *known || now.is_none() {
                    continue;
                }
                *known = now;
                let text = fs::read_to_string(file).map_err(|error| error.to_string());
                let changed = Changed { file: file.display().to_string(), text };
                if changes.blocking_send(changed).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(receiver)
}

/// What tells one version of a file from another.
fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let about = fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_told_when_it_says_something_else_also_if_it_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, "one").unwrap();
        let mut changes = watch(vec![file.clone()]).unwrap();
        fs::write(&file, "second").unwrap();
        assert_eq!(changes.blocking_recv().unwrap().text.unwrap(), "second");
        let other = folder.path().join("new");
        fs::write(&other, "the third").unwrap();
        fs::remove_file(&file).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(changes.blocking_recv().unwrap().text.unwrap(), "the third");
    }
}
