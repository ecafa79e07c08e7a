//! The models' folder: one a context, private, with the models that were used last.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::EngineError;
use crate::config::paths;
use crate::domain::Timestamp;
use crate::windows::store::file_stem;

/// Models kept: questions about the past come back to the same few moments.
const KEPT: usize = 16;
/// A file that is still unfinished after this long was given up by whoever wrote it.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Where the models of a context are.
#[derive(Clone, Debug)]
pub struct Shelf(PathBuf);

impl Shelf {
    /// The folder of `context` below `models`, made if need be.
    pub fn open(models: &Path, context: &str) -> Result<Self, EngineError> {
        let dir = models.join(file_stem(context));
        paths::private(&dir)?;
        Ok(Self(dir))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Notes that the model `name` was of use, so that it is kept longer than those that were not.
    pub fn touch(&self, name: &str) {
        // A folder that cannot be written only keeps the wrong models.
        if let Ok(file) = fs::File::open(self.0.join(format!("{name}.json"))) {
            let _ = file.set_modified(SystemTime::now());
        }
    }

    /// The cut-offs of the models there are: up to when each knows the application. Oldest first.
    pub fn cut_offs(&self) -> Vec<Timestamp> {
        let names = fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let second = |name: &str| name.strip_suffix(".json")?.rsplit_once('-')?.1.parse().ok();
        let seconds = names.filter_map(|name| second(&name.to_string_lossy()));
        let mut cut_offs: Vec<_> = seconds.filter_map(|s| Timestamp::from_second(s).ok()).collect();
        cut_offs.sort_unstable();
        cut_offs.dedup();
        cut_offs
    }

    /// Removes what nobody will ask for: models beyond the last used ones, and files that were
    /// never finished. Failing to is no reason to stop: the next model tries again.
    pub fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        let mut models: BTreeMap<String, (SystemTime, Vec<PathBuf>)> = BTreeMap::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(used) = fs::metadata(&path).and_then(|meta| meta.modified()) else { continue };
            let ending = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            if ending == "json" || ending == "safetensors" {
                let (last, files) = models.entry(stem).or_insert((used, Vec::new()));
                *last = used.max(*last);
                files.push(path);
            } else if ending.starts_with("part") && used.elapsed().is_ok_and(|age| age > ABANDONED) {
                remove(&path);
            }
        }
        let mut by_use: Vec<_> = models.into_values().collect();
        by_use.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
        by_use.iter().skip(KEPT).flat_map(|(_, files)| files).for_each(|path| remove(path));
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::debug!(path = %path.display(), "removed from the cache"),
        Err(error) => tracing::warn!(path = %path.display(), %error, "cannot be removed from the cache"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(path: &Path, age: Duration) {
        fs::write(path, "").unwrap();
        fs::File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn contexts_have_private_folders_of_their_own() {
        let temp = tempfile::tempdir().unwrap();
        let (a, b) = (Shelf::open(temp.path(), "a/b").unwrap(), Shelf::open(temp.path(), "a_b").unwrap());
        assert_ne!(a.dir(), b.dir());
        assert_eq!(a.dir().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_models_used_last_are_kept() {
        let temp = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(temp.path(), "prod").unwrap();
        for n in 0..KEPT + 3 {
            for ending in ["json", "safetensors"] {
                write(&shelf.dir().join(format!("{n:02}.{ending}")), Duration::from_secs(600 - n as u64));
            }
        }
        shelf.touch("00");
        shelf.tidy();
        let left = names(shelf.dir());
        assert_eq!(left.len(), 2 * KEPT, "{left:?}");
        assert!(left.contains(&"00.json".to_owned()) && left.contains(&"00.safetensors".to_owned()));
        for gone in ["01", "02", "03"] {
            assert!(left.iter().all(|name| !name.starts_with(gone)), "{left:?}");
        }
    }

    #[test]
    fn unfinished_files_go_after_a_day_and_not_before() {
        let temp = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(temp.path(), "prod").unwrap();
        write(&shelf.dir().join("old.part77"), ABANDONED + Duration::from_secs(60));
        write(&shelf.dir().join("new.part78"), Duration::from_secs(60));
        shelf.tidy();
        assert_eq!(names(shelf.dir()), ["new.part78"]);
    }
}
