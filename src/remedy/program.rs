//! Finding kubectl and ssh: once, by absolute path, and only where nobody else could have put them.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Writing by everybody.
const OTHERS_WRITE: u32 = 0o002;
/// In such a folder only the owner of a file may replace it.
const STICKY: u32 = 0o1000;
/// Running by anybody.
const RUN: u32 = 0o111;

/// A program that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(PathBuf);

/// Why a program may not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It was named by a path that depends on where one is.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// It is not where it was said to be.
    #[error("{}: {source}", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is nowhere in PATH.
    #[error(
        "there is no {0} in PATH (folders that are not absolute paths are not looked into); name it in the configuration"
    )]
    Nowhere(String),
    /// It cannot be run.
    #[error("{} is not a program", .0.display())]
    NotAProgram(PathBuf),
    /// Somebody else could replace it.
    #[error("{} can be changed by others, so that what is run may not be what was installed", .0.display())]
    Unsafe(PathBuf),
    /// Its path is not text.
    #[error("{} is not valid UTF-8", .0.display())]
    Encoding(PathBuf),
}

impl Program {
    /// The program at `path`.
    ///
    /// Nobody but root and who runs this may own it or anything on the way to it, and others may write
    /// only to folders that are sticky (`/tmp`), where they cannot replace what is not theirs.
    ///
    /// # Errors
    /// The path is relative, or the program or a folder on the way to it could be changed by others.
    pub fn at(path: &Path) -> Result<Self, ProgramError> {
        if !path.is_absolute() {
            return Err(ProgramError::Relative(path.to_owned()));
        }
        let missing = |source| ProgramError::Missing { path: path.to_owned(), source };
        let file = path.canonicalize().map_err(missing)?;
        let about = file.metadata().map_err(missing)?;
        if !about.is_file() || about.mode() & RUN == 0 {
            return Err(ProgramError::NotAProgram(file));
        }
        // Both where the link is and where it leads to: either could be made to lead elsewhere.
        for place in [path, &file] {
            for step in place.ancestors() {
                safe(step, &step.symlink_metadata().map_err(missing)?)?;
            }
        }
        if path.to_str().is_none() {
            return Err(ProgramError::Encoding(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    /// `configured` if given, else the first `name` in the absolute folders of `search`, a PATH.
    ///
    /// # Errors
    /// There is none, or it must not be run.
    pub fn find(name: &str, configured: Option<&Path>, search: &OsStr) -> Result<Self, ProgramError> {
        if let Some(path) = configured {
            return Self::at(path);
        }
        let folders = std::env::split_paths(search).filter(|folder| folder.is_absolute());
        // The first one is what a shell would run: if that is unsafe, silently taking the next is no help.
        let first = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
        Self::at(&first.ok_or_else(|| ProgramError::Nowhere(name.to_owned()))?)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Owned by root or by who runs this, and not to be written by others. A link has no mode of its own.
fn safe(path: &Path, about: &Metadata) -> Result<(), ProgramError> {
    let me = rustix::process::geteuid().as_raw();
    let open = !about.is_symlink() && about.mode() & OTHERS_WRITE != 0;
    let sticky = about.is_dir() && about.mode() & STICKY != 0;
    if (open && !sticky) || ![0, me].contains(&about.uid()) {
        return Err(ProgramError::Unsafe(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_change_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (bin, link) = (temp.path().join("bin"), temp.path().join("link"));
        fs::create_dir(&bin).unwrap();
        fs::create_dir(&link).unwrap();
        mode(&bin, 0o755);
        mode(&link, 0o700);
        let tool = bin.join("tool");
        fs::write(&tool, "").unwrap();
        mode(&tool, 0o644);
        assert!(matches!(Program::at(&tool), Err(ProgramError::NotAProgram(_))));
        mode(&tool, 0o755);
        symlink(&tool, link.join("tool")).unwrap();
        assert_eq!(Program::at(&link.join("tool")).unwrap().path(), link.join("tool"));
        // The file, its folder, the link's folder.
        for (path, good, bad) in [(&tool, 0o755, 0o1757), (&bin, 0o755, 0o777), (&link, 0o700, 0o707)] {
            mode(path, bad);
            let refused = Program::at(&link.join("tool")).unwrap_err();
            assert!(matches!(&refused, ProgramError::Unsafe(at) if at == path), "{refused}");
            mode(path, good);
        }
        // In a sticky folder others cannot replace what is not theirs …
        mode(&bin, 0o1777);
        assert_eq!(Program::at(&tool).unwrap().path(), tool);
        assert_eq!(Program::at(&link.join("tool")).unwrap().path(), link.join("tool"));
        mode(&bin, 0o755);
        assert!(matches!(Program::at(Path::new("tool")), Err(ProgramError::Relative(_))));
        assert!(matches!(Program::at(&bin.join("none")), Err(ProgramError::Missing { .. })));
    }

    /// … but may have put it there themselves: a program, a link to one, or a folder with one.
    #[test]
    fn what_others_own_is_refused_in_a_sticky_folder() {
        use std::os::unix::fs::{chown, lchown};
        const OTHER: Option<u32> = Some(54_321);
        let temp = tempfile::tempdir().unwrap();
        let sticky = temp.path().join("sticky");
        let (folder, tool, link) = (sticky.join("folder"), sticky.join("tool"), sticky.join("link"));
        fs::create_dir_all(&folder).unwrap();
        for path in [&tool, &folder.join("tool")] {
            fs::write(path, "").unwrap();
            mode(path, 0o755);
        }
        mode(&folder, 0o755);
        mode(&sticky, 0o1777);
        symlink(&tool, &link).unwrap();
        for path in [&tool, &link, &folder.join("tool")] {
            Program::at(path).unwrap();
        }
        if lchown(&link, OTHER, None).is_err() {
            eprintln!("skipped: only root gives files away");
            return;
        }
        chown(&folder, OTHER, None).unwrap();
        for (path, at) in [(&link, &link), (&folder.join("tool"), &folder)] {
            let refused = Program::at(path).unwrap_err();
            assert!(matches!(&refused, ProgramError::Unsafe(found) if found == at), "{refused}");
        }
        Program::at(&tool).unwrap();
        chown(&tool, OTHER, None).unwrap();
        assert!(matches!(Program::at(&tool), Err(ProgramError::Unsafe(found)) if found == tool));
    }

    #[test]
    fn relative_and_empty_folders_of_path_are_not_looked_into() {
        let temp = tempfile::tempdir().unwrap();
        let tool = temp.path().join("tool");
        fs::write(&tool, "").unwrap();
        mode(&tool, 0o755);
        let find = |path: &str| Program::find("tool", None, OsStr::new(path));
        let here = format!(":.:relative:{}", temp.path().display());
        assert_eq!(find(&here).unwrap().path(), tool);
        assert!(matches!(find(":.:src"), Err(ProgramError::Nowhere(_))));
        assert!(matches!(
            Program::find("x", Some(Path::new("bin/x")), OsStr::new("/bin")),
            Err(ProgramError::Relative(_))
        ));
    }
}
