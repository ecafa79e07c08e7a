//! `sagetop eval`: what can be said about answers, measured on simulated clusters.

use std::io::Write as _;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Error, Exit, Output, eval_model, eval_paper, eval_replay};
use crate::cli::{DifficultyArgs, EvalCommand, FaultsArgs, Global};
use crate::eval::difficulty::{Plan, measure};
use crate::eval::faults;
use crate::lab::app::{self, Application};
use crate::lab::stage::StageError;

/// Runs it.
pub fn run(global: &Global, command: &EvalCommand, out: &mut Output) -> Result<Exit, Error> {
    match command {
        EvalCommand::Difficulty(args) => difficulty(args, out),
        EvalCommand::Faults(args) => faults(args, out),
        EvalCommand::Model { what } => eval_model::run(global, what, out),
        EvalCommand::Replay(args) => eval_replay::run(global, args, out),
        EvalCommand::Paper(args) => eval_paper::run(global, args, out),
    }
}

/// The application of this name, or all.
pub(super) fn apps(name: Option<&str>) -> Result<Vec<Arc<Application>>, Error> {
    let names = match name {
        Some(name) => vec![name],
        None => app::names(),
    };
    let open = |name: &str| Ok(Arc::new(app::open(name).map_err(StageError::App)?));
    names.into_iter().map(open).collect()
}

pub(super) fn threads() -> usize {
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
