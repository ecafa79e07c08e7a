//! A verdict to be read aloud: a statement a line, in words where the screens have columns, brackets and signs.

use std::fmt::Write as _;

use super::{format, words};
use crate::domain::{Basis, Counterfactual, Culprit, ResourceCause, Verdict, VerdictKind};

/// Services of the ranking that are read out.
const RANKED: usize = 5;
/// From this surprise on (less than 1 in 100) a metric is unusual.
const UNUSUAL: f64 = 4.6;

/// The whole verdict.
pub fn verdict(v: &Verdict) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} is {} at {}: {} is {}, at most {}.",
        v.slo.name,
        v.slo.state,
        v.at,
        v.slo.quantile,
        latency(v.slo.observed_ms),
        latency(Some(v.slo.objective_ms)),
    );
    let _ = writeln!(out, "The verdict is {}: {}.", v.kind.word(), words::meaning(v));
    let named = matches!(v.kind, VerdictKind::Culprits | VerdictKind::Latent);
    for c in &v.culprits {
        let role = if named { "culprit" } else { "candidate" };
        culprit(&mut out, v, c, role);
    }
    out.push_str(match v.basis {
        Basis::EndToEnd => {
            "Services are ranked by what the end-to-end latency would be, had the service been normal.\n"
        }
        Basis::OwnContribution => {
            "The end-to-end latency hardly moved, so services are ranked by how unusual their own part is.\n"
        }
    });
    for (i, r) in v.ranking.iter().take(RANKED).enumerate() {
        let _ =
            writeln!(out, "Number {} is {}, score {}.", i + 1, r.service, format::quantity(Some(r.score)));
    }
    if let Some(more) = v.ranking.len().checked_sub(RANKED).filter(|more| *more > 0) {
        let _ = writeln!(out, "{more} more are ranked lower.");
    }
    for warning in &v.warnings {
        let _ = writeln!(out, "Note: {warning}.");
    }
    out
}

/// A service to blame: what its return to normal would change, and what is unusual about it.
fn culprit(out: &mut String, v: &Verdict, c: &Culprit, role: &str) {
    let node = c.node.as_ref().map_or_else(String::new, |node| format!(" on machine {node}"));
    let _ = write!(out, "A {role} is {}{node}", c.service);
    match &c.counterfactual {
        Some(cf) => {
            let _ = writeln!(out, ": had it been normal, {} would be {}.", v.slo.quantile, tail(cf));
        }
        None => out.push_str(".\n"),
    }
    let (unusual, usual): (Vec<_>, Vec<_>) = c.resources.iter().partition(|r| r.surprise >= UNUSUAL);
    for r in unusual {
        resource(out, c, r);
    }
    if !usual.is_empty() {
        let names: Vec<_> = usual.iter().map(|r| format!("{} ({})", r.metric, r.resource)).collect();
        let _ = writeln!(out, "Not unusual at {}: {}.", c.service, names.join(", "));
    }
}

fn resource(out: &mut String, c: &Culprit, r: &ResourceCause) {
    let alone = r.p_slo_met.map_or_else(String::new, |p| {
        format!("; had this alone been normal, the objective would be met {}", probability(p))
    });
    let _ = writeln!(
        out,
        "Unusual at {}, {}: {} is {}{alone}.",
        c.service,
        words::resource(r.resource),
        r.metric,
        words::against(r),
    );
}

/// "60 ms, between 29 ms and 142 ms in 90 percent of cases, and the objective would be met with probability 0.95".
fn tail(cf: &Counterfactual) -> String {
    format!(
        "{}, between {} and {} in 90 percent of cases, and the objective would be met {}",
        latency(Some(cf.quantile_ms)),
        latency(Some(cf.low_ms)),
        latency(Some(cf.high_ms)),
        probability(cf.p_slo_met),
    )
}

fn probability(p: f64) -> String {
    let words = format::probability(p);
    match (words.strip_prefix('>'), words.strip_prefix('<')) {
        (Some(bound), _) => format!("with a probability of more than {bound}"),
        (_, Some(bound)) => format!("with a probability of less than {bound}"),
        _ if p.is_nan() => "with a probability that is not known".to_owned(),
        _ => format!("with a probability of {words}"),
    }
}

fn latency(ms: Option<f64>) -> String {
    match ms.filter(|ms| ms.is_finite()) {
        None => "not known".to_owned(),
        known => format::latency(known),
    }
}
