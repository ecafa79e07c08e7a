//! `sagetop eval paper`: the evaluation of Sage's paper on the lab.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::eval::{apps, threads};
use super::output::complain;
use super::{Error, Exit, Output};
use crate::cli::{Global, PaperArgs};
use crate::config::Dirs;
use crate::eval::model::Tell;
use crate::eval::paper::report::{EVALUATION, document};
use crate::eval::paper::{self, Ledger, PaperError, Settings, figure};
use crate::lab::stage::StageError;

/// Runs it.
pub fn run(global: &Global, args: &PaperArgs, out: &mut Output) -> Result<Exit, Error> {
    let settings = settings(global, args)?;
    let name = if args.quick { "evaluation-quick" } else { "evaluation" };
    let folder = args.out.clone().unwrap_or_else(|| name.into());
    let failed = |error: PaperError| Error::Lab(error.to_string());
    let ledger = if args.draw {
        Ledger::read(&folder).map_err(failed)?
    } else {
        let mut ledger = Ledger::open(&folder).map_err(failed)?;
        if args.fresh {
            ledger = ledger.forget(&paper::prefixes(&settings)).map_err(failed)?;
        }
        measure(&settings, &ledger, out).map_err(failed)?;
        ledger
    };
    let figures = paper::figures(&settings, &ledger);
    for figure in &figures {
        paper::write(figure, &folder).map_err(failed)?;
        if !out.json() {
            writeln!(out, "{}", figure::text(figure))?;
            figure.tables.iter().try_for_each(|table| writeln!(out, "{table}"))?;
        }
    }
    if let Some(file) = &args.report {
        let words = paper::words(&settings, &ledger);
        // As seen from the document, if it lies above its pictures.
        let beside = file.parent().and_then(|parent| folder.strip_prefix(parent).ok());
        let text = document(EVALUATION, &figures, &words, beside.unwrap_or(&folder)).to_string();
        std::fs::write(file, text).map_err(|source| Error::Write { path: file.clone(), source })?;
    }
    if out.json() {
        let files = figures.iter().map(|figure| folder.join(format!("{}.csv", figure.name)));
        let files = Vec::from_iter(files.map(|path| path.display().to_string()));
        out.value(&serde_json::json!({ "schema": "sagetop.paper/1", "figures": files }))?;
    }
    Ok(Exit::Ok)
}

fn settings(global: &Global, args: &PaperArgs) -> Result<Settings, Error> {
    let work: PathBuf = match &args.work {
        Some(work) => work.clone(),
        None => Dirs::find(global.state_dir())?.cache()?.join("eval"),
    };
    let mut settings =
        Settings::new(args.quick, work, args.threads.unwrap_or_else(threads)).map_err(StageError::App)?;
    if !args.app.is_empty() {
        settings.apps.clear();
        for name in &args.app {
            settings.apps.extend(apps(Some(name))?);
        }
    }
    if !args.only.is_empty() {
        settings.topics.clone_from(&args.only);
        settings.topics.sort();
        settings.topics.dedup();
    }
    settings.cases = args.cases.unwrap_or(settings.cases);
    Ok(settings)
}

/// Measures what is missing, with a bar.
fn measure(settings: &Settings, ledger: &Ledger, out: &Output) -> Result<(), PaperError> {
    let left = paper::estimate(settings, ledger);
    if left.units == 0 {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| PaperError::File { path: "threads".into(), source })?;
    let bar = ProgressBar::new(left.units as u64);
    // The template is a constant; were it wrong, the default style would do.
    if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {pos} of {len}, {eta} left  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    if !out.json() {
        let time = HumanDuration(Duration::from_secs_f64(left.seconds));
        complain(&format!("{} units of work, about {time}; stopped, it goes on where it was", left.units));
    }
    let tell = Units(bar.clone());
    let done = paper::measure(paper::Work { settings, ledger, runtime: runtime.handle(), tell: &tell });
    bar.finish_and_clear();
    done
}

/// A bar for all units.
pub(super) struct Units(pub ProgressBar);

impl Tell for Units {
    fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// The bar is one for all units.
    fn cases(&self, _: usize) {}

    fn case(&self) {
        self.0.inc(1);
    }
}
