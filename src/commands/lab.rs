//! `sagetop lab`: serves a simulated cluster to anything that speaks the real APIs.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use super::output::complain;
use super::{Error, Exit, Output};
use crate::cli::{Edges, LabArgs};
use crate::lab::app;
use crate::lab::calibrate;
use crate::lab::cluster::Cluster;
use crate::lab::export::{self, Protocol};
use crate::lab::folder;
use crate::lab::incident;
use crate::lab::measure::{EdgeMetrics, Measurement};
use crate::lab::script;
use crate::lab::sim::Settings;
use crate::lab::stage::{Plan, Ports, Stage, StageError};
use crate::lab::world::World;

/// Runs it until it is told to end.
pub fn run(args: &LabArgs, out: &mut Output) -> Result<Exit, Error> {
    if args.schema {
        out.value(&app::schema())?;
        return Ok(Exit::Ok);
    }
    let mut plan = plan(args)?;
    if args.incidents {
        return incidents(&plan, out);
    }
    // A demo that was killed could not do it.
    folder::sweep();
    let listeners = plan.listen()?;
    let world = history(&mut plan)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stage = plan.live(world, listeners).await?;
        announce(&stage, args, out)?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            ended = stage.serve() => ended?,
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        Ok::<_, Error>(())
    })?;
    runtime.shutdown_background();
    Ok(Exit::Ok)
}

/// What the arguments ask for.
pub fn plan(args: &LabArgs) -> Result<Plan, Error> {
    let mut app = Arc::new(app::open(&args.app).map_err(StageError::App)?);
    let cluster = Cluster::for_application(&app, args.nodes);
    if !app::has_own_objective(&args.app).map_err(StageError::App)? {
        let objective = calibrate::objective(&app, &cluster).map_err(StageError::Sim)?;
        Arc::make_mut(&mut app).objective = objective;
    }
    let mut settings = Settings { seed: args.seed, ..Settings::default() };
    settings.load.scale = args.load;
    let live_s = args.history.as_secs_f64();
    let faults = match &args.faults {
        None => Vec::new(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.clone(), source })?;
            script::parse(&text, &app, &cluster, live_s)
                .map_err(|error| Error::Lab(format!("{}: {error}", path.display())))?
        }
    };
    let measurement = Measurement {
        seed: args.seed,
        scrape_s: args.scrape.as_secs_f64(),
        trace_sampling: args.sampling.unwrap_or(app.trace_sampling),
        edges: match args.edges {
            Edges::All => EdgeMetrics::All,
            Edges::Traced => EdgeMetrics::Traced,
        },
        ..Measurement::default()
    };
    let ports =
        Ports { prometheus: args.prometheus_port, jaeger: args.jaeger_port, control: args.control_port };
    let history = args.history;
    // Simulated time 0 is a time of day, so that the daily cycle fits the clock on the wall.
    let start = Timestamp::now().as_second() - args.history.as_secs().cast_signed();
    settings.start = start.rem_euclid(86_400).unsigned_abs() * crate::lab::sim::SECOND;
    let collector =
        |url: &Option<String>, protocol| url.as_ref().map(|url| export::Settings::new(url, protocol));
    let collectors =
        [collector(&args.export_otlp, Protocol::Otlp), collector(&args.export_zipkin, Protocol::Zipkin)];
    let collectors = collectors.into_iter().flatten().collect();
    Ok(Plan { app, cluster, settings, measurement, history, faults, speed: args.speed, collectors, ports })
}

/// Simulates the history with a progress bar.
pub fn history(plan: &mut Plan) -> Result<World, Error> {
    let bar = ProgressBar::new(plan.history.as_secs());
    // The template is a constant; were it wrong, the default style would do.
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {percent} %  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(format!("simulating {}", plan.app.name));
    let now = Timestamp::now().as_nanosecond();
    let world = plan.history(i64::try_from(now).unwrap_or(i64::MAX), |done, _| {
        bar.set_position(done);
        bar.set_message(format!("{} of history", crate::domain::duration::format(Duration::from_secs(done))));
    })?;
    bar.finish_and_clear();
    Ok(world)
}

/// Lists the demo's incidents, numbered as `demo --incident` wants them.
fn incidents(plan: &Plan, out: &mut Output) -> Result<Exit, Error> {
    for (number, incident) in incident::of(&plan.app, &plan.cluster).iter().enumerate() {
        if out.json() {
            out.value(&json!({ "incident": number, "title": incident.title, "faults": incident.faults }))?;
        } else {
            writeln!(out, "{number}  {}", incident.title)?;
        }
    }
    Ok(Exit::Ok)
}

/// Says where everything is.
fn announce(stage: &Stage, args: &LabArgs, out: &mut Output) -> Result<(), Error> {
    let installed = args.stand_ins.as_ref().map(|folder| stage.install(folder)).transpose()?;
    let config = stage.config(installed.as_ref());
    if let Some(path) = &args.write_config {
        std::fs::write(path, &config).map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    if args.speed != 1.0 {
        complain(
            "--speed: the lab's clock leaves this machine's behind or falls behind it, and sagetop, which asks \
             about the present of this machine, finds old data or none; other clients see no difference",
        );
    }
    let ports = stage.plan.ports;
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    if out.json() {
        out.value(&json!({
            "schema": "sagetop.lab/1",
            "app": stage.plan.app.name,
            "prometheus": url(ports.prometheus),
            "jaeger": url(ports.jaeger),
            "control": url(ports.control),
            "config": config,
        }))?;
    } else {
        writeln!(out, "{} is alive at {}x.", stage.plan.app.title, args.speed)?;
        writeln!(out, "Prometheus  {}", url(ports.prometheus))?;
        writeln!(out, "Jaeger      {}", url(ports.jaeger))?;
        writeln!(out, "control     {}   exporters' pages below /metrics", url(ports.control))?;
        match &args.write_config {
            Some(path) => writeln!(out, "sagetop --config {}", path.display())?,
            None => complain("--write-config FILE writes a configuration of sagetop for it"),
        }
    }
    out.flush()?;
    Ok(())
}
