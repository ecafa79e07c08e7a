//! One service in full: every metric observed against normal, with its recent course, and what of its
//! means is known. With a model, normal is what the model expects at this load; without one, the median
//! of earlier windows that met the objectives.

use std::time::Duration;

use super::core::{Engine, Picture};
use super::learn::Learned;
use super::units::unit_of;
use crate::diagnosis::evidence::{self, column_name};
use crate::diagnosis::reference::{is_source, kind_of};
use crate::diagnosis::verdict::minus;
use crate::diagnosis::{FeatureKinds, Finding};
use crate::domain::{
    Clean, Column, Entity, NodeName, Party, Pool, Resource, ServiceName, Side, Slo, Stat, Timestamp,
};
use crate::gvae::data::median;
use crate::windows::Frame;

/// Windows of a metric's recent course.
const RECENT: usize = 120;
/// Fewest windows that tell what is normal.
const MIN_NORMAL: usize = 5;
/// Without a model, so many median absolute deviations (as standard deviations) from normal are unusual …
const FAR: f64 = 6.0;
/// … of which one is at least this share of the normal value.
const LEAST: f64 = 0.05;
/// Features of the standard catalogue that tell a limit: what is used, and the share of the limit that is.
const LIMITS: [(&str, &str); 2] = [("cpu_usage", "cpu_of_limit"), ("memory_working_set", "memory_of_limit")];

/// How a value stands to what is normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// Nothing to compare, or nothing to compare with.
    Unknown,
    /// As usual.
    Usual,
    /// Unusually high.
    High,
    /// Unusually low.
    Low,
}

/// One metric of a service, of a channel to or from it, or of a machine it runs on.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricView {
    /// What it is measured on.
    pub entity: Entity,
    /// Resource group; `None` for latencies.
    pub resource: Option<Resource>,
    /// Metric or latency, in words.
    pub what: Clean,
    /// Unit of its values, where it is known.
    pub unit: Option<Clean>,
    /// Median over the newest windows.
    pub observed: Option<f64>,
    /// What is normal.
    pub normal: Option<f64>,
    /// Whether the model said what is normal; else history did.
    pub modelled: bool,
    /// How unusual it is: −ln of the calibrated tail probability; `None` without a model.
    pub surprise: Option<f64>,
    /// The same in a word.
    pub deviation: Deviation,
    /// Values of the newest windows on the grid of windows, newest last; `None` is a gap.
    pub recent: Vec<Option<f64>>,
}

/// What is known of a service's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    /// CPU limit of a replica, cores.
    pub cpu_cores: Option<f64>,
    /// Memory limit of a replica, bytes.
    pub memory_bytes: Option<f64>,
}

/// One service in full.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDetail {
    /// The service.
    pub service: ServiceName,
    /// Version of the data it rests on.
    pub version: u64,
    /// End of the newest window.
    pub until: Option<Timestamp>,
    /// Length of a window.
    pub window: Duration,
    /// How many of the newest windows count as now.
    pub now: usize,
    /// For each window of a metric's course: whether the asked SLO was violated.
    pub violated: Vec<bool>,
    /// Its metrics, most unusual first.
    pub metrics: Vec<MetricView>,
    /// Links to the metrics in Grafana, where there is one, in the same order.
    pub links: Vec<Option<Clean>>,
    /// Its limits.
    pub means: Means,
}

impl Engine {
    /// Everything that is measured about `service`; `slo` marks the incident. CPU-bound.
    pub fn detail(
        &self,
        service: &ServiceName,
        slo: Option<&Slo>,
        picture: &Picture,
        learned: Option<&Learned>,
    ) -> ServiceDetail {
        let frame = &picture.frame;
        let first = frame.ends.partition_point(|end| *end <= minus(picture.at, self.diagnosis.window));
        let healthy = self.healthy(frame);
        let reading = Reading {
            frame,
            now: first..frame.len(),
            normal: (0..first).filter(|row| healthy[*row]).collect(),
            findings: learned
                .filter(|_| first < frame.len())
                .map(|learned| self.findings(service, frame, learned))
                .unwrap_or_default(),
            kinds: FeatureKinds::of(&self.catalogue),
            unusual: self.unusual(),
        };
        let nodes = frame.placement.get(service).map(Vec::as_slice).unwrap_or_default();
        let columns = frame.columns.iter().filter(|(column, _)| concerns(column, service, nodes));
        let mut metrics: Vec<_> = columns.filter_map(|(c, v)| reading.metric(c, v)).collect();
        for metric in metrics.iter_mut().filter(|m| m.resource.is_some()) {
            metric.unit = unit_of(&self.catalogue, &metric.entity, metric.what.as_str());
        }
        metrics.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| far(b).total_cmp(&far(a))));
        let violated = slo.map(|slo| (slo, self.slo_values(slo, frame)));
        let violated = match violated {
            Some((slo, Some(values))) => {
                course(frame, values).iter().map(|v| v.is_some_and(|v| v > slo.objective_ms)).collect()
            }
            _ => Vec::new(),
        };
        let over = frame.length.saturating_mul(u32::try_from(RECENT).unwrap_or(u32::MAX));
        let until = frame.ends.last().copied();
        let links = metrics.iter().map(|m| self.explore(&m.entity, m.what.as_str(), until, over)).collect();
        ServiceDetail {
            service: service.clone(),
            links,
            version: 0,
            until,
            window: frame.length,
            now: frame.len() - first,
            violated,
            means: reading.means(service),
            metrics,
        }
    }

    fn findings(&self, service: &ServiceName, frame: &Frame, learned: &Learned) -> Vec<Finding> {
        let Learned { model, reference, kinds, .. } = learned;
        match evidence::collect(model, reference, kinds, frame, &self.diagnosis) {
            Ok(mut found) => {
                let own = [&mut found.metrics, &mut found.latencies, &mut found.channels];
                let mut all: Vec<_> = own.into_iter().filter_map(|of| of.remove(service)).flatten().collect();
                let nodes = frame.placement.get(service).into_iter().flatten();
                all.extend(nodes.filter_map(|node| found.nodes.get(node)).flatten().cloned());
                all
            }
            Err(error) => {
                tracing::warn!(%error, %service, "what is unusual about it is not known");
                Vec::new()
            }
        }
    }
}

/// Unusual ones first, then by resource and name; latencies lead their kind.
fn rank(m: &MetricView) -> (u8, Option<Resource>, String) {
    let unusual = match m.deviation {
        Deviation::High | Deviation::Low => return (0, None, String::new()),
        Deviation::Usual => 1,
        Deviation::Unknown => 2,
    };
    (unusual, m.resource, m.what.to_string())
}

fn far(m: &MetricView) -> f64 {
    m.surprise.unwrap_or_else(|| match (m.observed, m.normal) {
        (Some(seen), Some(normal)) if normal != 0.0 => (seen / normal - 1.0).abs(),
        _ => 0.0,
    })
}

/// Whether a column tells something about `service`, which runs on `nodes`.
fn concerns(column: &Column, service: &ServiceName, nodes: &[NodeName]) -> bool {
    match column {
        Column::Metric { entity: Entity::Service(of), .. } => of == service && !is_source(column),
        Column::Metric { entity: Entity::Channel { caller, callee }, .. } => {
            caller == service || callee == service
        }
        Column::Metric { entity: Entity::Node(node), .. } => nodes.contains(node),
        // What it takes for its answers, whoever asks, and the way to it.
        Column::Latency { rpc, side, stat: Stat::Quantile(_) } => {
            rpc.callee.service() == Some(service)
                && rpc.operation.is_none()
                && match side {
                    Side::Server => rpc.caller == Party::Any,
                    Side::Network => rpc.caller.service().is_some(),
                    Side::Client | Side::Request | Side::Response => false,
                }
        }
        Column::Latency { .. } => false,
    }
}

/// Values on the regular grid of windows that ends with the newest one.
fn course(frame: &Frame, values: &[f32]) -> Vec<Option<f64>> {
    let mut slots = vec![None; RECENT];
    let (Some(newest), step) = (frame.ends.last(), frame.length.as_secs_f64().max(1.0)) else { return slots };
    for (end, value) in frame.ends.iter().zip(values).rev() {
        let back = (newest.duration_since(*end).as_secs_f64() / step).round() as usize;
        if back >= RECENT {
            break;
        }
        slots[RECENT - 1 - back] = Some(f64::from(*value)).filter(|v| v.is_finite());
    }
    slots
}

/// The windows of one picture, as a service's metrics are read off them.
struct Reading<'a> {
    frame: &'a Frame,
    now: std::ops::Range<usize>,
    normal: Vec<usize>,
    findings: Vec<Finding>,
    kinds: FeatureKinds,
    unusual: f64,
}

impl Reading<'_> {
    fn observed(&self, values: &[f32]) -> Option<f64> {
        middle(self.now.clone().map(|row| values[row]), 1)
    }

    /// `None` if there was no value lately: what is not measured is not shown.
    fn metric(&self, column: &Column, values: &[f32]) -> Option<MetricView> {
        let recent = course(self.frame, values);
        recent.iter().any(Option::is_some).then_some(())?;
        let observed = self.observed(values);
        let found = self.findings.iter().find(|finding| finding.column == *column);
        let usual = middle(self.normal.iter().map(|row| values[*row]), MIN_NORMAL);
        let normal = found.and_then(|finding| finding.normal).or(usual);
        let odd = match (found, observed, normal) {
            (_, None, _) | (_, _, None) => None,
            (Some(finding), ..) => Some(finding.surprise >= self.unusual),
            (None, Some(seen), Some(normal)) => Some(self.is_far(values, seen, normal)),
        };
        let deviation = match odd {
            None => Deviation::Unknown,
            Some(false) => Deviation::Usual,
            Some(true) if observed < normal => Deviation::Low,
            Some(true) => Deviation::High,
        };
        let (entity, resource, unit) = match column {
            Column::Metric { entity, .. } => {
                (entity.clone(), Some(kind_of(&self.kinds, column).resource), None)
            }
            Column::Latency { rpc, .. } => {
                let callee = rpc.callee.service()?.clone();
                (Entity::Service(callee), None, Some(Clean::new("ms")))
            }
        };
        Some(MetricView {
            entity,
            resource,
            what: column_name(column),
            unit,
            observed,
            normal,
            modelled: found.is_some_and(|finding| finding.normal.is_some()),
            surprise: found.map(|finding| finding.surprise),
            deviation,
            recent,
        })
    }

    /// Whether history alone calls a value unusual: robust, since history has incidents too.
    fn is_far(&self, values: &[f32], seen: f64, normal: f64) -> bool {
        let off = self.normal.iter().map(|row| (values[*row] - normal as f32).abs());
        let spread = middle(off, MIN_NORMAL).unwrap_or(0.0) * 1.4826;
        (seen - normal).abs() > FAR * spread.max(LEAST * normal.abs()).max(1e-9)
    }

    fn means(&self, service: &ServiceName) -> Means {
        let value = |feature: &str| {
            let (entity, feature) = (Entity::Service(service.clone()), Clean::new(feature));
            let column = Column::Metric { entity, feature, pool: Pool::Mean };
            self.observed(self.frame.columns.get(&column)?)
        };
        let [cpu_cores, memory_bytes] = LIMITS.map(|(used, share)| {
            let (used, share) = (value(used)?, value(share).filter(|share| *share > 0.0)?);
            Some(used / share).filter(|limit| limit.is_finite() && *limit > 0.0)
        });
        Means { cpu_cores, memory_bytes }
    }
}

/// The median, if there are at least `least` values.
fn middle(values: impl Iterator<Item = f32>, least: usize) -> Option<f64> {
    let mut known: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    if known.len() < least {
        return None;
    }
    median(&mut known).map(f64::from)
}
