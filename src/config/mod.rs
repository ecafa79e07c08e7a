//! Settings: finding, reading and checking the configuration file.
//!
//! [`mod@file`] is what a file may say; a new section is one more field there and in [`Config`].
//! [`load`] reads a file and either gives a [`Config`] whose every part was checked, or all the
//! problems it found with their places. A bad file is never replaced by defaults.

mod backend;
pub mod catalogue;
mod doc;
pub mod file;
mod limits;
pub mod paths;
pub mod problem;
mod remedy;
mod resolve;
mod shape;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::diagnosis::DiagnosisSettings;
use crate::domain::{Clean, ServiceName, Slo};
use crate::gvae::TrainSettings;
use crate::remedy::RemedySettings;
use crate::telemetry::{BackendSettings, Catalogue, CatalogueError, GrafanaSettings, JaegerSettings};
use crate::windows::WindowSettings;
use doc::SourceFile;
use file::File;
pub use file::UiSettings;
pub use paths::Dirs;
pub use problem::{Problem, Problems};
use resolve::Resolver;
use shape::Shape;

/// A commented configuration to start from.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// The context used without `--context`.
    pub default_context: Option<Clean>,
    /// The contexts.
    pub contexts: BTreeMap<Clean, Context>,
    /// The window table: what is learned from.
    pub windows: WindowSettings,
    /// The model and its training.
    pub model: TrainSettings,
    /// How a verdict is reached.
    pub diagnosis: DiagnosisSettings,
    /// Screen.
    pub ui: UiSettings,
    /// What is allowed, but probably not meant.
    pub warnings: Vec<Problem>,
}

/// One cluster or environment, ready for use.
#[derive(Clone, Debug)]
pub struct Context {
    /// Its name.
    pub name: Clean,
    /// Values of the templates' placeholders; the optional selectors are always among them.
    pub vars: BTreeMap<String, String>,
    /// The templates.
    pub catalogue: Catalogue,
    /// Where metrics are.
    pub prometheus: BackendSettings,
    /// Where traces are.
    pub jaeger: Option<JaegerSettings>,
    /// Where dashboards are.
    pub grafana: Option<GrafanaSettings>,
    /// Workload of a trace service, where the two names differ.
    pub names: BTreeMap<ServiceName, ServiceName>,
    /// Objectives, in the order they are shown.
    pub slos: Vec<Slo>,
    /// What may be changed in it.
    pub remedy: RemedySettings,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file.
    #[error("there is no configuration at {}\n`sagetop config init` writes a commented one to start from", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read the configuration {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The built-in catalogue is damaged.
    #[error("the built-in catalogue: {0}")]
    Standard(#[from] CatalogueError),
    /// It has errors; there may be warnings among them.
    #[error("{0}")]
    Invalid(Problems),
    /// No context was chosen, and there are several.
    #[error("several contexts: choose one with --context, or set default_context ({0})")]
    Ambiguous(Clean),
    /// A context that does not exist was chosen.
    #[error("there is no context `{name}` ({hint})")]
    NoContext {
        /// What was asked for.
        name: Clean,
        /// What is near it, or what there is.
        hint: Clean,
    },
    /// The user's folders cannot be found.
    #[error("no home folder: set HOME, or give --config and --state-dir")]
    NoHome,
    /// A folder cannot be made.
    #[error("cannot make the folder {}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Config {
    /// The context called `name`, else the default one, else the only one.
    pub fn context(&self, name: Option<&str>) -> Result<&Context, ConfigError> {
        let names = || self.contexts.keys().map(Clean::as_str);
        let chosen = name.or(self.default_context.as_ref().map(Clean::as_str));
        match chosen {
            Some(name) => self.contexts.get(name).ok_or_else(|| ConfigError::NoContext {
                name: Clean::new(name),
                hint: Clean::new(&problem::suggest(name, names()).unwrap_or_default()),
            }),
            None if self.contexts.len() > 1 => {
                Err(ConfigError::Ambiguous(Clean::new(&names().collect::<Vec<_>>().join(", "))))
            }
            None => self.contexts.values().next().ok_or_else(|| ConfigError::Missing(self.path.clone())),
        }
    }
}

/// Reads and checks the file at `path`.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let file = SourceFile::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    })?;
    let read = doc::read::<File>(&file.text, &Shape::of::<File>());
    let Some(written) = read.value else {
        return Err(ConfigError::Invalid(Problems(file.problems(read.findings))));
    };
    let mut resolver = Resolver {
        doc: &read.doc,
        folder: path.parent().unwrap_or(Path::new("")),
        standard: &Catalogue::standard()?,
        findings: read.findings,
        elsewhere: Vec::new(),
    };
    resolver.sections(&written);
    let contexts = resolver.contexts(&written);
    let Resolver { findings, elsewhere, .. } = resolver;
    let mut problems = Problems(file.problems(findings));
    problems.0.extend(elsewhere);
    if problems.fatal() {
        return Err(ConfigError::Invalid(problems));
    }
    Ok(Config {
        path: path.to_owned(),
        default_context: written.default_context,
        contexts,
        windows: written.windows,
        model: written.model,
        diagnosis: written.diagnosis,
        ui: written.ui,
        warnings: problems.0,
    })
}

/// The JSON schema of the configuration file, for editors.
pub fn schema() -> serde_json::Value {
    Shape::of::<File>().schema().clone()
}
