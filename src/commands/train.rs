//! `sagetop train`: fetch history and train the model now, so that the next verdict is quick.

use std::io::Write;

use serde_json::json;

use super::session::{Bar, Session};
use super::{Error, Exit, Output};
use crate::cli::Global;
use crate::engine::EngineError;

/// Runs it; `fresh` trains even if there is a model already.
pub fn run(global: &Global, fresh: bool, out: &mut Output) -> Result<Exit, Error> {
    let session = Session::open(global)?;
    let bar = Bar::new();
    let work = async {
        let report = session.engine.fetch(session.at(), session.now, bar.as_ref()).await?;
        let learned = session.engine.learn(session.at(), fresh, bar.clone()).await;
        let learned = learned.map_err(|error| error.after(&report))?;
        Ok::<_, EngineError>((report, learned))
    };
    let done = session.runtime.block_on(work);
    bar.clear();
    let (report, learned) = done?;
    let model = &learned.summary;
    let warnings: Vec<_> = report.warnings.iter().chain(&learned.warnings).collect();
    if out.json() {
        out.value(&json!({ "schema": "sagetop.model/1", "model": model, "warnings": warnings }))?;
        return Ok(Exit::Ok);
    }
    writeln!(
        out,
        "model {} of {} windows until {}: {} services, {} latencies",
        model.fingerprint,
        model.windows,
        model.trained_at,
        learned.model.cbn.services().len(),
        learned.model.cbn.latencies.len(),
    )?;
    for warning in warnings {
        writeln!(out, "note: {warning}")?;
    }
    Ok(Exit::Ok)
}
