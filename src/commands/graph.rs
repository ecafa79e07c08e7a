//! `sagetop graph`: who calls whom, as a tree, as DOT or as JSON.

use std::io::Write;

use super::session::{Bar, Session};
use super::{Error, Exit, Output, output, plain};
use crate::causal::render::{self, Charset};
use crate::cli::{Global, GraphArgs};
use crate::domain::ServiceName;
use crate::engine::EngineError;

/// Runs it.
pub fn run(global: &Global, args: &GraphArgs, out: &mut Output) -> Result<Exit, Error> {
    let session = Session::open(global)?;
    let bar = Bar::new();
    let work = async {
        let fetched = session.engine.fetch(session.at(), session.now, bar.as_ref()).await;
        let picture = session.engine.picture(session.at()).await?;
        let graph = session.engine.graph(&picture).await;
        match fetched {
            // What is stored shows the calls as well.
            Err(error) if !graph.services().is_empty() => {
                bar.clear();
                output::complain(&format!("sagetop: {error}"));
                Ok(graph)
            }
            Err(error) => Err(error),
            Ok(report) => {
                if graph.services().is_empty() {
                    bar.clear();
                    let none = EngineError::NoData { at: session.at() }.after(&report);
                    output::complain(&format!("sagetop: {none}"));
                }
                Ok(graph)
            }
        }
    };
    let graph = session.runtime.block_on(work);
    bar.clear();
    let graph = graph?;
    let entries: Vec<ServiceName> = session.engine.slos.iter().map(|s| s.service.clone()).collect();
    if out.json() {
        out.value(&render::report(&graph, &entries))?;
    } else if args.plain {
        plain::graph(&graph, out)?;
    } else if args.dot {
        out.write_all(render::dot(&graph, |_| None).as_bytes())?;
    } else {
        let charset = if args.ascii { Charset::Ascii } else { Charset::Unicode };
        out.write_all(render::text(&graph, &entries, charset, |_| None).as_bytes())?;
    }
    Ok(Exit::Ok)
}
