//! The readable reference of counterfactuals, in plain candle operations: the answers of
//! [`World`](super::World) are held against it.

use candle_core::{Device, Result, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StudentT};

use super::{Intervention, normal_x};
use crate::diagnosis::reference::{FeatureKinds, Reference, kind_of, prior_sample};
use crate::gvae::loss::{NU, noise};
use crate::gvae::{Batch, Gvae, Inputs, Latencies};
use crate::windows::Frame;

/// As [`World`](super::World): the diagnosed windows with everything inferred about them, each window `samples` times.
pub struct Plain<'a> {
    model: &'a Gvae,
    kinds: &'a FeatureKinds,
    batch: Batch,
    z: Vec<Option<Tensor>>,
    normal_x: Vec<Option<Tensor>>,
    normal_z: Vec<Option<Tensor>>,
    /// Observed minus decoded log-latency; missing observations stand at the decoded value.
    residual: Vec<Tensor>,
    /// Scale at which the observation was decoded.
    scale: Vec<Tensor>,
    /// Which part of that rested on what was never measured.
    unmeasured: Vec<Tensor>,
    /// Residuals of ordinary times in units of the scale, drawn from the likelihood.
    pub fresh: Vec<Tensor>,
}

/// Log-latencies under an intervention, with which nodes it reached.
pub struct Prediction {
    /// Log-latencies.
    pub y: Latencies,
    /// Per latency node: whether it was decoded again.
    pub touched: Vec<bool>,
}

impl<'a> Plain<'a> {
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
        let z = (0..model.cbn.entities.len())
            .map(|e| match model.posterior(e, &batch)? {
                Some(q) => q.sample(&noise(batch.rows, model.latent(), &mut rng)?).map(Some),
                None => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        let normal_batch = Batch { x: normal_x.clone(), ..batch.clone() };
        let normal_z = prior_sample(model, &normal_batch, &mut rng)?;
        let (mut residual, mut fresh) = (Vec::new(), Vec::new());
        let (mut scale, mut unmeasured) = (Vec::new(), Vec::new());
        for j in 0..model.cbn.latencies.len() {
            let decoded = model.decode(j, &batch.x, &z, &batch.y)?;
            unmeasured.push(model.unmeasured(j, &decoded, &batch.y)?);
            scale.push(model.widened(&decoded, &unmeasured[j])?);
            let known = batch.weight[j].gt(0.0)?.to_dtype(candle_core::DType::F32)?;
            let left = ((&batch.y.ln[j] - &decoded.mean)? * &known)?;
            batch.y.set(j, (&decoded.mean + &left)?, &model.normaliser)?;
            let (rows, quantiles) = left.dims2()?;
            fresh.push(student(rows, quantiles, &mut rng)?);
            residual.push(left);
        }
        Ok(Self { model, kinds, batch, z, normal_x, normal_z, residual, scale, unmeasured, fresh })
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
            let mut unmeasured = self.model.unmeasured(j, &decoded, &y)?;
            if let (Some(e), None) = (owner, own) {
                // Its latent was inferred while its parents were slower than ever: what the model
                // could not know of their share, the latent had to explain. That part goes with them.
                let gone = (&self.unmeasured[j] - &unmeasured)?.relu()?.mean_keepdim(1)?;
                if let (Some(seen), Some(normal)) = (&z[e], &self.normal_z[e]) {
                    let mut eased = z.clone();
                    eased[e] = Some((seen + (normal - seen)?.broadcast_mul(&gone)?)?);
                    decoded = self.model.decode(j, &x, &eased, &y)?;
                    unmeasured = self.model.unmeasured(j, &decoded, &y)?;
                }
            }
            let scale = self.model.widened(&decoded, &unmeasured)?;
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
