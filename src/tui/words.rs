//! A verdict in sentences: the same words on screen and on the clipboard.

use std::fmt::Write as _;

use super::format;
use crate::domain::{
    Basis, Clean, Counterfactual, Culprit, Entity, Resource, ResourceCause, ServiceName, Verdict, VerdictKind,
};
use crate::engine::{Deviation, Entry, MetricView, Sampled};

/// What an answer means for the reader.
pub fn meaning(v: &Verdict) -> &'static str {
    let falls_short = || v.culprits.iter().filter_map(|c| c.counterfactual).all(|c| c.p_slo_met < 0.5);
    match v.kind {
        VerdictKind::Culprits if falls_short() => {
            "the services named here are to blame, but bringing them back to normal may not be enough"
        }
        VerdictKind::Culprits => "bringing the services named here back to normal would meet the SLO",
        VerdictKind::Load => "every service does what is normal for this load; the load itself is not",
        VerdictKind::Latent => "a service is to blame, but no measured metric tells why",
        VerdictKind::Healthy => "the SLO is met and nothing is unusual",
        VerdictKind::Unsure => "the model does not know this situation, so the ranking is only a hint",
        VerdictKind::Unresolved => "no set of services, brought back to normal, explains the violation",
    }
}

/// What the ranking rests on.
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::EndToEnd => "ranked by what the end-to-end latency would be, had the service been normal",
        Basis::OwnContribution => {
            "the end-to-end latency hardly moved: ranked by how unusual each service's own part is"
        }
    }
}

/// "p95 642 ms, objective 300 ms".
pub fn reading(v: &Verdict) -> String {
    let observed = format::latency(v.slo.observed_ms);
    format!("{} {observed}, objective {}", v.slo.quantile, format::latency(Some(v.slo.objective_ms)))
}

/// "171 ms [150-198]", or "932 ms [784 ms-1.06 s]" where the units differ.
pub fn interval(c: &Counterfactual) -> String {
    let [middle, low, high] = [c.quantile_ms, c.low_ms, c.high_ms].map(|ms| format::latency(Some(ms)));
    let unit = |text: &str| text.rsplit(' ').next().unwrap_or_default().to_owned();
    let one = unit(&middle);
    let bare = |text: &str| text.strip_suffix(&one).unwrap_or(text).trim_end().to_owned();
    match unit(&low) == one && unit(&high) == one {
        true => format!("{middle} [{}-{}]", bare(&low), bare(&high)),
        false => format!("{middle} [{low}-{high}]"),
    }
}

/// "747 ms, normally 3.5 ms".
pub fn against(r: &ResourceCause) -> String {
    format!("{}, normally {}", measured(r, r.observed), measured(r, r.normal))
}

/// A value of a resource's metric.
pub fn measured(r: &ResourceCause, value: Option<f64>) -> String {
    format::measured(value, r.unit.as_ref().map(Clean::as_str))
}

/// Everything in one sentence.
pub fn headline(v: &Verdict) -> String {
    let first = v.culprits.first().or(v.suspects.first());
    let named = first.map(|c| c.service.to_string());
    let ranked = || named.clone().or_else(|| v.ranking.first().map(|r| r.service.to_string()));
    match v.kind {
        VerdictKind::Culprits | VerdictKind::Latent => match first {
            Some(c) => blame(v, c),
            None => format!("The SLO can be met again, but no service is named ({}).", reading(v)),
        },
        VerdictKind::Load => format!("The load is the cause, not a service: {}.", reading(v)),
        VerdictKind::Healthy => format!("All is well: {}.", reading(v)),
        VerdictKind::Unsure => match ranked() {
            Some(name) => format!("No sure cause. {name} stands out most."),
            None => "No sure cause.".to_owned(),
        },
        VerdictKind::Unresolved => match ranked() {
            Some(name) => format!("No cause found. {name} comes nearest to explaining it."),
            None => "No cause found.".to_owned(),
        },
    }
}

fn blame(v: &Verdict, c: &Culprit) -> String {
    let what = match cause(c) {
        Some(r) => format!("{}'s {}", c.service, resource(r)),
        None => c.service.to_string(),
    };
    match &c.counterfactual {
        Some(cf) => format!(
            "Had {what} been normal, {} would be {} instead of {}: P(SLO met) {}.",
            v.slo.quantile,
            interval(cf),
            format::latency(v.slo.observed_ms),
            format::probability(cf.p_slo_met),
        ),
        None => format!("{what} is to blame: {}.", reading(v)),
    }
}

/// The resource named as the cause; the latent one is none that could be looked at.
pub fn cause(c: &Culprit) -> Option<Resource> {
    c.resources.first().map(|r| r.resource).filter(|r| *r != Resource::Latent)
}

/// A resource in a sentence.
pub fn resource(r: Resource) -> &'static str {
    match r {
        Resource::Cpu => "CPU",
        Resource::Memory => "memory",
        Resource::Cache => "cache",
        Resource::Disk => "disk",
        Resource::Network => "network",
        Resource::Load => "load",
        Resource::Latent => "unmeasured state",
    }
}

/// The details of a service, if the verdict has any.
pub fn details<'v>(v: &'v Verdict, service: &ServiceName) -> Option<&'v Culprit> {
    v.culprits.iter().chain(&v.suspects).find(|c| c.service == *service)
}

/// The resource a service is suspected for, best first.
pub fn suspected(v: &Verdict, service: &ServiceName) -> Option<Resource> {
    let ranked = || v.resource_ranking.iter().find(|r| r.service == *service).map(|r| r.resource);
    details(v, service).and_then(|c| c.resources.first()).map(|r| r.resource).or_else(ranked)
}

/// The whole verdict as plain text, for a chat or a ticket.
pub fn report(v: &Verdict) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {} at {}", v.slo.name, v.slo.state, v.at);
    let _ = writeln!(out, "{}", headline(v));
    let _ = writeln!(out, "Verdict: {} - {}", v.kind.word(), meaning(v));
    for c in &v.culprits {
        let _ = write!(out, "- {}", c.service);
        if let Some(node) = &c.node {
            let _ = write!(out, " on node {node}");
        }
        if let Some(cf) = &c.counterfactual {
            let p = format::probability(cf.p_slo_met);
            let _ = write!(out, ": {} if normal, P(SLO met) {p}", interval(cf));
        }
        out.push('\n');
        for r in &c.resources {
            let _ = writeln!(out, "    {} {}: {}", r.resource, r.metric, against(r));
        }
    }
    let _ = writeln!(out, "Ranking ({}):", basis(v.basis));
    for (i, r) in v.ranking.iter().take(5).enumerate() {
        let _ = writeln!(out, "{:>3}. {} ({})", i + 1, r.service, format::quantity(Some(r.score)));
    }
    for w in &v.warnings {
        let _ = writeln!(out, "Note: {w}");
    }
    out
}

/// How a value stands to what is normal.
pub fn deviation(deviation: Deviation) -> &'static str {
    match deviation {
        Deviation::Unknown => "not known",
        Deviation::Usual => "usual",
        Deviation::High => "unusually high",
        Deviation::Low => "unusually low",
    }
}

/// A metric as it is called among those of `service`.
pub fn metric(m: &MetricView, service: &ServiceName) -> String {
    match &m.entity {
        Entity::Channel { caller, callee } if caller == service => format!("{} to {callee}", m.what),
        Entity::Channel { caller, .. } => format!("{} from {caller}", m.what),
        Entity::Node(node) => format!("{} of {node}", m.what),
        Entity::Service(_) => m.what.to_string(),
    }
}
/// Of how many requests the entry's latencies are; `None` if of all.
pub(super) fn sampled(entry: &Entry) -> Option<String> {
    match entry.sampled {
        Sampled::No => None,
        Sampled::Perhaps => Some("from traces: whether all requests are traced is not known".to_owned()),
        Sampled::About(share) => Some(format!("from sampled traces: about {}", format::percent(Some(share)))),
    }
}
