//! The graphical VAE: an encoder and a prior per service and channel, a decoder per latency node.
//!
//! This is the readable reference in plain candle operations; faster kernels are checked against it.
//!
//! A decoder has a structural and a learned part, so that outside the range of the training
//! data it extrapolates as latencies do. In milliseconds, with `a` from the network:
//!
//! * the client side of a call is what its parts add up to, but for a factor near 1:
//!   `y = exp(a) · (server + request + response)`;
//! * anything else is the owner's own time plus a non-negative share of each parent:
//!   `y = exp(base + a) + Σ w·parent`, `w` learned.
//!
//! The likelihood is Student-t in the log-latency, its scale from the network, widened where
//! the prediction leaves the range of the training data.

use std::sync::{Arc, OnceLock};

use candle_core::{Device, Result, Tensor, Var};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::align::{align, is_sum, nearest};
use super::batch::{Batch, Latencies, row};
use super::data::{CLIP, LatencyScale, Normaliser};
use super::fast::Forward;
use super::net::Mlp;
use super::settings::TrainSettings;
use crate::causal::Cbn;

/// Own time cannot be more than e^±8 times its usual value: keeps exp() finite.
pub(super) const OWN_RANGE: f64 = 8.0;
/// Range of the log-scale of a log-latency: 1 % to a factor of 7.
pub(super) const LN_SCALE: (f64, f64) = (-4.6, 2.0);
/// Log-scale of a share that was never measured: a factor of two either way.
pub(super) const UNMEASURED: f64 = 0.7;
/// Scale before training: 15 %.
pub(super) const LN_SCALE_START: f64 = -1.9;

/// Mean and log-variance of a diagonal Gaussian, each (rows, latent).
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// Mean.
    pub mean: Tensor,
    /// Log-variance.
    pub ln_var: Tensor,
}

impl Gaussian {
    /// Reparametrised sample for standard normal `noise` of the same shape.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        self.mean.add(&(self.ln_var.affine(0.5, 0.0)?.exp()? * noise)?)
    }

    fn from_head(head: &Tensor, latent: usize) -> Result<Self> {
        let mean = head.narrow(1, 0, latent)?;
        let ln_var = head.narrow(1, latent, latent)?.clamp(-8.0, 4.0)?;
        Ok(Self { mean, ln_var })
    }
}

/// Location and log-scale of the Student-t likelihood of log-latencies, each (rows, quantiles).
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Location, log-milliseconds.
    pub mean: Tensor,
    /// Log of the scale.
    pub ln_scale: Tensor,
}

/// How a latency is made up of its parents.
#[derive(Clone, Debug)]
pub(super) enum Structure {
    /// It is their sum, by definition.
    Sum,
    /// The owner's own time, usually exp(base), (1, quantiles), and a share of each parent: raw
    /// weights, (1, parents × quantiles), made non-negative by softplus.
    Work { base: Tensor, share: Option<Var> },
}

#[derive(Clone, Debug)]
struct Decoder {
    net: Mlp,
    structure: Structure,
    /// Per parent: which of its quantiles stands for each of ours; `None` when they are the same.
    aligned: Vec<Option<Tensor>>,
    /// Offsets of the parents' latencies in our quantiles' order, (1, parents × quantiles).
    parent_offset: Tensor,
    /// The parents' slowest latencies that were learned from, milliseconds, in the same order.
    parent_top: Tensor,
    /// Our own usual latencies, milliseconds, (1, quantiles).
    usual: Tensor,
    /// Offsets of our own latencies, (1, quantiles).
    offset: Tensor,
    /// Range of log-latencies in the training data: centre and half-width, (1, quantiles) each.
    range: (Tensor, Tensor),
}

/// The model of one application.
#[derive(Clone, Debug)]
pub struct Gvae {
    /// What it models.
    pub cbn: Cbn,
    /// Scales of its inputs.
    pub normaliser: Normaliser,
    latent: usize,
    pub(super) hidden: usize,
    encoders: Vec<Option<Mlp>>,
    priors: Vec<Option<Mlp>>,
    decoders: Vec<Decoder>,
    /// Latency nodes that the encoder of each entity reads.
    pub(super) blankets: Vec<Vec<usize>>,
    compiled: OnceLock<Arc<Forward>>,
}

impl Gvae {
    /// An untrained model.
    pub fn new(cbn: Cbn, normaliser: Normaliser, settings: &TrainSettings) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(settings.seed);
        let latent = settings.latent;
        let width = |j: &usize| cbn.latencies[*j].quantiles.len();
        let blankets: Vec<Vec<usize>> = (0..cbn.entities.len()).map(|e| cbn.blanket(e)).collect();
        let (mut encoders, mut priors) = (Vec::new(), Vec::new());
        for (e, node) in cbn.entities.iter().enumerate() {
            // An entity that drives no latency has no latent worth inferring.
            let wanted = node.has_latent() && !blankets[e].is_empty();
            let inputs = node.x.len() + blankets[e].iter().map(width).sum::<usize>();
            let mut net = |n: usize| Mlp::new(n, settings.hidden, 2 * latent, &mut rng);
            encoders.push(if wanted { Some(net(inputs)?) } else { None });
            priors.push(if wanted && !node.x.is_empty() { Some(net(node.x.len())?) } else { None });
        }
        let mut decoders = Vec::new();
        for (j, node) in cbn.latencies.iter().enumerate() {
            let quantiles = node.quantiles.len();
            let from_entities: usize = node
                .entities
                .iter()
                .map(|e| cbn.entities[*e].x.len() + if encoders[*e].is_some() { latent } else { 0 })
                .sum();
            let from_parents: usize = node.parents.iter().map(width).sum();
            let net = Mlp::new(from_entities + from_parents, settings.hidden, 2 * quantiles, &mut rng)?;
            let structure = if is_sum(&cbn, j) {
                Structure::Sum
            } else {
                Structure::Work {
                    base: base(&cbn, &normaliser, j)?,
                    share: initial_share(quantiles, node.parents.len())?,
                }
            };
            let scales = &normaliser.y[j];
            let of_parents = |what: fn(&LatencyScale) -> f32| {
                let pairs = node.parents.iter().flat_map(|p| (0..quantiles).map(move |i| (*p, i)));
                row(pairs.map(|(p, i)| what(&normaliser.y[p][nearest(&cbn, j, i, p)])).collect())
            };
            decoders.push(Decoder {
                net,
                structure,
                aligned: node.parents.iter().map(|p| align(&cbn, j, *p)).collect::<Result<_>>()?,
                parent_offset: of_parents(|s| s.offset)?,
                parent_top: of_parents(|s| s.top_ms)?,
                usual: row(scales.iter().map(|s| s.centre_ms().max(s.offset)).collect())?,
                offset: row(scales.iter().map(|s| s.offset).collect())?,
                range: (
                    row(scales.iter().map(|s| s.ln.centre).collect())?,
                    row(scales.iter().map(|s| CLIP * s.ln.scale).collect())?,
                ),
            });
        }
        let hidden = settings.hidden;
        let compiled = OnceLock::new();
        Ok(Self { cbn, normaliser, latent, hidden, encoders, priors, decoders, blankets, compiled })
    }

    /// Dimensions of each latent.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// Which quantile of parent `p` stands for quantile `i` of node `j`.
    pub(super) fn nearest(&self, j: usize, i: usize, p: usize) -> usize {
        nearest(&self.cbn, j, i, p)
    }

    /// The model compiled for questions, once: parameters that are set later are not seen.
    pub fn forward(&self) -> Result<Arc<Forward>> {
        if let Some(known) = self.compiled.get() {
            return Ok(known.clone());
        }
        let forward = Arc::new(Forward::of(self)?);
        Ok(self.compiled.get_or_init(|| forward).clone())
    }

    /// How latency node `j` is made up.
    pub(super) fn structure(&self, j: usize) -> &Structure {
        &self.decoders[j].structure
    }

    /// Whether an entity has a latent.
    pub fn has_latent(&self, entity: usize) -> bool {
        self.encoders[entity].is_some()
    }

    /// p(Z | X) of an entity; standard normal where it has no metrics.
    pub fn prior(&self, entity: usize, x: Option<&Tensor>, rows: usize) -> Result<Gaussian> {
        match (&self.priors[entity], x) {
            (Some(net), Some(x)) => Gaussian::from_head(&net.forward(x)?, self.latent),
            _ => {
                let zeros = Tensor::zeros((rows, self.latent), candle_core::DType::F32, &Device::Cpu)?;
                Ok(Gaussian { mean: zeros.clone(), ln_var: zeros })
            }
        }
    }

    /// q(Z | X, Y) of an entity from its Markov blanket; `None` without a latent.
    pub fn posterior(&self, entity: usize, batch: &Batch) -> Result<Option<Gaussian>> {
        let Some(net) = &self.encoders[entity] else { return Ok(None) };
        let mut parts: Vec<Tensor> = batch.x[entity].iter().cloned().collect();
        for j in &self.blankets[entity] {
            parts.push(batch.y.standard[*j].clone());
        }
        let head = net.forward(&Tensor::cat(&parts, 1)?)?;
        Ok(Some(Gaussian::from_head(&head, self.latent)?))
    }

    /// p(Y_j | parents): `x` and `z` by entity, `y` the latencies of all nodes before `j`
    /// (observed or decoded).
    pub fn decode(
        &self,
        j: usize,
        x: &[Option<Tensor>],
        z: &[Option<Tensor>],
        y: &Latencies,
    ) -> Result<Decoded> {
        let node = &self.cbn.latencies[j];
        let decoder = &self.decoders[j];
        let mut parts = Vec::new();
        for e in &node.entities {
            parts.extend(x[*e].iter().cloned());
            parts.extend(z[*e].iter().cloned());
        }
        for p in &node.parents {
            parts.push(y.standard[*p].clone());
        }
        let head = decoder.net.forward(&Tensor::cat(&parts, 1)?)?;
        let quantiles = node.quantiles.len();
        let own = head.narrow(1, 0, quantiles)?.clamp(-OWN_RANGE, OWN_RANGE)?;
        let total = match &decoder.structure {
            Structure::Sum => {
                let parts = self.parents_ms(j, y)?.reshape(((), node.parents.len(), quantiles))?.sum(1)?;
                (parts * own.exp()?)?
            }
            Structure::Work { base, share: None } => own.broadcast_add(base)?.exp()?,
            Structure::Work { base, share: Some(share) } => {
                let shares = self.parents_ms(j, y)?.broadcast_mul(&softplus(share.as_tensor())?)?;
                let inherited = shares.reshape(((), node.parents.len(), quantiles))?.sum(1)?;
                (own.broadcast_add(base)?.exp()? + inherited)?
            }
        };
        let mean = total.broadcast_add(&decoder.offset)?.log()?;
        let ln_scale = head
            .narrow(1, quantiles, quantiles)?
            .affine(1.0, LN_SCALE_START)?
            .clamp(LN_SCALE.0, LN_SCALE.1)?;
        Ok(Decoded { mean, ln_scale })
    }

    /// Latencies of the parents of `j` in milliseconds, (rows, parents × quantiles of `j`).
    fn parents_ms(&self, j: usize, y: &Latencies) -> Result<Tensor> {
        let decoder = &self.decoders[j];
        let parents =
            self.cbn.latencies[j].parents.iter().zip(&decoder.aligned).map(|(p, index)| match index {
                Some(index) => y.ln[*p].index_select(index, 1),
                None => Ok(y.ln[*p].clone()),
            });
        let ln = Tensor::cat(&parents.collect::<Result<Vec<_>>>()?, 1)?;
        ln.exp()?.broadcast_sub(&decoder.parent_offset)?.relu()
    }

    /// Which part of a prediction rests on what was never measured, 0 to 1, (rows, quantiles).
    /// Shares of the parents were learned within their usual range; this grows with how far the
    /// prediction itself is out of range, and with how much slower than ever the parents are, by
    /// an amount that would matter if they were called once. `y` is what `decoded` was made from.
    pub fn unmeasured(&self, j: usize, decoded: &Decoded, y: &Latencies) -> Result<Tensor> {
        let decoder = &self.decoders[j];
        let (centre, half) = &decoder.range;
        let mut beyond = decoded.mean.broadcast_sub(centre)?.abs()?.broadcast_sub(half)?.relu()?;
        if let Some(excess) = self.beyond(j, y)? {
            let (parents, quantiles) = (self.cbn.latencies[j].parents.len(), decoded.mean.dim(1)?);
            let excess = excess.reshape(((), parents, quantiles))?.sum(1)?;
            let impact = excess.broadcast_div(&decoder.usual)?.affine(1.0, 1.0)?.log()?;
            beyond = beyond.maximum(&impact)?;
        }
        beyond.neg()?.exp()?.affine(-1.0, 1.0)
    }

    /// By how much the parents of `j` are slower than they ever were, milliseconds, (rows, parents ×
    /// quantiles of `j`); `None` where latencies are no shares of others.
    pub fn beyond(&self, j: usize, y: &Latencies) -> Result<Option<Tensor>> {
        let decoder = &self.decoders[j];
        let Structure::Work { share: Some(_), .. } = &decoder.structure else { return Ok(None) };
        self.parents_ms(j, y)?.broadcast_sub(&decoder.parent_top)?.relu().map(Some)
    }

    /// The learned shares of the parents of `j`, parents × quantiles of `j`; empty where there are none.
    pub fn shares(&self, j: usize) -> Result<Vec<f32>> {
        match &self.decoders[j].structure {
            Structure::Work { share: Some(share), .. } => {
                softplus(share.as_tensor())?.flatten_all()?.to_vec1()
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Scale of an answer at query time, (rows, quantiles): the likelihood's, plus up to a factor
    /// of two for what was never measured.
    pub fn widened(&self, decoded: &Decoded, unmeasured: &Tensor) -> Result<Tensor> {
        decoded.ln_scale.exp()? + unmeasured.affine(UNMEASURED, 0.0)?
    }

    /// All trainable tensors with stable names.
    pub fn vars(&self) -> Vec<(String, Var)> {
        let mut all = Vec::new();
        let mut add = |prefix: String, net: &Mlp| {
            for (i, var) in net.vars().iter().enumerate() {
                let kind = if i % 2 == 0 { "weight" } else { "bias" };
                all.push((format!("{prefix}.{}.{kind}", i / 2), var.clone()));
            }
        };
        for (e, net) in self.encoders.iter().enumerate() {
            net.iter().for_each(|net| add(format!("encoder.{e}"), net));
        }
        for (e, net) in self.priors.iter().enumerate() {
            net.iter().for_each(|net| add(format!("prior.{e}"), net));
        }
        for (j, decoder) in self.decoders.iter().enumerate() {
            add(format!("decoder.{j}"), &decoder.net);
        }
        for (j, decoder) in self.decoders.iter().enumerate() {
            if let Structure::Work { share: Some(share), .. } = &decoder.structure {
                all.push((format!("decoder.{j}.share"), share.clone()));
            }
        }
        all
    }
}

/// Numerically stable ln(1 + e^x).
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()?.add(&x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?)
}

fn initial_share(quantiles: usize, parents: usize) -> Result<Option<Var>> {
    if parents == 0 {
        return Ok(None);
    }
    // softplus(-0.5) ≈ 0.47: half of each parent's latency to begin with.
    let start = Tensor::full(-0.5f32, (1, parents * quantiles), &Device::Cpu)?;
    Ok(Some(Var::from_tensor(&start)?))
}

/// Usual own time: what is left of the median latency when half of each parent's is taken
/// off, but at least a tenth of it.
fn base(cbn: &Cbn, normaliser: &Normaliser, j: usize) -> Result<Tensor> {
    let node = &cbn.latencies[j];
    let base: Vec<f32> = normaliser.y[j]
        .iter()
        .enumerate()
        .map(|(i, scale)| {
            let total = scale.centre_ms().max(scale.offset);
            let parents: f32 = node
                .parents
                .iter()
                .map(|p| 0.47 * normaliser.y[*p][nearest(cbn, j, i, *p)].centre_ms())
                .sum();
            (total - parents).max(0.1 * total).ln()
        })
        .collect();
    row(base)
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
