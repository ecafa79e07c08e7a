//! The model compiled for the kernels: which row of a tile holds what, where each network's
//! parameters begin, which rows it reads and whose gradients it passes on.
//!
//! Rows of a tile, in this order:
//!
//! * data: metrics by entity; then by latency node, standardised, milliseconds, log-latency, weight;
//! * what a pass computes and takes gradients of: decoded latencies (standardised, milliseconds)
//!   by node; latents by entity, from the encoder and from the prior;
//! * noise of the latents, in the same order.

use std::collections::HashMap;

use candle_core::Result;

use super::layout::Layout;
use crate::gvae::Gvae;
use crate::gvae::align::nearest;
use crate::gvae::data::CLIP;
use crate::gvae::kernels::mlp::{Net, Shape, Wanted};
use crate::gvae::kernels::pointwise::Decoder;
use crate::gvae::model::{LN_SCALE, LN_SCALE_START, OWN_RANGE, Structure};
use crate::gvae::transfer::Affected;

/// A network: its shape, where its parameters begin, and where its activations do.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Widths.
    pub shape: Shape,
    /// First parameter.
    pub at: usize,
    /// First row of its activations.
    pub activations: usize,
}

impl Network {
    /// With its parameters out of `flat`.
    pub fn with<'a>(&self, flat: &'a [f32], inputs: &'a [u32]) -> Net<'a> {
        Net { shape: self.shape, parameters: &flat[self.parameters()], inputs }
    }

    /// Range of its parameters.
    pub fn parameters(&self) -> std::ops::Range<usize> {
        self.at..self.at + self.shape.parameters()
    }
}

/// An entity with a latent.
#[derive(Clone, Debug)]
pub struct Latent {
    /// Which entity.
    pub entity: usize,
    /// Encoder with its input rows.
    pub encoder: (Network, Vec<u32>),
    /// Prior with its input rows.
    pub prior: Option<(Network, Vec<u32>)>,
    /// First row of Z from the encoder, and from the prior.
    pub z: [usize; 2],
    /// First rows of the noise of both.
    pub noise: [usize; 2],
    /// Whether its networks are trained.
    pub trained: bool,
    /// Whether it, or a decoder that reads it, is.
    pub used: bool,
}

/// What the inputs of a decoder come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Z from the encoder, parents as observed.
    Posterior = 0,
    /// Z from the prior, parents as observed.
    Prior = 1,
    /// Z from the encoder, parents as decoded.
    Free = 2,
}

/// A latency node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Number of quantiles.
    pub width: usize,
    /// The entity whose it is, if anybody's.
    pub owner: Option<usize>,
    /// The network.
    pub network: Network,
    /// Its input rows, by [`Source`].
    pub inputs: [Vec<u32>; 3],
    /// Inputs whose gradients are wanted and their rows less [`Plan::computed`], by [`Source`].
    pub wanted: [Vec<Wanted>; 3],
    /// First rows as observed: standardised, milliseconds, log-latency, weight.
    pub observed: [usize; 4],
    /// First rows as decoded: standardised, milliseconds.
    pub decoded: [usize; 2],
    /// Per parent and quantile: row of the parent's milliseconds, observed and decoded.
    pub parents: [Vec<u32>; 2],
    /// Usual own time; `None` for a sum.
    pub base: Option<Vec<f32>>,
    /// First parameter of the shares; there are as many as `parents`, but none in a sum.
    pub share: usize,
    /// Offsets of the latencies.
    pub offset: Vec<f32>,
    /// Centre and inverse scale of the log-latencies.
    pub standard: (Vec<f32>, Vec<f32>),
    /// First row of what is decoded, and of the slopes of the likelihood.
    pub kept: (usize, usize),
    /// Whether its decoder is trained; the others are not even run: where they would be parents, what
    /// was observed stands for them.
    pub trained: bool,
}

impl Node {
    /// The constants of the decoder, with `shares` of the whole model (as long as the parameters).
    pub fn decoder<'a>(&'a self, shares: &'a [f32], source: Source) -> Decoder<'a> {
        Decoder {
            base: self.base.as_deref(),
            offset: &self.offset,
            standard: (&self.standard.0, &self.standard.1, CLIP),
            parents: &self.parents[usize::from(source == Source::Free)],
            share: &shares[self.shares()],
            own_range: OWN_RANGE as f32,
            ln_scale: (LN_SCALE_START as f32, LN_SCALE.0 as f32, LN_SCALE.1 as f32),
        }
    }

    /// Where rows of its own begin, if every node has one a quantile.
    pub fn slot(&self) -> usize {
        self.kept.1 / 2
    }

    /// Range of its shares among the parameters.
    pub fn shares(&self) -> std::ops::Range<usize> {
        let count = if self.base.is_some() { self.parents[0].len() } else { 0 };
        self.share..self.share + count
    }
}

/// The compiled model.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Parameters.
    pub layout: Layout,
    /// Dimensions of a latent.
    pub latent: usize,
    /// First row of each entity's metrics, and their number.
    pub metrics: Vec<(usize, usize)>,
    /// Entities with latents, in order.
    pub latents: Vec<Latent>,
    /// Per entity: which of them is its.
    pub latent_of: Vec<Option<usize>>,
    /// Latency nodes, parents first.
    pub nodes: Vec<Node>,
    /// Rows of data in a tile.
    pub data: usize,
    /// Rows in a tile, noise included.
    pub rows: usize,
    /// Rows that gradients are taken of: this many from row `data` on.
    pub computed: usize,
    /// Rows of activations of encoders and priors, and of all networks.
    pub activations: (usize, usize),
    /// Rows of what is decoded, and of slopes.
    pub kept: (usize, usize),
    /// Most outputs of any layer, quantiles of any node.
    pub widest: (usize, usize),
}

impl Plan {
    /// Per parameter, whether it is trained.
    pub fn trained(&self) -> Vec<bool> {
        let mut trained = vec![false; self.layout.len()];
        for latent in self.latents.iter().filter(|latent| latent.trained) {
            trained[latent.encoder.0.parameters()].fill(true);
            if let Some((prior, _)) = &latent.prior {
                trained[prior.parameters()].fill(true);
            }
        }
        for node in self.nodes.iter().filter(|node| node.trained) {
            trained[node.network.parameters()].fill(true);
            trained[node.shares()].fill(true);
        }
        trained
    }
}

/// Hands out consecutive rows.
#[derive(Default)]
struct Cursor(usize);

impl Cursor {
    fn take(&mut self, rows: usize) -> usize {
        self.0 += rows;
        self.0 - rows
    }
}

impl Plan {
    /// Softplus of all shares in their places among the parameters `flat`; elsewhere the parameters.
    pub fn shares(&self, flat: &[f32]) -> Vec<f32> {
        let mut shares = flat.to_vec();
        for i in self.nodes.iter().flat_map(Node::shares) {
            shares[i] = flat[i].max(0.0) + (-flat[i].abs()).exp().ln_1p();
        }
        shares
    }

    /// Compiles `model` to be trained wholly.
    pub fn of(model: &Gvae) -> Result<Self> {
        Self::part(model, &Affected::all(&model.cbn))
    }

    /// Compiles `model` to have its `affected` networks trained.
    pub fn part(model: &Gvae, affected: &Affected) -> Result<Self> {
        let layout = Layout::of(model);
        let starts: HashMap<&str, usize> =
            layout.views.iter().map(|v| (v.name.as_str(), v.range.start)).collect();
        let (cbn, latent) = (&model.cbn, model.latent());
        let widths: Vec<usize> = cbn.latencies.iter().map(|n| n.quantiles.len()).collect();

        let mut rows = Cursor::default();
        let metrics: Vec<_> = cbn.entities.iter().map(|e| (rows.take(e.x.len()), e.x.len())).collect();
        let observed: Vec<[usize; 4]> =
            widths.iter().map(|q| std::array::from_fn(|_| rows.take(*q))).collect();
        let data = rows.0;
        let decoded: Vec<[usize; 2]> =
            widths.iter().map(|q| std::array::from_fn(|_| rows.take(*q))).collect();
        let with_latent: Vec<usize> = (0..cbn.entities.len()).filter(|e| model.has_latent(*e)).collect();
        let z: Vec<[usize; 2]> =
            with_latent.iter().map(|_| std::array::from_fn(|_| rows.take(latent))).collect();
        let computed = rows.0 - data;

        let mut activations = Cursor::default();
        let mut network = |name: &str, inputs: usize, outputs: usize| {
            let shape = Shape { inputs, hidden: model.hidden, outputs };
            let at = starts.get(format!("{name}.0.weight").as_str()).copied().unwrap_or_default();
            Network { shape, at, activations: activations.take(shape.activations()) }
        };
        let span = |first: usize, count: usize| (first..first + count).map(|r| r as u32);
        let latents: Vec<Latent> = with_latent
            .iter()
            .zip(&z)
            .map(|(&e, z)| {
                let own: Vec<u32> = span(metrics[e].0, metrics[e].1).collect();
                let blanket = model.blankets[e].iter().flat_map(|j| span(observed[*j][0], widths[*j]));
                let all: Vec<u32> = own.iter().copied().chain(blanket).collect();
                let encoder = network(&format!("encoder.{e}"), all.len(), 2 * latent);
                let prior = network(&format!("prior.{e}"), own.len(), 2 * latent);
                let prior = (!own.is_empty()).then_some((prior, own));
                let noise = std::array::from_fn(|_| rows.take(latent));
                let trained = affected.entities[e];
                let mut nodes = cbn.latencies.iter().zip(&affected.latencies);
                let used = trained || nodes.any(|(node, affected)| *affected && node.entities.contains(&e));
                Latent { entity: e, encoder: (encoder, all), prior, z: *z, noise, trained, used }
            })
            .collect();
        let place: HashMap<usize, [usize; 2]> = with_latent.into_iter().zip(z).collect();

        let of_latent = |l: &Latent| {
            l.encoder.0.shape.activations() + l.prior.as_ref().map_or(0, |p| p.0.shape.activations())
        };
        let encoding = latents.iter().map(of_latent).sum();
        let (mut kept, mut slopes) = (Cursor::default(), Cursor::default());
        let mut nodes = Vec::with_capacity(widths.len());
        for (j, node) in cbn.latencies.iter().enumerate() {
            let q = widths[j];
            let (mut inputs, mut wanted) = (<[Vec<u32>; 3]>::default(), <[Vec<Wanted>; 3]>::default());
            for (s, (inputs, wanted)) in inputs.iter_mut().zip(&mut wanted).enumerate() {
                let mut want = |input: usize, row: usize| {
                    wanted.push(Wanted { input: input as u32, row: (row - data) as u32 });
                };
                for e in &node.entities {
                    inputs.extend(span(metrics[*e].0, metrics[*e].1));
                    if let Some(z) = place.get(e) {
                        let z = z[usize::from(s == Source::Prior as usize)];
                        (0..latent).for_each(|l| want(inputs.len() + l, z + l));
                        inputs.extend(span(z, latent));
                    }
                }
                for p in &node.parents {
                    if s == Source::Free as usize && affected.latencies[*p] {
                        (0..widths[*p]).for_each(|i| want(inputs.len() + i, decoded[*p][0] + i));
                        inputs.extend(span(decoded[*p][0], widths[*p]));
                    } else {
                        inputs.extend(span(observed[*p][0], widths[*p]));
                    }
                }
            }
            let pairs: Vec<(usize, usize)> =
                node.parents.iter().flat_map(|p| (0..q).map(move |i| (*p, nearest(cbn, j, i, *p)))).collect();
            let of = |first: &dyn Fn(usize) -> usize| {
                pairs.iter().map(|(p, i)| (first(*p) + i) as u32).collect::<Vec<u32>>()
            };
            let base = match model.structure(j) {
                Structure::Sum => None,
                Structure::Work { base, .. } => Some(base.flatten_all()?.to_vec1::<f32>()?),
            };
            let scales = &model.normaliser.y[j];
            nodes.push(Node {
                width: q,
                owner: node.entities.first().copied(),
                network: network(&format!("decoder.{j}"), inputs[0].len(), 2 * q),
                inputs,
                wanted,
                observed: observed[j],
                decoded: decoded[j],
                parents: [
                    of(&|p| observed[p][1]),
                    of(&|p| if affected.latencies[p] { decoded[p][1] } else { observed[p][1] }),
                ],
                base,
                share: starts.get(format!("decoder.{j}.share").as_str()).copied().unwrap_or_default(),
                offset: scales.iter().map(|s| s.offset).collect(),
                standard: (
                    scales.iter().map(|s| s.ln.centre).collect(),
                    scales.iter().map(|s| 1.0 / s.ln.scale).collect(),
                ),
                kept: (kept.take(Decoder::rows(q)), slopes.take(2 * q)),
                trained: affected.latencies[j],
            });
        }
        let latent_of = (0..metrics.len()).map(|e| latents.iter().position(|l| l.entity == e)).collect();
        let most = widths.iter().copied().max().unwrap_or_default();
        let widest = (model.hidden.max(2 * latent).max(2 * most), most);
        Ok(Self {
            layout,
            latent,
            metrics,
            latents,
            latent_of,
            nodes,
            data,
            rows: rows.0,
            computed,
            activations: (encoding, activations.0),
            kept: (kept.0, slopes.0),
            widest,
        })
    }
}
