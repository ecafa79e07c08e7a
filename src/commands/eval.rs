//! `sagetop eval`: what can be said about answers, measured on simulated clusters.

use std::io::Write as _;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Error, Exit, Output};
use crate::cli::{AccuracyArgs, DifficultyArgs, EvalCommand, FaultsArgs, Global, ModelCommand};
use crate::config::Dirs;
use crate::eval::difficulty::{Plan, measure};
use crate::eval::{faults, model};
use crate::lab::app::{self, Application};
use crate::lab::stage::StageError;

/// Runs it.
pub fn run(global: &Global, command: &EvalCommand, out: &mut Output) -> Result<Exit, Error> {
    match command {
        EvalCommand::Difficulty(args) => difficulty(args, out),
        EvalCommand::Faults(args) => faults(args, out),
        EvalCommand::Model { what: ModelCommand::Accuracy(args) } => accuracy(global, args, out),
    }
}

/// The application of this name, or all.
fn apps(name: Option<&str>) -> Result<Vec<Arc<Application>>, Error> {
    let names = match name {
        Some(name) => vec![name],
        None => app::names(),
    };
    let open = |name: &str| Ok(Arc::new(app::open(name).map_err(StageError::App)?));
    names.into_iter().map(open).collect()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How badly each kind of fault hurts.
fn faults(args: &FaultsArgs, out: &mut Output) -> Result<Exit, Error> {
    for app in apps(args.app.as_deref())? {
        let harms = faults::measure(&app, args.seed, threads()).map_err(StageError::Sim)?;
        if out.json() {
            out.value(&harms)?;
        } else {
            writeln!(out, "{harms}")?;
        }
        out.flush()?;
    }
    Ok(Exit::Ok)
}

/// How often naive rules find the culprit.
fn difficulty(args: &DifficultyArgs, out: &mut Output) -> Result<Exit, Error> {
    for app in apps(args.app.as_deref())? {
        let bar = ProgressBar::new(args.scenarios as u64);
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos} of {len}  {eta} left") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(app.name.to_string());
        let plan = Plan { app, scenarios: args.scenarios, seed: args.seed, threads: threads() };
        let measured = measure(&plan, &|| bar.inc(1)).map_err(|error| Error::Lab(error.to_string()))?;
        bar.finish_and_clear();
        if out.json() {
            out.value(&measured)?;
        } else {
            writeln!(out, "{measured}")?;
        }
        out.flush()?;
    }
    Ok(Exit::Ok)
}

/// A bar for one application's incidents.
struct Cases(ProgressBar);

impl model::Tell for Cases {
    fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    fn case(&self) {
        self.0.inc(1);
    }
}

/// How often verdicts are right.
fn accuracy(global: &Global, args: &AccuracyArgs, out: &mut Output) -> Result<Exit, Error> {
    let work = match &args.work {
        Some(work) => work.clone(),
        None => Dirs::find(global.state_dir())?.cache()?.join("eval"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut lines = match &args.out {
        None => None,
        Some(path) => {
            let file = std::fs::File::create(path);
            Some(file.map_err(|source| Error::Write { path: path.clone(), source })?)
        }
    };
    let mut chosen = Vec::new();
    for name in &args.app {
        chosen.extend(apps(Some(name))?);
    }
    if chosen.is_empty() {
        chosen = apps(None)?;
    }
    let mut all = Vec::new();
    for app in chosen {
        let bar = ProgressBar::new(args.scenarios as u64);
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos} of {len}  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(app.name.to_string());
        let plan = model::Plan {
            app,
            nodes: args.nodes,
            seed: args.seed,
            cases: args.scenarios,
            threads: args.threads.unwrap_or_else(threads),
            work: work.clone(),
        };
        let measured = model::measure(&plan, runtime.handle(), &Cases(bar.clone()));
        bar.finish_and_clear();
        let measured = measured.map_err(|error| Error::Lab(error.to_string()))?;
        if let Some(lines) = &mut lines {
            for outcome in &measured.outcomes {
                serde_json::to_writer(&mut *lines, outcome).map_err(std::io::Error::from)?;
                lines.write_all(b"\n")?;
            }
        }
        if out.json() {
            out.value(&measured)?;
        } else {
            writeln!(out, "{measured}")?;
        }
        out.flush()?;
        all.push(measured);
    }
    if !out.json() {
        writeln!(out, "{}\n{}", model::report::methods(&all), model::report::kinds(&all))?;
    }
    Ok(Exit::Ok)
}
