//! A folder for as long as a demo lasts, and the end of those whose demo was killed.
//!
//! Its owner holds a lock on the folder itself (`flock`), which the kernel lets go with the process,
//! however that ends. A folder that nobody holds has been left behind. Whoever removes one holds its
//! lock meanwhile, so that a folder which has just been made and is not locked yet is not lost: its
//! maker finds it taken, and makes another.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What all their names begin with; hexadecimal digits follow.
const PREFIX: &str = "sagetop-demo-";
/// Digits behind it.
const DIGITS: usize = 8;
/// How often another name is tried.
const TRIES: usize = 16;

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a folder in {}: {source}; set TMPDIR to a place where you may write", .within.display())]
pub struct FolderError {
    /// Where it was to be.
    within: PathBuf,
    /// Why it is not.
    source: io::Error,
}

/// A folder that nobody else may enter; it goes when this is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Open, and thereby locked.
    _lock: File,
}

impl Folder {
    /// Makes one: in memory where there is such a place, else among the temporary files.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn make() -> Result<Self, FolderError> {
        let within = runtime_dir().unwrap_or_else(std::env::temp_dir);
        Self::make_in(&within).map_err(|source| FolderError { within, source })
    }

    fn make_in(within: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            let path = within.join(format!("{PREFIX}{:08x}", rand::random::<u32>()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            if let Some(lock) = hold(&path)? {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other("every name that was tried is taken"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the demo's folder stays behind");
        }
    }
}

/// Removes the folders of this user's demos that have ended without doing so; returns how many.
/// What cannot be removed stays, and the next one tries again.
pub fn sweep() -> usize {
    let places = [runtime_dir(), Some(std::env::temp_dir())];
    places.into_iter().flatten().map(|within| sweep_in(&within)).sum()
}

fn sweep_in(within: &Path) -> usize {
    let Ok(entries) = fs::read_dir(within) else { return 0 };
    let ours = entries.flatten().filter(|entry| is_name(&entry.file_name())).map(|entry| entry.path());
    ours.filter(|path| remove_if_left(path).unwrap_or(false)).count()
}

/// Removes a folder that nobody holds; whether it did.
fn remove_if_left(path: &Path) -> io::Result<bool> {
    let Some(_lock) = hold(path)? else { return Ok(false) };
    // Only where nobody but its owner may write, and that is this user: else it is not one of ours,
    // whatever its name.
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() || found.mode() & 0o077 != 0 || found.uid() != own_uid()? {
        return Ok(false);
    }
    fs::remove_dir_all(path)?;
    Ok(true)
}

/// Locks the folder at `path`; `None` when somebody holds it or it has just gone.
fn hold(path: &Path) -> io::Result<Option<File>> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) };
    // Not through a link, which would be somebody's trick.
    let found = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return Ok(None),
        Err(error) => return gone(error),
    };
    let folder = match File::open(path) {
        Ok(folder) => folder,
        Err(error) => return gone(error),
    };
    match folder.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    // What is locked must be what stands there now: somebody may have removed it in between.
    let now = match fs::symlink_metadata(path) {
        Ok(now) => now,
        Err(error) => return gone(error),
    };
    let same = |other: &Metadata| (other.dev(), other.ino()) == (found.dev(), found.ino());
    Ok((same(&now) && same(&folder.metadata()?)).then_some(folder))
}

fn is_name(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A place for a user's files as long as he is logged in, usually in memory.
fn runtime_dir() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir())
}

/// Who this process is, as files see it.
fn own_uid() -> io::Result<u32> {
    Ok(tempfile::tempfile()?.metadata()?.uid())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A folder as a killed process leaves it: the lock is gone, the files are not.
    fn left_behind(within: &Path, name: &str) -> PathBuf {
        let path = within.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        fs::create_dir(path.join("state")).unwrap();
        fs::write(path.join("state").join("file"), "x").unwrap();
        path
    }

    #[test]
    fn only_what_nobody_holds_and_is_ours_is_swept() {
        let within = tempfile::tempdir().unwrap();
        let within = within.path();
        let alive = Folder::make_in(within).unwrap();
        fs::write(alive.path().join("file"), "x").unwrap();
        let left = left_behind(within, "sagetop-demo-0123abcd");
        let open = left_behind(within, "sagetop-demo-00000001");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let elsewhere = left_behind(within, "elsewhere");
        let link = within.join("sagetop-demo-00000002");
        symlink(&elsewhere, &link).unwrap();
        let file = within.join("sagetop-demo-00000003");
        fs::write(&file, "x").unwrap();
        let others = ["sagetop-demo-", "sagetop-demo-0123abcg", "sagetop-demo-0123abcd1", "sagetop-0123abcd"];
        let others = others.map(|name| left_behind(within, name));

        assert_eq!(sweep_in(within), 1);
        assert!(!left.exists());
        for path in others.iter().chain([&open, &elsewhere, &link, &file]) {
            assert!(path.exists(), "{}", path.display());
        }
        assert!(alive.path().join("file").exists());

        let path = alive.path().to_owned();
        drop(alive);
        assert!(!path.exists());
        assert_eq!(sweep_in(within), 0);
        assert_eq!(sweep_in(&within.join("nowhere")), 0);
    }

    #[test]
    fn a_folder_is_for_its_owner_alone() {
        let within = tempfile::tempdir().unwrap();
        let folder = Folder::make_in(within.path()).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
        assert!(is_name(folder.path().file_name().unwrap()));
        assert!(hold(folder.path()).unwrap().is_none(), "it is held");
        assert!(Folder::make_in(&within.path().join("nowhere")).is_err());
    }
}
