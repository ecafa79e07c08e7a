//! `sagetop diagnose`: why an SLO stands as it does, as a report or as `sagetop.verdict/1`.

use std::io::Write;

use super::session::{Bar, Session};
use super::{Error, Exit, Output};
use crate::cli::{DiagnoseArgs, Global, Method};
use crate::domain::{Basis, Counterfactual, Culprit, SloState, Verdict, VerdictKind};
use crate::tui::spoken_verdict;

/// Suspects listed in the report.
const LISTED: usize = 5;

/// Runs it.
pub fn run(global: &Global, args: &DiagnoseArgs, out: &mut Output) -> Result<Exit, Error> {
    let session = Session::open(global)?;
    let slo = session.engine.slo(args.slo.as_deref())?.clone();
    let bar = Bar::new();
    let (at, now) = (session.at(), session.now);
    let verdict = session.runtime.block_on(async {
        match args.method {
            Method::Model => session.engine.diagnose(&slo, at, now, bar.clone()).await,
            Method::Control => session.engine.control(&slo, at, now, bar.as_ref()).await,
        }
    });
    bar.clear();
    let verdict = verdict?;
    if out.json() {
        out.value(&verdict)?;
    } else if args.plain {
        write!(out, "{}", spoken_verdict(&verdict))?;
    } else {
        report(&verdict, out)?;
    }
    Ok(exit(verdict.slo.state))
}

/// Exit code of an SLO's state.
pub fn exit(state: SloState) -> Exit {
    match state {
        SloState::Ok => Exit::Ok,
        SloState::Unknown => Exit::Unknown,
        SloState::Burning | SloState::Breached => Exit::Violated,
    }
}

fn report(verdict: &Verdict, out: &mut Output) -> std::io::Result<()> {
    let slo = &verdict.slo;
    writeln!(
        out,
        "{}: {} {} against an objective of {}   {}",
        slo.name,
        slo.quantile,
        millis(slo.observed_ms),
        millis(Some(slo.objective_ms)),
        slo.state,
    )?;
    writeln!(out, "at {}, diagnosed from {} on", verdict.at, verdict.window.start)?;
    writeln!(out, "\n{}", headline(verdict))?;
    if verdict.basis == Basis::OwnContribution {
        writeln!(out, "(ranked by how unusual each service's own contribution is given its inputs)")?;
    }
    for culprit in &verdict.culprits {
        if !culprit.path.is_empty() {
            let path: Vec<_> = culprit.path.iter().map(|s| s.as_str()).collect();
            writeln!(out, "  path: {}", path.join(" → "))?;
        }
    }
    writeln!(
        out,
        "\n{:<4}{:<28}{:>9}  {:<9}{:<34}",
        "", "service", "score", "resource", "had it been normal"
    )?;
    for (place, ranked) in verdict.ranking.iter().take(LISTED).enumerate() {
        let suspect = verdict.suspects.iter().find(|s| s.service == ranked.service);
        let resource = suspect.and_then(|s| s.resources.first()).map_or("", |r| r.resource.word());
        let outcome = suspect.and_then(|s| s.counterfactual.as_ref()).map_or(String::new(), outcome);
        writeln!(
            out,
            "{:>2}. {:<28}{:>9.1}  {:<9}{:<34}",
            place + 1,
            ranked.service,
            ranked.score,
            resource,
            outcome
        )?;
    }
    if let Some(first) = verdict.culprits.first().or(verdict.suspects.first()) {
        resources(first, out)?;
    }
    if let Some(model) = &verdict.model {
        writeln!(
            out,
            "\nmodel {} of {} windows, trained on data until {}{}",
            model.fingerprint,
            model.windows,
            model.trained_at,
            if model.in_range { "" } else { "; the situation is outside of what it knows" },
        )?;
    }
    for warning in &verdict.warnings {
        writeln!(out, "note: {warning}")?;
    }
    Ok(())
}

/// The verdict in one sentence.
pub fn headline(verdict: &Verdict) -> String {
    let names: Vec<_> = verdict.culprits.iter().map(|c| c.service.as_str()).collect();
    let observed = millis(verdict.slo.observed_ms);
    let had = |c: &Counterfactual| {
        format!(
            "had {} been normal, {} would be {} instead of {observed}",
            names.join(" and "),
            verdict.slo.quantile,
            outcome(c)
        )
    };
    match verdict.kind {
        VerdictKind::Culprits => {
            let first = verdict.culprits.first();
            let resource = first.and_then(|c| c.resources.first()).map_or("?", |r| r.resource.word());
            let node = first.and_then(|c| c.node.as_ref()).map_or(String::new(), |n| format!(" on node {n}"));
            let counterfactual = first.and_then(|c| c.counterfactual.as_ref());
            let why = match (names.len(), counterfactual) {
                (1, Some(c)) => format!(": {}", had(c)),
                _ => String::new(),
            };
            format!("root cause: {} ({resource}{node}){why}", names.join(", "))
        }
        VerdictKind::Latent => {
            format!(
                "root cause: {}, but in no measured metric: a code path, a lock, a pool, a cache",
                names.join(", ")
            )
        }
        VerdictKind::Load => "load: every service is normal for this load; the load is not".to_owned(),
        VerdictKind::Healthy => "the objective is met".to_owned(),
        VerdictKind::Unsure => {
            "unsure: the model does not know this situation; the ranking is a hint only".to_owned()
        }
        VerdictKind::Unresolved => {
            "unresolved: no small set of services, back to normal, would meet the objective".to_owned()
        }
    }
}

fn resources(culprit: &Culprit, out: &mut Output) -> std::io::Result<()> {
    writeln!(out, "\n{}", culprit.service)?;
    writeln!(
        out,
        "    {:<9}{:<44}{:>14}{:>14}{:>10}",
        "resource", "metric", "observed", "normal", "surprise"
    )?;
    for r in &culprit.resources {
        writeln!(
            out,
            "    {:<9}{:<44}{:>14}{:>14}{:>10.1}",
            r.resource,
            r.metric,
            number(r.observed),
            number(r.normal),
            r.surprise
        )?;
    }
    Ok(())
}

fn outcome(c: &Counterfactual) -> String {
    format!("{:.0} ms [{:.0}-{:.0}], P(met) {:.2}", c.quantile_ms, c.low_ms, c.high_ms, c.p_slo_met)
}

fn millis(ms: Option<f64>) -> String {
    ms.map_or_else(|| "no data".to_owned(), |ms| format!("{ms:.0} ms"))
}

/// Four significant digits, whatever the size.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(v) if v != 0.0 && (v.abs() >= 1e6 || v.abs() < 1e-3) => format!("{v:.3e}"),
        Some(v) if v.abs() >= 100.0 => format!("{v:.0}"),
        Some(v) => format!("{v:.3}"),
    }
}
