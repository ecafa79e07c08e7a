//! `sagetop eval`: what can be said about answers, measured on simulated clusters.

use std::io::Write as _;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Error, Exit, Output};
use crate::cli::{DifficultyArgs, EvalCommand};
use crate::eval::difficulty::{Plan, measure};
use crate::lab::app;
use crate::lab::stage::StageError;

/// Runs it.
pub fn run(command: &EvalCommand, out: &mut Output) -> Result<Exit, Error> {
    match command {
        EvalCommand::Difficulty(args) => difficulty(args, out),
    }
}

/// How often naive rules find the culprit.
fn difficulty(args: &DifficultyArgs, out: &mut Output) -> Result<Exit, Error> {
    let names = match &args.app {
        Some(name) => vec![name.as_str()],
        None => app::names(),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for name in names {
        let app = Arc::new(app::open(name).map_err(StageError::App)?);
        let bar = ProgressBar::new(args.scenarios as u64);
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos} of {len}  {eta} left") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(app.name.to_string());
        let plan = Plan { app, scenarios: args.scenarios, seed: args.seed, threads };
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
