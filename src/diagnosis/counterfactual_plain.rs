//! The readable reference of counterfactuals, in plain candle operations: the answers of
//! [`World`](super::World) are held against it.

use candle_core::{Device, Result, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StudentT};

use super::{Intervention, normal_x};
use crate::diagnosis::DiagnosisSettings;
use crate::diagnosis::abduction::OVER;
use crate::diagnosis::inherited::Inherited;
use crate::diagnosis::own_time::beyond_doubt;
use crate::diagnosis::reference::{FeatureKinds, Reference, kind_of};
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
    /// What the callees account for beyond their learned shares.
    inherited: Vec<Option<Inherited>>,
    /// Residuals of ordinary times in units of the scale, drawn from the likelihood.
    pub fresh: Vec<Tensor>,
    /// What is the owner's own beyond doubt, milliseconds above the usual; 0 where that is doubtful.
    own_ms: Vec<Tensor>,
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
        settings: &DiagnosisSettings,
    ) -> Result<Self> {
        let DiagnosisSettings { samples, seed, .. } = *settings;
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
        // The noise of the encoders, then that of the priors, which serves for the observed and for the
        // normal metrics.
        let mut draws = || -> Result<Vec<Option<Tensor>>> {
            let all = 0..model.cbn.entities.len();
            let draw = |e| model.has_latent(e).then(|| noise(batch.rows, model.latent(), &mut rng));
            all.map(draw).map(Option::transpose).collect()
        };
        let (of_encoder, of_prior) = (draws()?, draws()?);
        let prior = |x: &[Option<Tensor>]| -> Result<Vec<Option<Tensor>>> {
            let sample = |(e, noise): (usize, &Option<Tensor>)| {
                let Some(noise) = noise else { return Ok(None) };
                model.prior(e, x[e].as_ref(), batch.rows)?.sample(noise).map(Some)
            };
            of_prior.iter().enumerate().map(sample).collect()
        };
        let z = latents(model, &batch, &prior(&batch.x)?, &of_encoder)?;
        let normal_z = prior(&normal_x)?;
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
        let own_ms = beyond_doubt(&model.cbn, reference, &recent, settings).into_iter().zip(&residual);
        let own_ms = own_ms.map(|(own, like)| {
            let Some(own) = own else { return like.zeros_like() };
            let ms = tile.iter().flat_map(|row| own.iter().map(|ms| ms[*row])).collect::<Vec<f32>>();
            Tensor::from_vec(ms, like.dims2()?, &Device::Cpu)
        });
        let own_ms = own_ms.collect::<Result<_>>()?;
        Ok(Self { model, kinds, batch, z, normal_x, normal_z, residual, scale, inherited, fresh, own_ms })
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
            let stays = own.map_or(1.0, |reset| 1.0 - reset.share);
            let (whole, seen) = (decoded.mean.exp()?, &self.batch.y.ln[j]);
            let own_ms = (&self.own_ms[j] * stays)?;
            let least = (&whole + &own_ms)?.log()?.minimum(seen)?;
            let free = (decoded.mean + residual)?;
            let mut ln = own_ms.gt(0.0)?.where_cond(&free.maximum(&least)?, &free)?;
            // What callees take is measured, what metrics do to a latency is guessed: where both together
            // are more than was observed, it was less that the metrics did.
            if self.inherited[j].is_some() && stays > 0.0 {
                let over = (&self.residual[j] + f64::from(OVER))?;
                let more = (seen.exp()? * ((over.neg()?.exp()? - 1.0)? * stays)?)?;
                let usual = self.model.normaliser.y[j].iter().map(|scale| scale.ln.centre.exp());
                let usual = Tensor::from_vec(usual.collect::<Vec<_>>(), (1, whole.dim(1)?), &Device::Cpu)?;
                let least = usual.broadcast_minimum(&whole)?;
                let less = ln.minimum(&(&whole - more)?.maximum(&least)?.log()?)?;
                ln = over.lt(0.0)?.where_cond(&less, &ln)?;
            }
            y.set(j, ln, &self.model.normaliser)?;
        }
        Ok(Prediction { y, touched })
    }
}

/// A draw of every latent from its encoder, or rather from its prior where its latencies are strange.
fn latents(
    model: &Gvae,
    batch: &Batch,
    prior: &[Option<Tensor>],
    noise: &[Option<Tensor>],
) -> Result<Vec<Option<Tensor>>> {
    let mut strange: Vec<Option<Tensor>> = vec![None; prior.len()];
    for (j, node) in model.cbn.latencies.iter().enumerate() {
        let Some(owner) = node.entities.first() else { continue };
        let decoded = model.decode(j, &batch.x, prior, &batch.y)?;
        let here = model.unmeasured(j, &decoded, &batch.y)?.max_keepdim(1)?;
        strange[*owner] = Some(match &strange[*owner] {
            Some(most) => most.maximum(&here)?,
            None => here,
        });
    }
    let draw = |e: usize| {
        let (Some(q), Some(noise)) = (model.posterior(e, batch)?, &noise[e]) else { return Ok(None) };
        let drawn = q.sample(noise)?;
        Ok(Some(match (&prior[e], &strange[e]) {
            (Some(prior), Some(strange)) => (&drawn + (prior - &drawn)?.broadcast_mul(strange)?)?,
            _ => drawn,
        }))
    };
    (0..prior.len()).map(draw).collect()
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
