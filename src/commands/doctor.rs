//! `sagetop doctor`: are the backends well, do the clocks agree, which metrics have data.

use std::io::Write;

use serde::Serialize;

use super::session::{Bar, Session};
use super::{Error, Exit, Output};
use crate::cli::Global;
use crate::domain::{BackendHealth, BackendKind, BackendState, Clean, Timestamp};
use crate::engine::Probe;

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    at: Timestamp,
    backends: Vec<BackendHealth>,
    queries: Vec<Probe>,
    problems: Vec<Clean>,
}

/// Runs it. The exit code is 1 if something needs attention.
pub fn run(global: &Global, out: &mut Output) -> Result<Exit, Error> {
    let session = Session::open(global)?;
    let bar = Bar::new();
    let (backends, queries) = session.runtime.block_on(async {
        let backends = session.engine.health().await;
        // One sentence about a dead backend says more than one for every query.
        let queries = match backends.iter().any(|b| b.kind == BackendKind::Prometheus && b.flavour.is_none())
        {
            true => Vec::new(),
            false => session.engine.probe(session.at(), bar.as_ref()).await,
        };
        (backends, queries)
    });
    bar.clear();
    let problems = problems(&backends, &queries);
    let ok = problems.is_empty();
    if out.json() {
        out.value(&Report { schema: "sagetop.doctor/1", at: session.at(), backends, queries, problems })?;
    } else {
        print(&session, &backends, &queries, &problems, out)?;
    }
    Ok(if ok { Exit::Ok } else { Exit::Error })
}

fn problems(backends: &[BackendHealth], queries: &[Probe]) -> Vec<Clean> {
    let mut problems = Vec::new();
    for b in backends {
        if b.state != BackendState::Up {
            let why = b.detail.as_ref().map_or("no reason given", Clean::as_str);
            problems.push(Clean::new(&format!("{:?} at {}: {why}", b.kind, b.url)));
        }
    }
    if queries.iter().all(|q| q.series == Some(0)) && !queries.is_empty() {
        problems.push(Clean::new("no query of the catalogue has data: check `vars` and the catalogue"));
    }
    for q in queries.iter().filter(|q| q.error.is_some()) {
        let why = q.error.as_ref().map_or("", Clean::as_str);
        problems.push(Clean::new(&format!("{}: {why}", q.name)));
    }
    problems
}

fn print(
    session: &Session,
    backends: &[BackendHealth],
    queries: &[Probe],
    problems: &[Clean],
    out: &mut Output,
) -> std::io::Result<()> {
    writeln!(out, "context {}, at {}\n", session.engine.context, session.at())?;
    for b in backends {
        let offset = b.clock_offset_ms.map_or_else(|| "unknown".to_owned(), |ms| format!("{ms:+} ms"));
        let took = b.latency_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
        writeln!(out, "{:<11}{:<11}{}", format!("{:?}", b.kind), format!("{:?}", b.state), b.url)?;
        writeln!(
            out,
            "{:22}version {}, login {}, answered in {took}, clock {offset}",
            "",
            b.flavour.as_ref().map_or("unknown", Clean::as_str),
            session.engine.login(b.kind),
        )?;
        if let Some(detail) = &b.detail {
            writeln!(out, "{:22}{detail}", "")?;
        }
    }
    match queries {
        [] => writeln!(out, "\nthe catalogue was not asked, since Prometheus does not answer")?,
        _ => writeln!(out, "\n{:<44}{:>8}  data", "query of the catalogue", "series")?,
    }
    for q in queries {
        let (count, word) = match (q.series, &q.error) {
            (_, Some(error)) => ("-".to_owned(), format!("error: {error}")),
            (Some(0) | None, None) => ("0".to_owned(), "none: masked".to_owned()),
            (Some(n), None) => (n.to_string(), "yes".to_owned()),
        };
        writeln!(out, "{:<44}{count:>8}  {word}", q.name)?;
    }
    writeln!(out)?;
    match problems {
        [] => writeln!(out, "no problems found"),
        some => some.iter().try_for_each(|p| writeln!(out, "problem: {p}")),
    }
}
