//! `sagetop config`: make, check and describe the configuration.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use super::{Error, Exit, Output};
use crate::cli::{ConfigAction, ConfigArgs, Global};
use crate::config::{self, Config, ConfigError, EXAMPLE, Problem, Problems, paths, problem::Severity};
use crate::domain::Clean;

/// Runs one of its actions.
pub fn run(global: &Global, args: &ConfigArgs, out: &mut Output) -> Result<Exit, Error> {
    match args.action {
        ConfigAction::Init { print: true, .. } => out.write_all(EXAMPLE.as_bytes())?,
        ConfigAction::Init { force, .. } => init(&paths::config_file(global.config())?, force, out)?,
        ConfigAction::Check => return check(&paths::config_file(global.config())?, out),
        ConfigAction::Schema => {
            serde_json::to_writer_pretty(&mut *out, &config::schema()).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Ok)
}

fn init(path: &Path, force: bool, out: &mut Output) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    // Readable by its owner only: secrets may be added later.
    options.write(true).mode(0o600);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => failed(error),
    })?;
    file.write_all(EXAMPLE.as_bytes()).map_err(failed)?;
    writeln!(out, "wrote {}\nedit it, then run `sagetop config check`", path.display())?;
    Ok(())
}

fn check(path: &Path, out: &mut Output) -> Result<Exit, Error> {
    let (config, problems) = match config::load(path) {
        Ok(mut config) => {
            let warnings = std::mem::take(&mut config.warnings);
            (Some(config), Problems(warnings))
        }
        Err(ConfigError::Invalid(problems)) => (None, problems),
        Err(error) => return Err(error.into()),
    };
    if out.json() {
        out.value(&Report::new(path, config.as_ref(), &problems))?;
    } else {
        if !problems.0.is_empty() {
            writeln!(out, "{problems}")?;
        }
        let summary = config.as_ref().map_or_else(|| count(&problems), summary);
        writeln!(out, "{}: {summary}", path.display())?;
    }
    Ok(if config.is_some() { Exit::Ok } else { Exit::Error })
}

fn summary(config: &Config) -> String {
    let slos = config.contexts.values().map(|context| context.slos.len()).sum();
    format!("{}, {}", counted(slos, "SLO"), counted(config.contexts.len(), "context"))
}

fn count(problems: &Problems) -> String {
    counted(problems.0.iter().filter(|problem| problem.severity == Severity::Error).count(), "error")
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// JSON form of `config check`.
#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    file: String,
    ok: bool,
    contexts: Vec<ContextReport<'a>>,
    problems: Vec<ProblemReport<'a>>,
}

#[derive(Serialize)]
struct ContextReport<'a> {
    name: &'a Clean,
    slos: Vec<&'a Clean>,
}

#[derive(Serialize)]
struct ProblemReport<'a> {
    severity: &'static str,
    file: &'a Clean,
    line: usize,
    column: usize,
    message: &'a Clean,
    help: Option<&'a Clean>,
}

impl<'a> Report<'a> {
    fn new(path: &Path, config: Option<&'a Config>, problems: &'a Problems) -> Self {
        let contexts = config.into_iter().flat_map(|config| config.contexts.values());
        Self {
            schema: "sagetop.config/1",
            file: path.to_string_lossy().into_owned(),
            ok: config.is_some(),
            contexts: contexts
                .map(|c| ContextReport { name: &c.name, slos: c.slos.iter().map(|slo| &slo.name).collect() })
                .collect(),
            problems: problems.0.iter().map(ProblemReport::of).collect(),
        }
    }
}

impl<'a> ProblemReport<'a> {
    fn of(problem: &'a Problem) -> Self {
        Self {
            severity: if problem.severity == Severity::Error { "error" } else { "warning" },
            file: &problem.file,
            line: problem.line,
            column: problem.column,
            message: &problem.message,
            help: problem.help.as_ref(),
        }
    }
}
