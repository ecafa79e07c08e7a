//! Own surprise: what is unusual about each service given its inputs, in three channels.
//!
//! * its metrics, given the load;
//! * its server latency, given its metrics and its callees' observed latencies;
//! * the delay of the channel to it, given nothing but the channel.
//!
//! Each is calibrated on its own history, so that services and channels compare.

use std::collections::BTreeMap;

use super::metric::since_gap;
use super::own_time::grown;
use super::reference::{
    FeatureKinds, Reference, column, is_source, kind_of, loads, mean_lasting, own_surprise,
};
use super::settings::{DiagnosisSettings, Part};
use super::ways;
use crate::causal::Cbn;
use crate::domain::{Clean, Column, Entity, NodeName, Party, Pool, Resource, ServiceName, Side, Stat, Tells};
use crate::gvae::Gvae;
use crate::gvae::align::is_sum;
use crate::gvae::data::median;
use crate::windows::Frame;

/// Packets lost per request from which the 99th percentile is that of those whose packet was lost.
const NOTICED_LOSS: f64 = 0.01;

/// One unusual (or usual) observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it was seen on.
    pub entity: Entity,
    /// The column it was read from.
    pub column: Column,
    /// Resource group; latencies of a service itself are latent until a metric explains them.
    pub resource: Resource,
    /// Metric or latency, in words.
    pub what: Clean,
    /// Median over the diagnosed windows.
    pub observed: Option<f64>,
    /// What to expect.
    pub normal: Option<f64>,
    /// Calibrated −ln tail probability.
    pub surprise: f64,
    /// Whether it tells of use or of shortage; `None` of a latency, which is a symptom of anything.
    pub tells: Option<Tells>,
    /// Of a latency: by how much each of its quantiles is above the usual, milliseconds.
    pub excess_ms: Vec<f64>,
}

/// Findings attributed to services, and to machines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// By service: metrics of its own.
    pub metrics: BTreeMap<ServiceName, Vec<Finding>>,
    /// By service: latencies it owns.
    pub latencies: BTreeMap<ServiceName, Vec<Finding>>,
    /// By service: delays of channels that are blamed on it.
    pub channels: BTreeMap<ServiceName, Vec<Finding>>,
    /// By machine.
    pub nodes: BTreeMap<NodeName, Vec<Finding>>,
    /// By service: its load over the most that there ordinarily is.
    pub overload: BTreeMap<ServiceName, f64>,
    /// Services all of whose outgoing channels are slow at once: the fault is at the caller.
    pub slow_callers: Vec<ServiceName>,
}

/// Collects the evidence of the last `reference.span` windows of `frame`; earlier windows tell
/// the level of drifting metrics.
pub fn collect(
    model: &Gvae,
    reference: &Reference,
    kinds: &FeatureKinds,
    frame: &Frame,
    settings: &DiagnosisSettings,
) -> candle_core::Result<Evidence> {
    let rows = frame.len().saturating_sub(reference.span)..frame.len();
    let since = since_gap(frame);
    let loads = loads(&model.cbn, kinds, frame);
    let mut evidence = Evidence::default();
    for (e, node) in model.cbn.entities.iter().enumerate() {
        let load = loads[e].as_deref();
        for (m, c) in node.x.iter().enumerate() {
            let metric = &reference.metrics[e][m];
            let values = column(frame, c);
            if values.is_empty() || is_source(c) {
                continue;
            }
            let seen: Vec<_> = rows.clone().map(|r| metric.surprise(values, load, r, since[r])).collect();
            let Some(mean) = mean_lasting(&seen) else { continue };
            let kind = kind_of(kinds, c);
            let finding = Finding {
                entity: node.entity.clone(),
                column: c.clone(),
                resource: kind.resource,
                what: column_name(c),
                observed: middle(rows.clone().map(|r| values[r])),
                normal: middle(
                    rows.clone().filter_map(|r| Some(metric.expected(values, load, r, since[r])?.0)),
                ),
                surprise: reference.metric_tails[e][m].surprise(mean),
                tells: Some(kind.tells),
                excess_ms: Vec::new(),
            };
            if let (Entity::Service(s), Resource::Load, Some(now)) =
                (&node.entity, kind.resource, finding.observed)
            {
                let over = evidence.overload.entry(s.clone()).or_default();
                *over = over.max(now / f64::from(metric.top).max(1e-9));
            }
            match &node.entity {
                Entity::Service(s) => evidence.metrics.entry(s.clone()).or_default().push(finding),
                Entity::Channel { callee, .. } => {
                    evidence.channels.entry(callee.clone()).or_default().push(finding);
                }
                Entity::Node(n) => evidence.nodes.entry(n.clone()).or_default().push(finding),
            }
        }
    }
    latencies(model, reference, &frame.rows(rows), settings, &mut evidence)?;
    if settings.has(Part::Callers) {
        blame_callers(settings.unusual, &mut evidence);
    }
    Ok(evidence)
}

fn latencies(
    model: &Gvae,
    reference: &Reference,
    recent: &Frame,
    settings: &DiagnosisSettings,
    evidence: &mut Evidence,
) -> candle_core::Result<()> {
    let own = own_surprise(model, &reference.calls, recent)?;
    let grown = match settings.has(Part::OwnTime) {
        true => grown(&model.cbn, &reference.own_times, &reference.calls, recent),
        false => Vec::new(),
    };
    let left = |j: usize| grown.get(j).and_then(Option::as_ref).map_or(0.0, |grown| grown.surprise);
    for (j, node) in model.cbn.latencies.iter().enumerate() {
        if !is_own(&model.cbn, j) {
            continue;
        }
        let (Some(mean), Some(owner)) = (mean_lasting(&own[j]), node.entities.first()) else { continue };
        let entity = model.cbn.entities[*owner].entity.clone();
        let Some(shown) = shown(model, reference, recent, j) else { continue };
        let finding = Finding {
            column: shown.column.clone(),
            resource: if matches!(entity, Entity::Channel { .. }) {
                Resource::Network
            } else {
                Resource::Latent
            },
            what: column_name(&shown.column),
            observed: shown.observed,
            normal: Some(shown.normal),
            surprise: reference.latency_tails[j].surprise(mean).max(left(j)),
            tells: None,
            excess_ms: shown.excess_ms,
            entity: entity.clone(),
        };
        match entity {
            Entity::Channel { callee, .. } => evidence.channels.entry(callee).or_default().push(finding),
            Entity::Service(s) => evidence.latencies.entry(s).or_default().push(finding),
            Entity::Node(_) => {}
        }
    }
    Ok(())
}

/// The quantile of a latency that rose most.
struct Shown {
    column: Column,
    observed: Option<f64>,
    normal: f64,
    /// Of all quantiles, in order.
    excess_ms: Vec<f64>,
}

fn shown(model: &Gvae, reference: &Reference, recent: &Frame, j: usize) -> Option<Shown> {
    let mut best: Option<(f64, Shown)> = None;
    let mut excess_ms = Vec::new();
    for (i, (_, c)) in model.cbn.latencies[j].quantiles.iter().enumerate() {
        let observed = middle(column(recent, c).iter().copied());
        let normal = f64::from(reference.latencies[j][i]);
        let offset = f64::from(model.normaliser.y[j][i].offset);
        excess_ms.push(observed.map_or(0.0, |ms| ms - normal));
        let rise = observed.map_or(f64::MIN, |ms| ((ms + offset) / (normal + offset)).ln());
        // Of equals the lowest, which most calls have a part in.
        if best.as_ref().is_none_or(|(most, _)| rise > *most) {
            best = Some((rise, Shown { column: c.clone(), observed, normal, excess_ms: Vec::new() }));
        }
    }
    best.map(|(_, shown)| Shown { excess_ms, ..shown })
}

/// Whether a latency can be somebody's own doing: the client side of a call is the sum of parts
/// that are judged by themselves, and a pool of client sides is a mixture of them.
fn is_own(cbn: &Cbn, j: usize) -> bool {
    let node = &cbn.latencies[j];
    let is_pool = node.side == Side::Client && node.rpc.callee == Party::Any;
    !is_pool && !is_sum(cbn, j)
}

/// A slow channel is the callee's doing, unless its caller holds it up.
fn blame_callers(unusual: f64, evidence: &mut Evidence) {
    let loses = |service: &ServiceName| loses_packets(evidence, service, unusual);
    evidence.slow_callers = ways::slow_callers(&evidence.channels, loses, unusual);
    for caller in evidence.slow_callers.clone() {
        let mut moved = Vec::new();
        for findings in evidence.channels.values_mut() {
            let (gone, kept) = std::mem::take(findings)
                .into_iter()
                .partition(|f| matches!(&f.entity, Entity::Channel { caller: c, .. } if *c == caller));
            moved.extend::<Vec<Finding>>(gone);
            *findings = kept;
        }
        evidence.channels.entry(caller).or_default().extend(moved);
    }
}

/// Whether a service loses packets in so many of its calls that their tail shows it.
fn loses_packets(evidence: &Evidence, service: &ServiceName, unusual: f64) -> bool {
    let of = || evidence.metrics.get(service).into_iter().flatten();
    let requests =
        of().filter(|f| f.resource == Resource::Load).filter_map(|f| f.observed).fold(0.0, f64::max);
    let mut lost = of().filter(|f| {
        f.resource == Resource::Network && f.tells == Some(Tells::Shortage) && f.surprise >= unusual
    });
    lost.any(|f| f.observed.is_some_and(|rate| rate >= NOTICED_LOSS * requests))
}

fn middle(values: impl Iterator<Item = f32>) -> Option<f64> {
    let mut v: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    median(&mut v).map(f64::from)
}

/// What a column is called in sentences.
pub fn column_name(column: &Column) -> Clean {
    let (rpc, side, stat) = match column {
        Column::Metric { feature, pool: Pool::Mean, .. } => return feature.clone(),
        Column::Metric { feature, pool: Pool::Max, .. } => {
            return Clean::new(&format!("{feature} (worst replica)"));
        }
        Column::Latency { rpc, side, stat } => (rpc, side, stat),
    };
    let quantile = match stat {
        Stat::Quantile(q) => q.to_string(),
        Stat::Count => return Clean::new("calls"),
    };
    let side = match side {
        Side::Client => "client latency",
        Side::Server => "server latency",
        Side::Request => "request delay",
        Side::Response => "response delay",
        Side::Network => "network delay",
    };
    let of = match (&rpc.caller, &rpc.callee) {
        (Party::Any, _) => String::new(),
        (Party::User, _) => " of users".to_owned(),
        (caller, Party::Any) => format!(" of calls by {caller}"),
        (caller, callee) => format!(" {caller} → {callee}"),
    };
    Clean::new(&format!("{side} {quantile}{of}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_packets_matter_if_they_are_many_for_the_requests() {
        let service = ServiceName::new("web");
        let finding = |resource, observed| Finding {
            entity: Entity::Service(service.clone()),
            column: Column::Metric {
                entity: Entity::Service(service.clone()),
                feature: Clean::new("something"),
                pool: Pool::Mean,
            },
            resource,
            what: Clean::new("something"),
            observed: Some(observed),
            normal: Some(0.0),
            surprise: 20.0,
            tells: Some(if resource == Resource::Load { Tells::Use } else { Tells::Shortage }),
            excess_ms: Vec::new(),
        };
        let of = |requests, lost| {
            let findings = vec![finding(Resource::Load, requests), finding(Resource::Network, lost)];
            let evidence =
                Evidence { metrics: BTreeMap::from([(service.clone(), findings)]), ..Evidence::default() };
            [7.0, 30.0].map(|unusual| loses_packets(&evidence, &service, unusual))
        };
        assert_eq!(of(58.0, 2.9), [true, false], "as far as it is unusual");
        assert_eq!(of(58.0, 0.28), [false, false], "one call in two hundred");
        assert!(!loses_packets(&Evidence::default(), &service, 7.0));
    }
}
