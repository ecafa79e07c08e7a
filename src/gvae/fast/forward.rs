//! The model without gradients, node by node, for questions: what a latency would be had something
//! else been different.

use candle_core::Result;

use super::plan::{Network, Plan, Source};
use crate::gvae::Gvae;
use crate::gvae::data::CLIP;
use crate::gvae::kernels::pointwise::{self, Decoder};
use crate::gvae::kernels::{Isa, Rows, TILE, mlp};

/// Log-scale of a share that was never measured, as in [`Gvae::widened`].
const UNMEASURED: f32 = crate::gvae::model::UNMEASURED as f32;

/// The compiled model with a copy of its parameters.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Which row is what.
    pub plan: Plan,
    isa: Isa,
    flat: Vec<f32>,
    shares: Vec<f32>,
    limits: Vec<Limits>,
}

/// What was seen in training, per latency node; numbers by quantile, those of parents by parent first.
#[derive(Clone, Debug)]
struct Limits {
    /// Half of the range of the log-latency around its centre.
    half: Vec<f32>,
    /// The usual latency, milliseconds.
    usual: Vec<f32>,
    /// The parents' slowest latencies that were learned from, milliseconds; empty in a sum.
    top: Vec<f32>,
}

/// What decoding a node gives, and needs on the way.
#[derive(Clone, Debug)]
pub struct Scratch {
    activations: Rows,
    decoded: Rows,
    excess: Rows,
    /// Which part rests on what was never measured, as [`Gvae::unmeasured`]: a row a quantile.
    pub unmeasured: Rows,
    /// Scale of the answer, as [`Gvae::widened`]: a row a quantile.
    pub scale: Rows,
    width: usize,
}

impl Scratch {
    /// Location of the latency last decoded: a row a quantile.
    pub fn mean(&self) -> &[f32] {
        self.decoded.span(2 * self.width, self.width)
    }

    /// The same to be corrected.
    pub fn mean_mut(&mut self) -> &mut [f32] {
        self.decoded.span_mut(2 * self.width, self.width)
    }
}

impl Forward {
    /// Compiles `model` and copies its parameters.
    pub fn of(model: &Gvae) -> Result<Self> {
        let plan = Plan::of(model)?;
        let flat = plan.layout.gather(model)?;
        let scales = &model.normaliser.y;
        let limits = plan.nodes.iter().enumerate().map(|(j, node)| {
            let tops = model.cbn.latencies[j]
                .parents
                .iter()
                .flat_map(|p| (0..node.width).map(move |i| scales[*p][model.nearest(j, i, *p)]));
            let top = tops.map(|s| s.top_ms);
            Limits {
                half: scales[j].iter().map(|s| CLIP * s.ln.scale).collect(),
                usual: scales[j].iter().map(|s| s.centre_ms().max(s.offset)).collect(),
                top: if node.base.is_some() { top.collect() } else { Vec::new() },
            }
        });
        let limits = limits.collect();
        Ok(Self { shares: plan.shares(&flat), isa: Isa::best(), limits, flat, plan })
    }

    /// An empty tile.
    pub fn tile(&self) -> Rows {
        Rows::new(self.plan.rows)
    }

    /// Memory for the other functions.
    pub fn scratch(&self) -> Scratch {
        let (widest, most) = self.plan.widest;
        let hidden = self.plan.nodes.first().map_or(0, |n| n.network.shape.hidden);
        let rows = || Rows::new(most);
        Scratch {
            activations: Rows::new(2 * hidden + widest),
            decoded: Rows::new(Decoder::rows(most)),
            excess: rows(),
            unmeasured: rows(),
            scale: rows(),
            width: 0,
        }
    }

    fn network(&self, network: &Network, inputs: &[u32], tile: &Rows, scratch: &mut Scratch) {
        let out = scratch.activations.span_mut(0, network.shape.activations());
        mlp::forward(self.isa, &network.with(&self.flat, inputs), tile, out);
    }

    /// Draws latent number `i` of the plan from its encoder (`from_prior` false) or its prior, with
    /// the noise in the tile, into the rows that the plan has for it.
    pub fn sample(&self, i: usize, from_prior: bool, tile: &mut Rows, scratch: &mut Scratch) {
        let latent = &self.plan.latents[i];
        let net = if from_prior { latent.prior.as_ref() } else { Some(&latent.encoder) };
        let head = net.map(|(network, inputs)| {
            self.network(network, inputs, tile, scratch);
            scratch.activations.span(network.shape.head(), network.shape.outputs)
        });
        let kind = usize::from(from_prior);
        let (z, noise) = tile.numbers_mut().split_at_mut(latent.noise[0] * TILE);
        let size = self.plan.latent * TILE;
        let noise = &noise[(latent.noise[kind] - latent.noise[0]) * TILE..][..size];
        pointwise::sample(self.isa, head, noise, &mut z[latent.z[kind] * TILE..][..size]);
    }

    /// Decodes node `j` from the tile: fills all of `scratch`.
    pub fn decode(&self, j: usize, tile: &mut Rows, scratch: &mut Scratch) {
        let node = &self.plan.nodes[j];
        self.network(&node.network, &node.inputs[Source::Posterior as usize], tile, scratch);
        let head = scratch.activations.span(node.network.shape.head(), 2 * node.width);
        let decoder = node.decoder(&self.shares, Source::Posterior);
        let out = scratch.decoded.span_mut(0, Decoder::rows(node.width));
        pointwise::decode(self.isa, &decoder, head, tile, None, out);
        scratch.width = node.width;
        self.measure(j, tile, scratch);
    }

    /// Fills in what was never measured, and the scale.
    fn measure(&self, j: usize, tile: &Rows, scratch: &mut Scratch) {
        let (node, limits) = (&self.plan.nodes[j], &self.limits[j]);
        let q = node.width;
        let mean = scratch.decoded.span(2 * q, q);
        let unmeasured = scratch.unmeasured.span_mut(0, q);
        for (i, (row, mean)) in unmeasured.chunks_exact_mut(TILE).zip(mean.chunks_exact(TILE)).enumerate() {
            let (centre, half) = (node.standard.0[i], limits.half[i]);
            row.iter_mut().zip(mean).for_each(|(u, m)| *u = ((m - centre).abs() - half).max(0.0));
        }
        if !limits.top.is_empty() {
            let excess = scratch.excess.span_mut(0, q);
            self.beyond(j, |_| 1.0, tile, excess);
            for (row, usual) in excess.chunks_exact_mut(TILE).zip(&limits.usual) {
                row.iter_mut().for_each(|e| *e = *e / usual + 1.0);
            }
            pointwise::ln(self.isa, excess);
            unmeasured.iter_mut().zip(excess.iter()).for_each(|(u, e)| *u = u.max(*e));
        }
        unmeasured.iter_mut().for_each(|u| *u = -*u);
        pointwise::exp(self.isa, unmeasured);
        unmeasured.iter_mut().for_each(|u| *u = 1.0 - *u);
        let scale = scratch.scale.span_mut(0, q);
        scale.copy_from_slice(scratch.decoded.span(3 * q, q));
        pointwise::exp(self.isa, scale);
        scale.iter_mut().zip(unmeasured.iter()).for_each(|(s, u)| *s += UNMEASURED * u);
    }

    /// Sums up by how much the parents of node `j` are slower than they ever were, as
    /// [`Gvae::beyond`], each times its `weight` (by parent and quantile): a row a quantile of
    /// milliseconds. Zero in a sum.
    pub fn beyond(&self, j: usize, weight: impl Fn(usize) -> f32, tile: &Rows, sums: &mut [f32]) {
        let (node, limits) = (&self.plan.nodes[j], &self.limits[j]);
        sums.fill(0.0);
        for (k, (row, top)) in node.parents[0].iter().zip(&limits.top).enumerate() {
            let (sum, weight) = (&mut sums[k % node.width * TILE..][..TILE], weight(k));
            let ms = tile.row(*row as usize);
            sum.iter_mut().zip(ms).for_each(|(sum, ms)| *sum += weight * (ms - top).max(0.0));
        }
    }

    /// e^x of all of them, rows of a tile.
    pub fn exp(&self, numbers: &mut [f32]) {
        pointwise::exp(self.isa, numbers);
    }

    /// ln x of all of them, rows of a tile.
    pub fn ln(&self, numbers: &mut [f32]) {
        pointwise::ln(self.isa, numbers);
    }

    /// Sets the log-latencies of node `j` in the tile (a row a quantile), as observed.
    pub fn set(&self, j: usize, ln: &[f32], tile: &mut Rows) {
        let node = &self.plan.nodes[j];
        let [standard, ms, log, _] = node.observed;
        tile.span_mut(log, node.width).copy_from_slice(ln);
        let exp = tile.span_mut(ms, node.width);
        exp.copy_from_slice(ln);
        pointwise::exp(self.isa, exp);
        for (i, row) in exp.chunks_exact_mut(TILE).enumerate() {
            row.iter_mut().for_each(|ms| *ms = (*ms - node.offset[i]).max(0.0));
        }
        let rows = tile.span_mut(standard, node.width).chunks_exact_mut(TILE).zip(ln.chunks_exact(TILE));
        for (i, (row, ln)) in rows.enumerate() {
            let (centre, inverse) = (node.standard.0[i], node.standard.1[i]);
            row.iter_mut().zip(ln).for_each(|(s, ln)| *s = ((ln - centre) * inverse).clamp(-CLIP, CLIP));
        }
    }
}
