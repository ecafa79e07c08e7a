//! `sagetop status`: how the objectives stand, as a table or as `sagetop.status/1`.

use std::io::Write;

use serde::Serialize;

use super::diagnose::exit;
use super::session::{Bar, Session};
use super::{Error, Exit, Output, plain};
use crate::cli::{Global, StatusArgs};
use crate::domain::{Clean, SloState, SloStatus, Timestamp};
use crate::engine::EngineError;

/// JSON form; field names are a contract.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    at: Timestamp,
    slos: Vec<SloStatus>,
    warnings: Vec<Clean>,
}

/// Runs it. The exit code is that of the worst objective.
pub fn run(global: &Global, args: StatusArgs, out: &mut Output) -> Result<Exit, Error> {
    let session = Session::open(global)?;
    let bar = Bar::new();
    let fetch = session.engine.fetch(session.at(), session.now, bar.as_ref());
    let fetched = session.runtime.block_on(fetch);
    bar.clear();
    let mut warnings = match fetched {
        Ok(report) => report.warnings,
        // What is stored may still say something; without samples the state is UNKNOWN.
        Err(error) => vec![Clean::new(&error.to_string())],
    };
    let picture = session.runtime.block_on(session.engine.picture(session.at()))?;
    let statuses = picture.statuses;
    warnings.extend(picture.warnings);
    if statuses.is_empty() {
        warnings
            .push(Clean::new(&EngineError::NoSlos { context: session.engine.context.clone() }.to_string()));
    }
    let worst = statuses.iter().map(|s| s.state).max().unwrap_or(SloState::Unknown);
    if out.json() {
        out.value(&Report { schema: "sagetop.status/1", at: session.at(), slos: statuses, warnings })?;
        return Ok(exit(worst));
    }
    if args.plain {
        plain::status(&statuses, out)?;
    } else {
        table(&statuses, out)?;
    }
    for warning in warnings {
        writeln!(out, "note: {warning}")?;
    }
    Ok(exit(worst))
}

/// The objectives in columns.
fn table(statuses: &[SloStatus], out: &mut Output) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<10}{:<32}{:>12}{:>12}{:>9}{:>9}{:>9}",
        "state", "objective", "observed", "at most", "burn 5m", "burn 1h", "budget"
    )?;
    for s in statuses {
        let burn = |window: &str| {
            let rate = s.burn.iter().find(|b| b.window.as_str() == window).and_then(|b| b.rate);
            rate.map_or_else(|| "-".to_owned(), |r| format!("{r:.1}"))
        };
        writeln!(
            out,
            "{:<10}{:<32}{:>12}{:>12}{:>9}{:>9}{:>9}",
            s.state,
            s.name,
            s.observed_ms.map_or_else(|| "no data".to_owned(), |ms| format!("{ms:.0} ms")),
            format!("{:.0} ms", s.objective_ms),
            burn("5m"),
            burn("1h"),
            s.budget_left.map_or_else(|| "-".to_owned(), |b| format!("{:.0} %", 100.0 * b)),
        )?;
    }
    Ok(())
}
