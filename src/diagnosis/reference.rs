//! What is normal: learned once with the model, on the same windows, and kept beside it.

use candle_core::Tensor;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::inherited::Inherited;
use super::metric::{MetricModel, since_gap};
use super::own_time::OwnTime;
use super::tail::{Tail, student_tail};
use crate::causal::Cbn;
use crate::domain::{
    Clean, Column, Direction, Entity, Party, Quantile, Resource, Scope, ServiceName, Side, Tells,
};
use crate::gvae::data::median;
use crate::gvae::loss::noise;
use crate::gvae::{Batch, Gvae, Inputs};
use crate::telemetry::{Catalogue, Feature};
use crate::windows::{Frame, SOURCE_FEATURE};

/// Samples of Z from its prior when the own surprise of a latency is computed.
const PRIOR_SAMPLES: usize = 8;

/// What diagnosis must know of a catalogue feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureKind {
    /// Resource group.
    pub resource: Resource,
    /// Which way is bad.
    pub direction: Direction,
    /// Whether only recent change counts.
    pub drifts: bool,
    /// Whether it tells of use or of shortage.
    pub tells: Tells,
}

/// Features by scope and name, as the catalogue lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureKinds(Vec<(Scope, Clean, FeatureKind)>);

impl FeatureKinds {
    /// Reads them off a catalogue; the first of two with the same name counts.
    pub fn of(catalogue: &Catalogue) -> Self {
        let kind = |f: &Feature| FeatureKind {
            resource: f.resource,
            direction: f.direction,
            drifts: f.drifts,
            tells: f.tells,
        };
        Self(catalogue.feature.iter().map(|f| (f.scope, f.name.clone(), kind(f))).collect())
    }
}

/// Kind of a metric column; a feature that the catalogue no longer names is taken as latent.
pub fn kind_of(kinds: &FeatureKinds, column: &Column) -> FeatureKind {
    let unknown = FeatureKind {
        resource: Resource::Latent,
        direction: Direction::Both,
        drifts: false,
        tells: Tells::default(),
    };
    let Column::Metric { entity, feature, .. } = column else { return unknown };
    if is_source(column) {
        // Like the load, it is never anybody's fault and never reset.
        return FeatureKind { resource: Resource::Load, ..unknown };
    }
    let scope = match entity {
        Entity::Service(_) => Scope::Service,
        Entity::Channel { .. } => Scope::Channel,
        Entity::Node(_) => Scope::Node,
    };
    kinds.0.iter().find(|(s, name, _)| *s == scope && name == feature).map_or(unknown, |(.., kind)| *kind)
}

/// Whether a column only tells where latencies came from.
pub fn is_source(column: &Column) -> bool {
    matches!(column, Column::Metric { feature, .. } if feature.as_str() == SOURCE_FEATURE)
}

/// Normal behaviour of an application: expectations of metrics, tails of all surprises,
/// usual latencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Per entity, per metric.
    pub metrics: Vec<Vec<MetricModel>>,
    /// Tails of the metrics' surprises over the diagnosis window.
    pub metric_tails: Vec<Vec<Tail>>,
    /// Tails of the latencies' own surprises over the diagnosis window, per latency node.
    pub latency_tails: Vec<Tail>,
    /// Usual latency, milliseconds, per latency node and quantile.
    pub latencies: Vec<Vec<f32>>,
    /// Per latency node and parent: how many of the parent's calls there usually are to one of its own;
    /// 1 where nobody counts.
    pub calls: Vec<Vec<f32>>,
    /// Per latency node: what is left of it without the calls that are waited for; `None` where nobody is.
    pub own_times: Vec<Option<OwnTime>>,
    /// Windows in a diagnosis window.
    pub span: usize,
}

impl Reference {
    /// Learns what is normal from `frame`: the windows the model was trained on, but for those that
    /// violated an objective.
    pub fn learn(
        model: &Gvae,
        kinds: &FeatureKinds,
        frame: &Frame,
        span: usize,
    ) -> candle_core::Result<Self> {
        let loads = loads(&model.cbn, kinds, frame);
        let metrics: Vec<Vec<MetricModel>> = model
            .cbn
            .entities
            .iter()
            .zip(&loads)
            .map(|(e, load)| {
                let load = load.as_deref();
                e.x.iter()
                    .map(|c| {
                        let kind = kind_of(kinds, c);
                        let load = load.filter(|_| kind.resource != Resource::Load);
                        MetricModel::fit(column(frame, c), load, kind.drifts, kind.direction)
                    })
                    .collect()
            })
            .collect();
        let calls = calls(&model.cbn, frame);
        let since = since_gap(frame);
        let metric_tails = model
            .cbn
            .entities
            .iter()
            .zip(&metrics)
            .zip(&loads)
            .map(|((e, models), load)| {
                let load = load.as_deref();
                e.x.iter()
                    .zip(models)
                    .map(|(c, m)| {
                        let all = (0..frame.len()).map(|r| m.surprise(column(frame, c), load, r, since[r]));
                        Tail::fit(lasting(&all.collect::<Vec<_>>(), span))
                    })
                    .collect()
            })
            .collect();
        let latency_tails = own_surprise(model, &calls, frame)?
            .iter()
            .map(|per_row| Tail::fit(lasting(per_row, span)))
            .collect();
        let latencies = model
            .cbn
            .latencies
            .iter()
            .map(|n| n.quantiles.iter().map(|(_, c)| known_median(column(frame, c))).collect())
            .collect();
        let own_times = OwnTime::learn(&model.cbn, &calls, frame, span);
        Ok(Self { metrics, metric_tails, latency_tails, latencies, calls, own_times, span })
    }
}

/// Calls of each parent to one of the node's own, where the parent is a call that the node's service
/// issues.
fn calls(cbn: &Cbn, frame: &Frame) -> Vec<Vec<f32>> {
    let count = |j: usize| {
        let values = cbn.latencies[j].count.as_ref().map(|c| column(frame, c))?;
        Some(known_median(values)).filter(|calls| *calls > 0.0)
    };
    // Whoever serves is called as often as its callers say together.
    let served = |service: &ServiceName| {
        let edges = (0..cbn.latencies.len()).filter(|j| {
            let node = &cbn.latencies[*j];
            node.side == Side::Client && node.rpc.callee.service() == Some(service)
        });
        edges.filter_map(count).reduce(|sum, calls| sum + calls)
    };
    let ratio = |j: usize, p: usize| {
        let (node, parent) = (&cbn.latencies[j], &cbn.latencies[p]);
        let issued = parent.side == Side::Client && parent.rpc.caller == node.rpc.callee;
        let service = node.rpc.callee.service().filter(|_| issued && parent.rpc.callee != Party::Any)?;
        Some(count(p)? / served(service)?)
    };
    let nodes = cbn.latencies.iter().enumerate();
    nodes.map(|(j, node)| node.parents.iter().map(|p| ratio(j, *p).unwrap_or(1.0)).collect()).collect()
}

/// How much of a call's latency at most shows in quantile `q` of whoever makes `calls` of them: one after
/// the other, all; and nothing of what happens to too few to be noticed at that quantile.
pub fn most(calls: f32, q: Quantile) -> f32 {
    let noticed = (calls / (1.0 - q.fraction() as f32).max(1e-3)).min(1.0);
    calls.max(1.0) * noticed
}

fn known_median(values: &[f32]) -> f32 {
    let mut known: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
    median(&mut known).unwrap_or(0.0)
}

/// Values of a column, empty slice of the right length where it is absent.
pub fn column<'a>(frame: &'a Frame, column: &Column) -> &'a [f32] {
    frame.columns.get(column).map(Vec::as_slice).unwrap_or_default()
}

/// What the metrics of each entity answer to: those of a service to its load; those of a machine to the
/// CPU that the services on it use, or where nobody measures that, to the sum of their loads. What is
/// left of a machine's use is somebody else's.
pub fn loads(cbn: &Cbn, kinds: &FeatureKinds, frame: &Frame) -> Vec<Option<Vec<f32>>> {
    let load = |e: usize| load_of(kinds, &cbn.entities[e].x, frame);
    let used = |e: usize| {
        let of = cbn.entities[e].x.iter().find(|c| {
            let kind = kind_of(kinds, c);
            kind.resource == Resource::Cpu && kind.tells == Tells::Use
        });
        of.and_then(|c| frame.columns.get(c)).map(Vec::as_slice)
    };
    (0..cbn.entities.len())
        .map(|e| match &cbn.entities[e].entity {
            Entity::Service(_) | Entity::Channel { .. } => load(e).map(<[f32]>::to_vec),
            Entity::Node(node) => {
                let here = cbn.entities.iter().enumerate().filter(|(_, other)| match &other.entity {
                    Entity::Service(s) => frame.placement.get(s).is_some_and(|nodes| nodes.contains(node)),
                    Entity::Channel { .. } | Entity::Node(_) => false,
                });
                let here: Vec<usize> = here.map(|(e, _)| e).collect();
                sum(here.iter().filter_map(|e| used(*e)))
                    .or_else(|| sum(here.iter().filter_map(|e| load(*e))))
            }
        })
        .collect()
}

fn sum<'a>(mut columns: impl Iterator<Item = &'a [f32]>) -> Option<Vec<f32>> {
    let first = columns.next()?.to_vec();
    let add = |sum: Vec<f32>, more: &[f32]| sum.iter().zip(more).map(|(a, b)| a + b).collect();
    Some(columns.fold(first, add))
}

/// The load feature of an entity.
pub fn load_of<'a>(kinds: &FeatureKinds, x: &[Column], frame: &'a Frame) -> Option<&'a [f32]> {
    x.iter()
        .find(|c| kind_of(kinds, c).resource == Resource::Load && !is_source(c))
        .and_then(|c| frame.columns.get(c))
        .map(Vec::as_slice)
}

/// Means over every `span` consecutive rows of what is known there.
pub fn rolling(values: &[Option<f64>], span: usize) -> Vec<f64> {
    values.windows(span.max(1)).filter_map(mean_known).collect()
}

/// [`mean_lasting`] of every `span` consecutive rows.
fn lasting(values: &[Option<f64>], span: usize) -> Vec<f64> {
    values.windows(span.max(1)).filter_map(mean_lasting).collect()
}

/// Mean of the known values but the largest, where there are at least four: what lasts, not what strikes
/// once.
pub fn mean_lasting(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let mean = mean_known(values)?;
    if known.len() < 4 {
        return Some(mean);
    }
    let largest = known.iter().copied().fold(f64::MIN, f64::max);
    Some((mean * known.len() as f64 - largest) / (known.len() - 1) as f64)
}

/// Mean of the known values.
pub fn mean_known(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Own surprise of every latency node in every window: −ln P(Y ≥ y | own X, parents' observed
/// Y, as far as they can account for it), Z drawn from its prior, averaged over the quantiles. Slow is surprising, quick is not.
/// `None` where nothing was observed. Indexed by node, then row.
pub fn own_surprise(
    model: &Gvae,
    calls: &[Vec<f32>],
    frame: &Frame,
) -> candle_core::Result<Vec<Vec<Option<f64>>>> {
    let inputs = Inputs::read(&model.cbn, &model.normaliser, frame);
    let batch = Batch::new(&inputs, &model.normaliser)?;
    let mut rng = StdRng::seed_from_u64(0);
    let mut tails: Vec<Vec<f64>> = inputs.y.iter().map(|y| vec![0.0; y.len()]).collect();
    for _ in 0..PRIOR_SAMPLES {
        let z = prior_sample(model, &batch, &mut rng)?;
        for (j, tail) in tails.iter_mut().enumerate() {
            let mut decoded = model.decode(j, &batch.x, &z, &batch.y)?;
            let scale = model.widened(&decoded, &model.unmeasured(j, &decoded, &batch.y)?)?;
            if let Some(inherited) = Inherited::of(model, &calls[j], j, &decoded.mean, &batch.y)? {
                decoded.mean = inherited.add(model, j, &decoded.mean, &batch.y)?;
            }
            let t = (&batch.y.ln[j] - &decoded.mean)?.div(&scale)?;
            for (sum, t) in tail.iter_mut().zip(t.flatten_all()?.to_vec1::<f32>()?) {
                *sum += student_tail(f64::from(t)) / PRIOR_SAMPLES as f64;
            }
        }
    }
    Ok(tails.iter().zip(&inputs.weight).map(|(tail, weight)| per_row(tail, weight, inputs.rows)).collect())
}

fn per_row(tail: &[f64], weight: &[f32], rows: usize) -> Vec<Option<f64>> {
    let width = tail.len().checked_div(rows).unwrap_or(0).max(1);
    tail.chunks(width)
        .zip(weight.chunks(width))
        .map(|(p, w)| {
            let total: f64 = w.iter().map(|w| f64::from(*w)).sum();
            let sum: f64 = p.iter().zip(w).map(|(p, w)| -p.ln() * f64::from(*w)).sum();
            (total > 0.0).then(|| sum / total)
        })
        .collect()
}

/// One draw of every latent from p(Z | X).
pub fn prior_sample(
    model: &Gvae,
    batch: &Batch,
    rng: &mut StdRng,
) -> candle_core::Result<Vec<Option<Tensor>>> {
    (0..model.cbn.entities.len())
        .map(|e| {
            if !model.has_latent(e) {
                return Ok(None);
            }
            let p = model.prior(e, batch.x[e].as_ref(), batch.rows)?;
            p.sample(&noise(batch.rows, model.latent(), rng)?).map(Some)
        })
        .collect()
}
