//! Loss and gradient of a few tiles, networks outermost, so that each network's parameters and
//! gradient stay in the nearest cache while all tiles go through it.

use super::columns::Columns;
use super::plan::{Network, Node, Plan, Source};
use crate::gvae::kernels::mlp::{self, Deltas};
use crate::gvae::kernels::pointwise::{self, Decoder, Latents};
use crate::gvae::kernels::{Isa, Rows, TILE};
use crate::gvae::loss::{NU, Parents};

/// Everything about one tile that a pass keeps.
#[derive(Debug)]
struct Tile {
    rows: Rows,
    /// Of the plan's computed rows.
    gradients: Rows,
    activations: Rows,
    decoded: Rows,
    slopes: Rows,
    live: Rows,
}

/// Memory of a pass over some tiles, to be used again.
#[derive(Debug)]
pub struct Workspace {
    tiles: Vec<Tile>,
    deltas: Deltas,
    prior_head: Rows,
    /// Gradient of the parameters.
    pub gradient: Vec<f32>,
}

/// What is asked of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Instructions to use.
    pub isa: Isa,
    /// The compiled model.
    pub plan: &'a Plan,
    /// Its parameters.
    pub flat: &'a [f32],
    /// Softplus of the shares, in their places among the parameters.
    pub shares: &'a [f32],
    /// The data.
    pub columns: &'a Columns,
    /// Standard normal numbers, for each latent rows × latent from the encoder, then from the prior.
    pub noise: &'a [f32],
    /// Where the parents' latencies come from.
    pub parents: Parents,
    /// Weight of the divergence.
    pub beta: f32,
    /// Weight of the likelihood under Z from the prior.
    pub prior_weight: f32,
    /// Windows of the whole batch.
    pub windows: &'a [usize],
    /// Whether the gradient is wanted.
    pub gradient: bool,
}

/// Sums over windows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Negative log-likelihood under Z from the encoder.
    pub nll: f64,
    /// The same under Z from the prior.
    pub prior_nll: f64,
    /// KL(q ‖ p).
    pub kl: f64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.nll += other.nll;
        self.prior_nll += other.prior_nll;
        self.kl += other.kl;
    }
}

impl Tile {
    fn new(plan: &Plan) -> Self {
        Self {
            rows: Rows::new(plan.rows),
            gradients: Rows::new(plan.computed),
            activations: Rows::new(plan.activations.1),
            decoded: Rows::new(plan.kept.0),
            slopes: Rows::new(plan.kept.1),
            live: Rows::new(1),
        }
    }

    /// Reads windows `first ..` of the batch, as many as go into a tile.
    fn load(&mut self, request: &Request, first: usize) {
        let Request { plan, columns, windows, noise, .. } = request;
        let here = &windows[first..windows.len().min(first + TILE)];
        columns.load(plan, here, &mut self.rows);
        self.live.row_mut(0).fill(0.0);
        self.live.row_mut(0)[..here.len()].fill(1.0);
        let size = windows.len() * plan.latent;
        for (i, latent) in plan.latents.iter().enumerate() {
            for (kind, row) in latent.noise.iter().enumerate() {
                let drawn = &noise[(2 * i + kind) * size + first * plan.latent..];
                for l in 0..plan.latent {
                    let row = self.rows.row_mut(row + l);
                    row.fill(0.0);
                    row.iter_mut()
                        .zip(drawn.iter().skip(l).step_by(plan.latent))
                        .take(here.len())
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
        self.gradients.numbers_mut().fill(0.0);
    }

    fn network(&mut self, request: &Request, network: Network, inputs: &[u32]) {
        let out = self.activations.span_mut(network.activations, network.shape.activations());
        mlp::forward(request.isa, &network.with(request.flat, inputs), &self.rows, out);
    }
}

/// The head of a network whose activations these are.
fn head<'a>(activations: &'a Rows, network: &Network) -> &'a [f32] {
    activations.span(network.activations + network.shape.head(), network.shape.outputs)
}

impl Workspace {
    /// For up to `tiles` tiles.
    pub fn new(plan: &Plan, tiles: usize) -> Self {
        Self {
            tiles: (0..tiles).map(|_| Tile::new(plan)).collect(),
            deltas: Deltas::new(plan.widest.0),
            prior_head: Rows::new(2 * plan.latent),
            gradient: vec![0.0; plan.layout.len()],
        }
    }

    /// Loss of tiles `tiles` of the batch, their gradient in [`Self::gradient`] if it is wanted.
    pub fn run(&mut self, request: &Request, tiles: std::ops::Range<usize>) -> Sums {
        self.tiles.truncate(tiles.len());
        self.tiles.resize_with(tiles.len(), || Tile::new(request.plan));
        for (tile, i) in self.tiles.iter_mut().zip(tiles) {
            tile.load(request, i * TILE);
        }
        if request.gradient {
            self.gradient.fill(0.0);
        }
        let mut sums = self.encode(request);
        let free = request.parents == Parents::Decoded;
        let nodes = || request.plan.nodes.iter().filter(|node| node.trained);
        for node in nodes() {
            let source = if free { Source::Free } else { Source::Posterior };
            for i in 0..self.tiles.len() {
                sums.nll += self.decode(request, node, source, i);
                if request.gradient && !free {
                    self.decode_backward(request, node, source, i);
                }
            }
        }
        if free && request.gradient {
            for node in nodes().rev() {
                for i in 0..self.tiles.len() {
                    self.decode_backward(request, node, Source::Free, i);
                }
            }
        }
        if request.prior_weight > 0.0 {
            for node in nodes() {
                for i in 0..self.tiles.len() {
                    sums.prior_nll += self.decode(request, node, Source::Prior, i);
                    if request.gradient {
                        self.decode_backward(request, node, Source::Prior, i);
                    }
                }
            }
        }
        if request.gradient {
            self.encode_backward(request);
            for node in nodes() {
                // The shares' gradient is so far by softplus; its derivative is the logistic function.
                for i in node.shares() {
                    self.gradient[i] *= 1.0 / (1.0 + (-request.flat[i]).exp());
                }
            }
        }
        sums
    }

    fn encode(&mut self, request: &Request) -> Sums {
        let mut sums = Sums::default();
        let (isa, plan) = (request.isa, request.plan);
        for latent in plan.latents.iter().filter(|latent| latent.used) {
            for tile in &mut self.tiles {
                tile.network(request, latent.encoder.0, &latent.encoder.1);
                if let Some((network, inputs)) = &latent.prior {
                    tile.network(request, *network, inputs);
                }
                let posterior = head(&tile.activations, &latent.encoder.0);
                let prior = latent.prior.as_ref().map(|(network, _)| head(&tile.activations, network));
                let live = tile.live.row(0);
                if latent.trained {
                    sums.kl += pointwise::divergence(isa, &Latents { posterior, prior, live });
                }
                for (kind, head) in [Some(posterior), prior].into_iter().enumerate() {
                    let rows = tile.rows.numbers_mut();
                    let size = plan.latent * TILE;
                    let (z, noise) = rows.split_at_mut(latent.noise[0] * TILE);
                    let noise = &noise[(latent.noise[kind] - latent.noise[0]) * TILE..][..size];
                    let z = &mut z[latent.z[kind] * TILE..][..size];
                    pointwise::sample(isa, head, noise, z);
                }
            }
        }
        sums
    }

    fn encode_backward(&mut self, request: &Request) {
        let (isa, plan) = (request.isa, request.plan);
        let factor = request.beta / request.windows.len().max(1) as f32;
        for latent in plan.latents.iter().filter(|latent| latent.trained) {
            for tile in &mut self.tiles {
                let prior = latent.prior.as_ref().map(|(network, _)| head(&tile.activations, network));
                let posterior = head(&tile.activations, &latent.encoder.0);
                let latents = Latents { posterior, prior, live: tile.live.row(0) };
                let z = |kind: usize| {
                    let gradient = tile.gradients.span(latent.z[kind] - plan.data, plan.latent);
                    (gradient, tile.rows.span(latent.noise[kind], plan.latent))
                };
                let sampled = (request.prior_weight > 0.0).then(|| z(1));
                let (to_posterior, to_prior) = (self.deltas.head(), &mut self.prior_head);
                let (to_posterior, to_prior) = (to_posterior.numbers_mut(), to_prior.numbers_mut());
                pointwise::latents_backward(isa, &latents, factor, z(0), sampled, to_posterior, to_prior);
                let nets = [Some(&latent.encoder), latent.prior.as_ref()];
                for (kind, (network, inputs)) in
                    nets.into_iter().enumerate().filter_map(|(k, n)| Some((k, n?)))
                {
                    if kind == 1 {
                        let from = self.prior_head.numbers();
                        self.deltas.head().numbers_mut()[..from.len()].copy_from_slice(from);
                    }
                    mlp::backward(
                        isa,
                        &network.with(request.flat, inputs),
                        &tile.rows,
                        tile.activations.span(network.activations, network.shape.activations()),
                        &mut self.deltas,
                        (&[], &mut tile.gradients),
                        &mut self.gradient[network.parameters()],
                    );
                }
            }
        }
    }

    /// Decodes `node` in tile `i`, and gives its negative log-likelihood.
    fn decode(&mut self, request: &Request, node: &Node, source: Source, i: usize) -> f64 {
        let tile = &mut self.tiles[i];
        tile.network(request, node.network, &node.inputs[source as usize]);
        let decoder = node.decoder(request.shares, source);
        let (head, (decoded, slopes)) = (head(&tile.activations, &node.network), node.kept);
        let decoded = tile.decoded.span_mut(decoded, Decoder::rows(node.width));
        let free = (source == Source::Free).then_some((node.decoded[0], node.decoded[1]));
        pointwise::decode(request.isa, &decoder, head, &mut tile.rows, free, decoded);
        let [.., ln, weight] = node.observed;
        let seen = (tile.rows.span(ln, node.width), tile.rows.span(weight, node.width));
        let weight = if source == Source::Prior { request.prior_weight } else { 1.0 };
        let factor = weight / request.windows.len().max(1) as f32;
        let slopes = tile.slopes.span_mut(slopes, 2 * node.width);
        pointwise::likelihood(request.isa, decoded, seen, (NU as f32, factor), slopes)
    }

    fn decode_backward(&mut self, request: &Request, node: &Node, source: Source, i: usize) {
        let (isa, first) = (request.isa, request.plan.data);
        let tile = &mut self.tiles[i];
        let [standard, ms] = node.decoded;
        let free = (source == Source::Free).then(|| (standard - first, ms - first, first));
        let network = &node.network;
        let to_head = self.deltas.head().numbers_mut();
        pointwise::decode_backward(
            isa,
            &node.decoder(request.shares, source),
            (head(&tile.activations, network), tile.decoded.span(node.kept.0, Decoder::rows(node.width))),
            &tile.rows,
            tile.slopes.span(node.kept.1, 2 * node.width),
            free,
            &mut tile.gradients,
            (to_head, &mut self.gradient[node.shares()]),
        );
        mlp::backward(
            isa,
            &network.with(request.flat, &node.inputs[source as usize]),
            &tile.rows,
            tile.activations.span(network.activations, network.shape.activations()),
            &mut self.deltas,
            (&node.wanted[source as usize], &mut tile.gradients),
            &mut self.gradient[network.parameters()],
        );
    }
}
