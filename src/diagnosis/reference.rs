//! What is normal: learned once with the model, on the same windows, and kept beside it.

use std::collections::BTreeSet;

use candle_core::Tensor;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::metric::{MetricModel, since_gap};
use super::tail::{Tail, student_tail};
use crate::causal::Cbn;
use crate::domain::{Clean, Column, Direction, Entity, Resource, Scope};
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
}

/// Features by scope and name, as the catalogue lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureKinds(Vec<(Scope, Clean, FeatureKind)>);

impl FeatureKinds {
    /// Reads them off a catalogue; the first of two with the same name counts.
    pub fn of(catalogue: &Catalogue) -> Self {
        let kind =
            |f: &Feature| FeatureKind { resource: f.resource, direction: f.direction, drifts: f.drifts };
        Self(catalogue.feature.iter().map(|f| (f.scope, f.name.clone(), kind(f))).collect())
    }
}

/// Kind of a metric column; a feature that the catalogue no longer names is taken as latent.
pub fn kind_of(kinds: &FeatureKinds, column: &Column) -> FeatureKind {
    let unknown = FeatureKind { resource: Resource::Latent, direction: Direction::Both, drifts: false };
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
                        Tail::fit(rolling(&all.collect::<Vec<_>>(), span))
                    })
                    .collect()
            })
            .collect();
        let latency_tails =
            own_surprise(model, frame)?.iter().map(|per_row| Tail::fit(rolling(per_row, span))).collect();
        let latencies = model
            .cbn
            .latencies
            .iter()
            .map(|n| n.quantiles.iter().map(|(_, c)| known_median(column(frame, c))).collect())
            .collect();
        Ok(Self { metrics, metric_tails, latency_tails, latencies, span })
    }
}

fn known_median(values: &[f32]) -> f32 {
    let mut known: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
    median(&mut known).unwrap_or(0.0)
}

/// Values of a column, empty slice of the right length where it is absent.
pub fn column<'a>(frame: &'a Frame, column: &Column) -> &'a [f32] {
    frame.columns.get(column).map(Vec::as_slice).unwrap_or_default()
}

/// The load that the metrics of each entity answer to: of a service its own, of a machine the
/// sum over the services on it.
pub fn loads(cbn: &Cbn, kinds: &FeatureKinds, frame: &Frame) -> Vec<Option<Vec<f32>>> {
    let own = |e: usize| load_of(kinds, &cbn.entities[e].x, frame);
    (0..cbn.entities.len())
        .map(|e| match cbn.entities[e].entity {
            Entity::Service(_) | Entity::Channel { .. } => own(e).map(<[f32]>::to_vec),
            Entity::Node(_) => {
                let here = cbn.latencies.iter().filter(|n| n.entities.contains(&e));
                let services: BTreeSet<usize> = here.filter_map(|n| n.entities.first().copied()).collect();
                let mut loads = services.into_iter().filter_map(own);
                let first = loads.next()?.to_vec();
                Some(loads.fold(first, |sum, load| sum.iter().zip(load).map(|(a, b)| a + b).collect()))
            }
        })
        .collect()
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

/// Mean of the known values.
pub fn mean_known(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Own surprise of every latency node in every window: −ln P(Y ≥ y | own X, parents' observed
/// Y), Z drawn from its prior, averaged over the quantiles. Slow is surprising, quick is not.
/// `None` where nothing was observed. Indexed by node, then row.
pub fn own_surprise(model: &Gvae, frame: &Frame) -> candle_core::Result<Vec<Vec<Option<f64>>>> {
    let inputs = Inputs::read(&model.cbn, &model.normaliser, frame);
    let batch = Batch::new(&inputs, &model.normaliser)?;
    let mut rng = StdRng::seed_from_u64(0);
    let mut tails: Vec<Vec<f64>> = inputs.y.iter().map(|y| vec![0.0; y.len()]).collect();
    for _ in 0..PRIOR_SAMPLES {
        let z = prior_sample(model, &batch, &mut rng)?;
        for (j, tail) in tails.iter_mut().enumerate() {
            let decoded = model.decode(j, &batch.x, &z, &batch.y)?;
            let scale = model.widened(&decoded, &model.unmeasured(j, &decoded, &batch.y)?)?;
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
