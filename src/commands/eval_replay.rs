//! `sagetop eval replay`: every method on recorded incidents.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::eval_paper::Units;
use super::output::complain;
use super::{Error, Exit, Output};
use crate::cli::{Global, ReplayArgs};
use crate::config::{self, paths};
use crate::eval::paper::{self, Ledger, PaperError, figure};
use crate::eval::replay::{self, Plan};

/// Runs it.
pub fn run(global: &Global, args: &ReplayArgs, out: &mut Output) -> Result<Exit, Error> {
    let failed = |error: PaperError| Error::Lab(error.to_string());
    let set = replay::read(&args.dir).map_err(failed)?;
    let mut config = config::load(&paths::config_file(global.config())?)?;
    config.warnings.iter().for_each(|warning| complain(&warning.to_string()));
    replay::point(&mut config, args.prometheus.as_deref(), args.jaeger.as_deref());
    let plan = Plan { set, config, context: global.context.clone(), seeds: args.seeds };
    let ledger = Ledger::open(&args.out).map_err(failed)?;
    let missing = replay::missing(&plan, &ledger);
    if missing > 0 {
        let known = ledger.seconds(&format!("replay/{}/", plan.set.name));
        let time = indicatif::HumanDuration(replay::usual(known, missing));
        complain(&format!("{missing} questions, about {time}; stopped, it goes on where it was"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let bar = ProgressBar::new(missing as u64);
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {pos} of {len}, {eta} left  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        // Windows belong to an address, and a replay has another one each time: nothing to keep.
        let cache = tempfile::tempdir()?;
        let done = replay::measure(&plan, cache.path(), &ledger, runtime.handle(), &Units(bar.clone()));
        bar.finish_and_clear();
        done.map_err(failed)?;
    }
    if let Some(figure) = replay::figure(&plan.set, &ledger) {
        paper::write(&figure, &args.out).map_err(failed)?;
        if out.json() {
            let file = args.out.join("replay.csv").display().to_string();
            out.value(&serde_json::json!({ "schema": "sagetop.replay/1", "figures": [file] }))?;
        } else {
            writeln!(out, "{}", figure::text(&figure))?;
            figure.tables.iter().try_for_each(|table| writeln!(out, "{table}"))?;
        }
    }
    Ok(Exit::Ok)
}
