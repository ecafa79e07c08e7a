//! `sagetop eval model`: the whole program judged on incidents of which the truth is known.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::eval::{apps, threads};
use super::{Error, Exit, Output};
use crate::cli::{Global, ModelArgs, ModelCommand};
use crate::config::Dirs;
use crate::eval::model::ablation::Ablation;
use crate::eval::model::current::Current;
use crate::eval::model::robust::Robust;
use crate::eval::model::sizing::Sizing;
use crate::eval::model::{self, Accuracy, Calibration, EvalError, Plan, Tell};

/// Runs it.
pub fn run(global: &Global, what: &ModelCommand, out: &mut Output) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match what {
        ModelCommand::Accuracy(args) => {
            let measure = |plan: &Plan, tell: &dyn Tell| model::measure(plan, runtime.handle(), tell);
            let all = each_app(global, args, out, measure, |measured: &Accuracy| &measured.outcomes)?;
            if !out.json() {
                all.iter().try_for_each(|measured| writeln!(out, "{measured}"))?;
                let report = (model::report::methods(&all), model::report::settings(&all));
                writeln!(out, "{}\n{}\n{}", report.0, report.1, model::report::kinds(&all))?;
            }
        }
        ModelCommand::Calibration(args) => {
            let measure = |plan: &Plan, tell: &dyn Tell| model::calibrate(plan, runtime.handle(), tell);
            let all = each_app(global, args, out, measure, |measured: &Calibration| &measured.predictions)?;
            if !out.json() {
                writeln!(out, "{}", model::calibration::table(&all))?;
            }
        }
        ModelCommand::Current(args) => {
            if let Some(other) = args.app.iter().find(|name| *name != model::variants::APP) {
                return Err(Error::Lab(format!(
                    "what is added, updated and removed is written for {}: leave `--app {other}` out",
                    model::variants::APP
                )));
            }
            let args = ModelArgs { app: vec![model::variants::APP.to_owned()], ..args.clone() };
            let measure =
                |plan: &Plan, tell: &dyn Tell| model::current::measure(plan, runtime.handle(), tell);
            let all = each_app(global, &args, out, measure, |measured: &Current| &measured.trials)?;
            if !out.json() {
                writeln!(out, "{}", model::current::table(&all))?;
            }
        }
        ModelCommand::Sizing(args) => {
            let measure = |plan: &Plan, tell: &dyn Tell| model::sizing::measure(plan, runtime.handle(), tell);
            let all = each_app(global, args, out, measure, |measured: &Sizing| &measured.amounts)?;
            if !out.json() {
                writeln!(out, "{}", model::sizing::table(&all))?;
            }
        }
        ModelCommand::Ablation(args) => {
            let measure =
                |plan: &Plan, tell: &dyn Tell| model::ablation::measure(plan, runtime.handle(), tell);
            let all = each_app(global, args, out, measure, |measured: &Ablation| &measured.without)?;
            if !out.json() {
                writeln!(out, "{}", model::ablation::table(&all))?;
            }
        }
        ModelCommand::Robust(args) => {
            let measure = |plan: &Plan, tell: &dyn Tell| model::robust::measure(plan, runtime.handle(), tell);
            let all = each_app(global, args, out, measure, |measured: &Robust| &measured.conditions)?;
            if !out.json() {
                writeln!(out, "{}", model::robust::table(&all))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// Measures one application after the other; what is measured of each goes to `--out` line by line, and
/// with `--json` as a whole to `out`.
fn each_app<T: Serialize, L: Serialize>(
    global: &Global,
    args: &ModelArgs,
    out: &mut Output,
    measure: impl Fn(&Plan, &dyn Tell) -> Result<T, EvalError>,
    lines: impl Fn(&T) -> &Vec<L>,
) -> Result<Vec<T>, Error> {
    let work: PathBuf = match &args.work {
        Some(work) => work.clone(),
        None => Dirs::find(global.state_dir())?.cache()?.join("eval"),
    };
    let write_error = |path: &PathBuf| {
        let path = path.clone();
        |source| Error::Write { path, source }
    };
    let mut file = match &args.out {
        None => None,
        Some(path) => Some(File::create(path).map_err(write_error(path))?),
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
        let bar = ProgressBar::no_length();
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos} of {len}  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(app.name.to_string());
        let plan = Plan {
            app,
            nodes: args.nodes,
            seed: args.seed,
            cases: args.scenarios,
            labels: args.labels,
            threads: args.threads.unwrap_or_else(threads),
            work: work.clone(),
        };
        let measured = measure(&plan, &Cases(bar.clone()));
        bar.finish_and_clear();
        let measured = measured.map_err(|error| Error::Lab(error.to_string()))?;
        if let Some(file) = &mut file {
            for line in lines(&measured) {
                serde_json::to_writer(&mut *file, line).map_err(std::io::Error::from)?;
                file.write_all(b"\n")?;
            }
        }
        if out.json() {
            out.value(&measured)?;
            out.flush()?;
        }
        all.push(measured);
    }
    Ok(all)
}

/// A bar for one application's incidents.
struct Cases(ProgressBar);

impl Tell for Cases {
    fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    fn cases(&self, many: usize) {
        self.0.set_length(many as u64);
    }

    fn case(&self) {
        self.0.inc(1);
    }
}
