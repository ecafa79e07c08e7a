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

use candle_core::{Device, Result, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StudentT};

use super::inherited::Inherited;
use super::metric::since_gap;
use super::reference::{FeatureKinds, Reference, column, kind_of, loads, prior_sample};
use crate::domain::{Counterfactual, Resource};
use crate::gvae::data::{CLIP, median};
use crate::gvae::loss::{NU, noise};
use crate::gvae::{Batch, Gvae, Inputs, Latencies};
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
    windows: usize,
    samples: usize,
    batch: Batch,
    z: Vec<Option<Tensor>>,
    normal_x: Vec<Option<Tensor>>,
    normal_z: Vec<Option<Tensor>>,
    /// Observed minus decoded log-latency; missing observations stand at the decoded value.
    residual: Vec<Tensor>,
    /// Scale at which the observation was decoded.
    scale: Vec<Tensor>,
    /// What the callees account for beyond their learned shares.
    inherited: Vec<Option<Inherited>>,
    /// Residuals of ordinary times in units of the scale, drawn from the likelihood.
    fresh: Vec<Tensor>,
}

/// Log-latencies under an intervention, with which nodes it reached.
pub struct Prediction {
    y: Latencies,
    /// Per latency node: whether it was decoded again.
    pub touched: Vec<bool>,
}

impl<'a> World<'a> {
    /// Infers the world of the last `reference.span` windows of `frame`.
    pub fn abduct(
        model: &'a Gvae,
        reference: &Reference,
        kinds: &'a FeatureKinds,
        frame: &Frame,
        samples: usize,
        seed: u64,
    ) -> Result<Self> {
        let first = frame.len().saturating_sub(reference.span);
        let recent = frame.rows(first..frame.len());
        let windows = recent.len();
        let inputs = Inputs::read(&model.cbn, &model.normaliser, &recent);
        let tile: Vec<usize> = (0..samples).flat_map(|_| 0..windows).collect();
        let tiled = inputs.select(&tile);
        let mut batch = Batch::new(&tiled, &model.normaliser)?;
        let normal = Inputs { x: normal_x(model, reference, kinds, frame, first), ..inputs }.select(&tile);
        let normal_x = Batch::new(&normal, &model.normaliser)?.x;
        let mut rng = StdRng::seed_from_u64(seed);
        let z = latents(model, &batch, &mut rng)?;
        let normal_batch = Batch { x: normal_x.clone(), ..batch.clone() };
        let normal_z = prior_sample(model, &normal_batch, &mut rng)?;
        let (mut residual, mut fresh) = (Vec::new(), Vec::new());
        let (mut scale, mut inherited) = (Vec::new(), Vec::new());
        for j in 0..model.cbn.latencies.len() {
            let mut decoded = model.decode(j, &batch.x, &z, &batch.y)?;
            let unmeasured = model.unmeasured(j, &decoded, &batch.y)?;
            scale.push(model.widened(&decoded, &unmeasured)?);
            inherited.push(Inherited::of(model, &reference.calls[j], j, &decoded.mean, &batch.y)?);
            if let Some(inherited) = &inherited[j] {
                decoded.mean = inherited.add(model, j, &decoded.mean, &batch.y)?;
            }
            let known = batch.weight[j].gt(0.0)?.to_dtype(candle_core::DType::F32)?;
            let left = ((&batch.y.ln[j] - &decoded.mean)? * &known)?;
            batch.y.set(j, (&decoded.mean + &left)?, &model.normaliser)?;
            let (rows, quantiles) = left.dims2()?;
            fresh.push(student(rows, quantiles, &mut rng)?);
            residual.push(left);
        }
        Ok(Self {
            model,
            kinds,
            windows,
            samples,
            batch,
            z,
            normal_x,
            normal_z,
            residual,
            scale,
            inherited,
            fresh,
        })
    }

    /// Latencies had `intervention` been in force.
    pub fn predict(&self, intervention: &Intervention) -> Result<Prediction> {
        let cbn = &self.model.cbn;
        let (mut x, mut z) = (self.batch.x.clone(), self.z.clone());
        for (e, reset) in intervention {
            if let (Some(seen), Some(normal)) = (&self.batch.x[*e], &self.normal_x[*e]) {
                let columns = cbn.entities[*e].x.iter();
                let mask: Vec<f32> = columns
                    .map(|c| if reset.covers(kind_of(self.kinds, c).resource) { 1.0 } else { 0.0 })
                    .collect();
                let n = mask.len();
                let mask = Tensor::from_vec(mask, (1, n), &Device::Cpu)?;
                x[*e] = Some((seen + (normal - seen)?.broadcast_mul(&mask)?)?);
            }
            if let (Some(seen), Some(normal)) = (&self.z[*e], &self.normal_z[*e]) {
                z[*e] = Some(towards(seen, normal, reset.share)?);
            }
        }
        let mut y = self.batch.y.clone();
        let mut touched = vec![false; cbn.latencies.len()];
        for (j, node) in cbn.latencies.iter().enumerate() {
            touched[j] = node.parents.iter().any(|p| touched[*p])
                || node.entities.iter().any(|e| intervention.contains_key(e));
            if !touched[j] {
                continue;
            }
            let owner = node.entities.first().copied();
            let own = owner.and_then(|e| intervention.get(&e));
            let mut decoded = self.model.decode(j, &x, &z, &y)?;
            let unmeasured = self.model.unmeasured(j, &decoded, &y)?;
            let scale = self.model.widened(&decoded, &unmeasured)?;
            if let Some(inherited) = &self.inherited[j] {
                decoded.mean = inherited.add(self.model, j, &decoded.mean, &y)?;
            }
            // A residual is so many scales. Far outside the training range the scale is wide,
            // because shares are not known out there; back in the range, what was lack of
            // knowledge must not stay as if it were the service's own time. What does not stay is
            // drawn afresh: it is not known.
            let shrink = scale.div(&self.scale[j])?.minimum(1.0)?;
            let drawn = (&scale * shrink.sqr()?.affine(-1.0, 1.0)?.sqrt()?)?;
            let kept = ((&self.residual[j] * shrink)? + (&self.fresh[j] * drawn)?)?;
            let residual = match own {
                Some(reset) => towards(&kept, &(&self.fresh[j] * &scale)?, reset.share)?,
                None => kept,
            };
            y.set(j, (decoded.mean + residual)?, &self.model.normaliser)?;
        }
        Ok(Prediction { y, touched })
    }

    /// Quantile `q` of latency node `j`: per sample, the median over the diagnosed windows, in
    /// milliseconds.
    pub fn quantile_ms(&self, prediction: &Prediction, j: usize, q: usize) -> Result<Vec<f32>> {
        let ln = prediction.y.ln[j].narrow(1, q, 1)?.flatten_all()?.to_vec1::<f32>()?;
        let scale = self.model.normaliser.y[j][q];
        let per_sample = ln.chunks(self.windows.max(1)).take(self.samples);
        Ok(per_sample
            .filter_map(|w| median(&mut w.iter().map(|ln| scale.to_ms(*ln)).collect::<Vec<_>>()))
            .collect())
    }

    /// How much of all slowness above normal, over all latencies, `prediction` removes: 0 to 1.
    pub fn explained(&self, prediction: &Prediction) -> Result<f64> {
        let (mut total, mut removed) = (0.0, 0.0);
        for j in 0..self.model.cbn.latencies.len() {
            let before = excess(self.model, j, &self.batch.y.ln[j])?;
            total += before;
            if prediction.touched[j] {
                removed += (before - excess(self.model, j, &prediction.y.ln[j])?).max(0.0);
            }
        }
        Ok(if total > 0.0 { removed / total } else { 0.0 })
    }
}

/// Largest number of scales above normal that counts: one very slow call is one slow call.
const MAX_EXCESS: f64 = 20.0;

/// Mean excess of log-latencies above normal in scales; ordinary noise (two scales) is none.
fn excess(model: &Gvae, j: usize, ln: &Tensor) -> Result<f64> {
    let scales = &model.normaliser.y[j];
    let values = ln.to_vec2::<f32>()?;
    let n = values.len() * scales.len();
    let sum: f64 = values
        .iter()
        .flat_map(|row| row.iter().zip(scales))
        .map(|(v, s)| (f64::from(s.ln.standard(*v)) - 2.0).clamp(0.0, MAX_EXCESS))
        .sum();
    Ok(sum / n.max(1) as f64)
}

/// A draw of every latent from its encoder; where the latencies that it drives are out of the range the
/// encoder learned on, rather from its prior: an encoder knows as little out there as a decoder does, and
/// what it makes up would count as the service's own doing.
fn latents(model: &Gvae, batch: &Batch, rng: &mut StdRng) -> Result<Vec<Option<Tensor>>> {
    let prior = prior_sample(model, batch, rng)?;
    let mut strange: Vec<Option<Tensor>> = vec![None; prior.len()];
    for (j, node) in model.cbn.latencies.iter().enumerate() {
        let Some(owner) = node.entities.first() else { continue };
        let decoded = model.decode(j, &batch.x, &prior, &batch.y)?;
        let here = model.unmeasured(j, &decoded, &batch.y)?.max_keepdim(1)?;
        strange[*owner] = Some(match &strange[*owner] {
            Some(most) => most.maximum(&here)?,
            None => here,
        });
    }
    let mut z = Vec::with_capacity(prior.len());
    for (e, (prior, strange)) in prior.iter().zip(&strange).enumerate() {
        let Some(q) = model.posterior(e, batch)? else {
            z.push(None);
            continue;
        };
        let drawn = q.sample(&noise(batch.rows, model.latent(), rng)?)?;
        z.push(Some(match (prior, strange) {
            (Some(prior), Some(strange)) => (&drawn + (prior - &drawn)?.broadcast_mul(strange)?)?,
            _ => drawn,
        }));
    }
    Ok(z)
}

/// `share` of the way from `from` to `to`.
fn towards(from: &Tensor, to: &Tensor, share: f64) -> Result<Tensor> {
    from.affine(1.0 - share, 0.0)? + to.affine(share, 0.0)?
}

fn student(rows: usize, columns: usize, rng: &mut StdRng) -> Result<Tensor> {
    let t = StudentT::new(NU).map_err(|e| candle_core::Error::Msg(e.to_string()))?;
    let v: Vec<f32> = (0..rows * columns).map(|_| t.sample(rng) as f32).collect();
    Tensor::from_vec(v, (rows, columns), &Device::Cpu)
}

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

/// Summary of sampled quantiles against an objective.
pub fn summary(mut ms: Vec<f32>, objective_ms: f64) -> Option<Counterfactual> {
    ms.retain(|v| v.is_finite());
    let met = ms.iter().filter(|v| f64::from(**v) <= objective_ms).count();
    ms.sort_by(f32::total_cmp);
    let at = |q: f64| ms.get(((ms.len() as f64 - 1.0) * q).round() as usize).map(|v| f64::from(*v));
    Some(Counterfactual {
        quantile_ms: at(0.5)?,
        low_ms: at(0.05)?,
        high_ms: at(0.95)?,
        p_slo_met: met as f64 / ms.len() as f64,
    })
}

#[cfg(test)]
#[path = "counterfactual_tests.rs"]
mod tests;
