//! Where the configuration and the program's own files are.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use super::ConfigError;

/// Folders for what the program keeps. Made on first use, readable by their owner only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// Journals and logs: what cannot be computed again.
    pub state: PathBuf,
    /// Windows and models: what can.
    pub cache: PathBuf,
}

impl Dirs {
    /// Below `chosen` if given, else in the user's folders.
    pub fn find(chosen: Option<&Path>) -> Result<Self, ConfigError> {
        if let Some(dir) = chosen {
            return Ok(Self { state: dir.to_owned(), cache: dir.join("cache") });
        }
        let user = user_dirs()?;
        Ok(Self {
            state: user.state_dir().unwrap_or_else(|| user.data_local_dir()).to_owned(),
            cache: user.cache_dir().to_owned(),
        })
    }

    /// The state folder, made if need be.
    pub fn state(&self) -> Result<&Path, ConfigError> {
        private(&self.state)
    }

    /// The cache folder, made if need be.
    pub fn cache(&self) -> Result<&Path, ConfigError> {
        private(&self.cache)
    }
}

/// The configuration file: `chosen` if given, else `config.toml` in the user's folder.
pub fn config_file(chosen: Option<&Path>) -> Result<PathBuf, ConfigError> {
    match chosen {
        Some(path) => Ok(path.to_owned()),
        None => Ok(user_dirs()?.config_dir().join("config.toml")),
    }
}

fn user_dirs() -> Result<ProjectDirs, ConfigError> {
    ProjectDirs::from("", "", "sagetop").ok_or(ConfigError::NoHome)
}

/// Makes `dir` with mode 0700. One that exists keeps its mode: it may be shared on purpose.
pub fn private(dir: &Path) -> Result<&Path, ConfigError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| ConfigError::Folder { path: dir.to_owned(), source })?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_chosen_folder_holds_everything_and_is_private() {
        let temp = tempfile::tempdir().unwrap();
        let chosen = temp.path().join("a/b");
        let dirs = Dirs::find(Some(&chosen)).unwrap();
        for dir in [dirs.state().unwrap(), dirs.cache().unwrap()] {
            assert!(dir.starts_with(&chosen));
            assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Dirs::find(Some(&file.join("x"))).unwrap().state().unwrap_err();
        assert!(error.to_string().contains("file/x"), "{error}");
    }
}
