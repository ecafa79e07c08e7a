//! Counterfactuals: abduction, intervention, prediction (Pearl's three steps).
//!
//! * Abduction: every Z of the diagnosed windows is drawn from its encoder, as far as the windows are
//!   like those it learned from; and what the decoder leaves unexplained of each latency is kept as its
//!   residual. Of that, callees that are slower than ever account for as much as they can
//!   (`inherited.rs`).
//! * Intervention: metrics, latent and residual of an entity go (wholly or in part) to normal.
//! * Prediction: only descendants of what was touched are decoded again, in order; their own
//!   residuals stay, so that without an intervention the observation itself comes back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal, StudentT};

use super::abduction::{Seen, scatter, towards};
use super::inherited::Bounds;
use super::metric::since_gap;
use super::own_time::beyond_doubt;
use super::reference::{FeatureKinds, Reference, column, kind_of, loads};
use super::settings::{DiagnosisSettings, Part};
use crate::domain::{Counterfactual, Resource};
use crate::gvae::data::{CLIP, median};
use crate::gvae::fast::{Columns, Forward};
use crate::gvae::kernels::{Rows, TILE};
use crate::gvae::loss::NU;
use crate::gvae::{Gvae, Inputs};
use crate::windows::Frame;

/// What is set to normal at one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    /// Metrics of these resource groups; `None` means all but the load.
    pub resources: Option<Vec<Resource>>,
    /// How far latent and residual go to normal: 0 not at all, 1 wholly.
    pub share: f64,
}

impl Reset {
    /// Everything about the entity but its load.
    pub fn all() -> Self {
        Self { resources: None, share: 1.0 }
    }

    fn covers(&self, resource: Resource) -> bool {
        match &self.resources {
            None => resource != Resource::Load,
            Some(some) => some.contains(&resource),
        }
    }
}

/// An intervention: resets by entity index.
pub type Intervention = BTreeMap<usize, Reset>;

/// The diagnosed windows with everything inferred about them, each window `samples` times.
pub struct World<'a> {
    model: &'a Gvae,
    kinds: &'a FeatureKinds,
    forward: Arc<Forward>,
    /// By latency node: how far the shares of its parents may differ from the learned ones.
    bounds: Vec<Option<Bounds>>,
    windows: usize,
    samples: usize,
    tiles: Vec<Seen>,
    /// Mean excess of each latency above normal.
    excess: Vec<f64>,
    /// Copies of the tiles to intervene in; as the tiles again when they are not in use.
    spare: Mutex<Vec<Vec<Rows>>>,
}

/// Log-latencies under an intervention, with which nodes it reached.
pub struct Prediction {
    /// Per latency node: whether it was decoded again.
    pub touched: Vec<bool>,
    /// Where a touched node begins in `ln`: then tile by tile, a row a quantile.
    places: Vec<usize>,
    ln: Vec<f32>,
}

impl<'a> World<'a> {
    /// Infers the world of the last `reference.span` windows of `frame`.
    pub fn abduct(
        model: &'a Gvae,
        reference: &Reference,
        kinds: &'a FeatureKinds,
        frame: &Frame,
        settings: &DiagnosisSettings,
    ) -> Result<Self> {
        let DiagnosisSettings { samples, seed, .. } = *settings;
        let first = frame.len().saturating_sub(reference.span);
        let recent = frame.rows(first..frame.len());
        let windows = recent.len();
        let inputs = Inputs::read(&model.cbn, &model.normaliser, &recent);
        let forward = model.forward()?;
        let plan = &forward.plan;
        let observed = Columns::new(plan, &inputs, &model.normaliser);
        let normal = Inputs { x: normal_x(model, reference, kinds, frame, first), ..inputs };
        let normal = Columns::new(plan, &normal, &model.normaliser);
        let index: Vec<usize> = (0..samples).flat_map(|_| 0..windows).collect();
        let mut tiles: Vec<Seen> = index
            .chunks(TILE)
            .map(|index| {
                let (slots, mut rows, mut usual) = (plan.kept.1 / 2, forward.tile(), forward.tile());
                observed.load(plan, index, &mut rows);
                normal.load(plan, index, &mut usual);
                let [residual, scale, taken, fresh, own_ms] = std::array::from_fn(|_| Rows::new(slots));
                Seen { rows, normal_x: usual, residual, scale, taken, fresh, own_ms }
            })
            .collect();
        let mut rng = StdRng::seed_from_u64(seed);
        for kind in 0..2 {
            for latent in &plan.latents {
                let draw = || rng.sample(StandardNormal);
                scatter(&mut tiles, index.len(), (latent.noise[kind], plan.latent), |t| &mut t.rows, draw);
            }
        }
        let t = StudentT::new(NU).map_err(|e| candle_core::Error::Msg(e.to_string()))?;
        for node in &plan.nodes {
            let draw = || t.sample(&mut rng) as f32;
            scatter(&mut tiles, index.len(), (node.slot(), node.width), |t| &mut t.fresh, draw);
        }
        for (node, own) in plan.nodes.iter().zip(beyond_doubt(&model.cbn, reference, &recent, settings)) {
            let Some(own) = own else { continue };
            let mut of = index.iter().flat_map(|row| own.iter().map(|ms| ms[*row]));
            let next = || of.next().unwrap_or(0.0);
            scatter(&mut tiles, index.len(), (node.slot(), node.width), |t| &mut t.own_ms, next);
        }
        let mut scratch = forward.scratch();
        let bounds = reference.calls.iter().enumerate().map(|(j, calls)| Bounds::of(model, calls, j));
        let mut bounds = bounds.collect::<Result<Vec<_>>>()?;
        if !settings.has(Part::Inheritance) {
            bounds.fill(None);
        }
        tiles.iter_mut().for_each(|tile| tile.infer(&forward, &bounds, &mut scratch));
        let mut world = Self {
            model,
            kinds,
            bounds,
            windows,
            samples,
            tiles,
            excess: Vec::new(),
            spare: Mutex::default(),
            forward,
        };
        let none = Prediction { touched: Vec::new(), places: Vec::new(), ln: Vec::new() };
        world.excess = (0..model.cbn.latencies.len()).map(|j| world.excess_of(&none, j)).collect();
        Ok(world)
    }

    /// Latencies had `intervention` been in force.
    pub fn predict(&self, intervention: &Intervention) -> Result<Prediction> {
        let (cbn, plan) = (&self.model.cbn, &self.forward.plan);
        let mut touched = vec![false; cbn.latencies.len()];
        let (mut places, mut size) = (vec![0; touched.len()], 0);
        for (j, node) in cbn.latencies.iter().enumerate() {
            touched[j] = node.parents.iter().any(|p| touched[*p])
                || node.entities.iter().any(|e| intervention.contains_key(e));
            if touched[j] {
                places[j] = size;
                size += plan.nodes[j].width * self.tiles.len() * TILE;
            }
        }
        let mut ln = vec![0.0; size];
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tiles = spare.unwrap_or_else(|| self.tiles.iter().map(|t| t.rows.clone()).collect());
        let mut scratch = self.forward.scratch();
        for (t, (seen, rows)) in self.tiles.iter().zip(&mut tiles).enumerate() {
            let changed = self.intervene(intervention, seen, rows);
            for j in (0..touched.len()).filter(|j| touched[*j]) {
                let owner = cbn.latencies[j].entities.first();
                let own = owner.and_then(|e| intervention.get(e));
                let size = plan.nodes[j].width * TILE;
                let answer = &mut ln[places[j] + t * size..][..size];
                let of = (j, self.bounds[j].as_ref(), own);
                let scales = &self.model.normaliser.y[j];
                seen.answer(&self.forward, of, scales, rows, &mut scratch, answer);
                self.forward.set(j, answer, rows);
            }
            // As it was, for the next question.
            let nodes = plan.nodes.iter().zip(&touched).filter(|(_, touched)| **touched);
            let rewritten = nodes.map(|(n, _)| (n.observed[0], 3 * n.width));
            for (first, count) in changed.into_iter().chain(rewritten) {
                rows.span_mut(first, count).copy_from_slice(seen.rows.span(first, count));
            }
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(tiles);
        Ok(Prediction { touched, places, ln })
    }

    /// Sets metrics and latents in `rows`; gives the spans of rows that it changed.
    fn intervene(&self, intervention: &Intervention, seen: &Seen, rows: &mut Rows) -> Vec<(usize, usize)> {
        let plan = &self.forward.plan;
        let mut changed = Vec::new();
        for (e, reset) in intervention {
            let (first, count) = plan.metrics[*e];
            for (m, column) in self.model.cbn.entities[*e].x.iter().enumerate() {
                if reset.covers(kind_of(self.kinds, column).resource) {
                    rows.row_mut(first + m).copy_from_slice(seen.normal_x.row(first + m));
                }
            }
            changed.push((first, count));
            if let Some(latent) = plan.latent_of[*e].map(|i| &plan.latents[i]) {
                let share = reset.share as f32;
                let normal = seen.rows.span(latent.z[1], plan.latent);
                let z = rows.span_mut(latent.z[0], plan.latent);
                z.iter_mut().zip(normal).for_each(|(z, normal)| *z = towards(*z, *normal, share));
                changed.push((latent.z[0], plan.latent));
            }
        }
        changed
    }

    /// Log-latencies of node `j` in tile `t`: a row a quantile.
    fn ln<'b>(&'b self, prediction: &'b Prediction, j: usize, t: usize) -> &'b [f32] {
        let node = &self.forward.plan.nodes[j];
        if prediction.touched.get(j).copied().unwrap_or_default() {
            let size = node.width * TILE;
            &prediction.ln[prediction.places[j] + t * size..][..size]
        } else {
            self.tiles[t].rows.span(node.observed[2], node.width)
        }
    }

    /// Log-latencies of quantile `q` of node `j` in all rows.
    fn quantile<'b>(
        &'b self,
        prediction: &'b Prediction,
        j: usize,
        q: usize,
    ) -> impl Iterator<Item = f32> + 'b {
        let tiles = (0..self.tiles.len()).flat_map(move |t| &self.ln(prediction, j, t)[q * TILE..][..TILE]);
        tiles.copied().take(self.windows * self.samples)
    }

    /// Quantile `q` of latency node `j`: per sample, the median over the diagnosed windows, in
    /// milliseconds.
    pub fn quantile_ms(&self, prediction: &Prediction, j: usize, q: usize) -> Result<Vec<f32>> {
        let ln: Vec<f32> = self.quantile(prediction, j, q).collect();
        let scale = self.model.normaliser.y[j][q];
        let per_sample = ln.chunks(self.windows.max(1));
        Ok(per_sample
            .filter_map(|w| median(&mut w.iter().map(|ln| scale.to_ms(*ln)).collect::<Vec<_>>()))
            .collect())
    }

    /// Quantile `q` of latency node `j` under `intervention`, against an objective.
    ///
    /// # Errors
    /// The tensor library failed.
    pub fn outcome(
        &self,
        intervention: &Intervention,
        (j, q): (usize, usize),
        objective_ms: f64,
    ) -> Result<Option<Counterfactual>> {
        let samples = self.quantile_ms(&self.predict(intervention)?, j, q)?;
        Ok(summary(samples, self.observed_ms(j, q)?, objective_ms))
    }

    /// Quantile `q` of latency node `j` as it was, milliseconds.
    ///
    /// # Errors
    /// The tensor library failed.
    pub fn observed_ms(&self, j: usize, q: usize) -> Result<f64> {
        let none = Prediction { touched: Vec::new(), places: Vec::new(), ln: Vec::new() };
        Ok(median(&mut self.quantile_ms(&none, j, q)?).map_or(f64::NAN, f64::from))
    }

    /// How much of all slowness above normal, over all latencies, `prediction` removes: 0 to 1.
    pub fn explained(&self, prediction: &Prediction) -> Result<f64> {
        let total: f64 = self.excess.iter().sum();
        let touched = (0..self.excess.len()).filter(|j| prediction.touched[*j]);
        let removed: f64 = touched.map(|j| (self.excess[j] - self.excess_of(prediction, j)).max(0.0)).sum();
        Ok(if total > 0.0 { removed / total } else { 0.0 })
    }

    /// Mean excess of the log-latencies of node `j` above normal in scales; ordinary noise (two scales)
    /// is none.
    fn excess_of(&self, prediction: &Prediction, j: usize) -> f64 {
        let scales = &self.model.normaliser.y[j];
        let n = self.windows * self.samples * scales.len();
        let above = |s: &crate::gvae::LatencyScale, v: f32| {
            (f64::from(s.ln.standard(v)) - 2.0).clamp(0.0, MAX_EXCESS)
        };
        let of = |(q, s)| self.quantile(prediction, j, q).map(|v| above(s, v)).sum::<f64>();
        scales.iter().enumerate().map(of).sum::<f64>() / n.max(1) as f64
    }
}

/// Largest number of scales above normal that counts: one very slow call is one slow call.
const MAX_EXCESS: f64 = 20.0;

/// Normal metrics of the windows from row `first` on, given their load, as network inputs.
fn normal_x(
    model: &Gvae,
    reference: &Reference,
    kinds: &FeatureKinds,
    frame: &Frame,
    first: usize,
) -> Vec<Vec<f32>> {
    let since = since_gap(frame);
    let loads = loads(&model.cbn, kinds, frame);
    let entities = model.cbn.entities.iter().enumerate();
    entities
        .map(|(e, node)| {
            let load = loads[e].as_deref();
            (first..frame.len())
                .flat_map(|row| (0..node.x.len()).map(move |m| (row, m)))
                .map(|(row, m)| {
                    let values = column(frame, &node.x[m]);
                    let expected = match values.is_empty() {
                        true => None,
                        false => reference.metrics[e][m].expected(values, load, row, since[row]),
                    };
                    expected
                        .map_or(0.0, |(value, _)| model.normaliser.x[e][m].standard(value).clamp(-CLIP, CLIP))
                })
                .collect()
        })
        .collect()
}

/// Standard deviation of the log of a true counterfactual tail about the predicted one, beyond what the
/// samples differ. Where next to nothing changes: a tail that is read off a few windows is uncertain itself.
const SPREAD_OF_READING: f64 = 0.16;
/// Where anything changes …
const SPREAD: f64 = 0.25;
/// … and for each e-fold by which the prediction differs from the observation. All were fitted to the
/// simulated incidents of the tuning seeds; `sagetop eval model calibration` measures what they are worth.
const SPREAD_PER_CHANGE: f64 = 0.2;
/// Quantiles of the standard normal distribution, one in the middle of each ninth.
const NORMAL: [f64; 9] = [-1.593, -0.967, -0.589, -0.282, 0.0, 0.282, 0.589, 0.967, 1.593];

/// Summary of sampled quantiles against an objective. `observed_ms` is the quantile without an
/// intervention: the further from it, the less a prediction knows.
pub fn summary(mut ms: Vec<f32>, observed_ms: f64, objective_ms: f64) -> Option<Counterfactual> {
    ms.retain(|v| v.is_finite());
    let median_ms = median(&mut ms).map(f64::from)?;
    let change = (observed_ms.max(1e-3) / median_ms.max(1e-3)).ln().abs();
    let spread = SPREAD.min(change).max(SPREAD_OF_READING).hypot(SPREAD_PER_CHANGE * change);
    let spread = |v: &f32| NORMAL.map(|z| f64::from(*v) * (spread * z).exp());
    let mut wide: Vec<f64> = ms.iter().flat_map(spread).collect();
    wide.sort_by(f64::total_cmp);
    let at = |q: f64| wide.get(((wide.len() as f64 - 1.0) * q).round() as usize).copied();
    let met = wide.iter().filter(|v| **v <= objective_ms).count();
    Some(Counterfactual {
        quantile_ms: median_ms,
        low_ms: at(0.05)?,
        high_ms: at(0.95)?,
        p_slo_met: met as f64 / wide.len() as f64,
    })
}

#[cfg(test)]
#[path = "counterfactual_plain.rs"]
mod plain;

#[cfg(test)]
#[path = "counterfactual_tests.rs"]
mod tests;
