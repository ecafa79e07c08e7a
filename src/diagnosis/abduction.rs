//! What is inferred about the diagnosed windows, and how a latency follows from it once something is
//! set to normal: the arithmetic of [`counterfactual`](super::counterfactual), a tile at a time.

use super::counterfactual::Reset;
use super::inherited::{Bounds, LEAST};
use crate::gvae::LatencyScale;
use crate::gvae::fast::{Forward, Scratch};
use crate::gvae::kernels::{Rows, TILE};

/// A latency that is decoded as this many e-folds more than was observed is noise.
pub(super) const OVER: f32 = 0.3;

/// What is known of some rows (windows × samples). Of each latency node there are rows by quantile,
/// beginning at its slot.
pub(super) struct Seen {
    /// As the model reads them; Z "from the prior" is that of ordinary times.
    pub rows: Rows,
    /// Metrics of ordinary times, where `rows` has the observed ones.
    pub normal_x: Rows,
    /// Observed minus decoded log-latency; missing observations stand at the decoded value.
    pub residual: Rows,
    /// Scale at which the observation was decoded.
    pub scale: Rows,
    /// Which part was needed of what the parents can account for beyond their learned shares, 0 to 1.
    pub taken: Rows,
    /// Residuals of ordinary times in units of the scale, drawn from the likelihood.
    pub fresh: Rows,
    /// What is the owner's own of it beyond doubt, milliseconds above the usual; 0 where that is doubtful.
    pub own_ms: Rows,
}

impl Seen {
    /// Abduction: latents from their encoders and, for ordinary times, from their priors; what the
    /// parents account for, and what the decoders leave unexplained. `bounds` by node.
    pub fn infer(&mut self, forward: &Forward, bounds: &[Option<Bounds>], scratch: &mut Scratch) {
        let plan = &forward.plan;
        self.infer_latents(forward, scratch);
        for (i, latent) in plan.latents.iter().enumerate() {
            let [_, z] = latent.z;
            let noise = self.rows.span(latent.noise[1], plan.latent);
            self.normal_x.span_mut(latent.noise[1], plan.latent).copy_from_slice(noise);
            forward.sample(i, true, &mut self.normal_x, scratch);
            self.rows.span_mut(z, plan.latent).copy_from_slice(self.normal_x.span(z, plan.latent));
        }
        let mut ln = Vec::new();
        for (j, node) in plan.nodes.iter().enumerate() {
            let (slot, q) = (node.slot(), node.width);
            forward.decode(j, &mut self.rows, scratch);
            self.scale.span_mut(slot, q).copy_from_slice(scratch.scale.span(0, q));
            if let Some(bounds) = &bounds[j] {
                let taken = self.taken.span_mut(slot, q);
                take(forward, (j, bounds), &self.rows, scratch.mean(), taken);
                inherit(forward, (j, bounds), &self.rows, taken, scratch.mean_mut());
            }
            let [.., seen, weight] = node.observed;
            let residual = self.residual.span_mut(slot, q);
            ln.clear();
            for (k, residual) in residual.iter_mut().enumerate() {
                let mean = scratch.mean()[k];
                let known = self.rows.span(weight, q)[k] > 0.0;
                *residual = if known { self.rows.span(seen, q)[k] - mean } else { 0.0 };
                ln.push(mean + *residual);
            }
            forward.set(j, &ln, &mut self.rows);
        }
    }

    /// A draw of every latent from its encoder; where the latencies that it drives are out of the range
    /// the encoder learned on, rather from its prior: an encoder knows as little out there as a decoder
    /// does, and what it makes up would count as the service's own doing.
    fn infer_latents(&mut self, forward: &Forward, scratch: &mut Scratch) {
        let plan = &forward.plan;
        for (i, latent) in plan.latents.iter().enumerate() {
            let [z, prior] = latent.z;
            forward.sample(i, true, &mut self.rows, scratch);
            let drawn = self.rows.span(prior, plan.latent).to_vec();
            self.rows.span_mut(z, plan.latent).copy_from_slice(&drawn);
        }
        let mut strange = vec![[0.0f32; TILE]; plan.latents.len()];
        for (j, node) in plan.nodes.iter().enumerate() {
            let Some(latent) = node.owner.and_then(|e| plan.latent_of[e]) else { continue };
            forward.decode(j, &mut self.rows, scratch);
            for (k, part) in scratch.unmeasured.span(0, node.width).iter().enumerate() {
                let most = &mut strange[latent][k % TILE];
                *most = most.max(*part);
            }
        }
        for (i, (latent, strange)) in plan.latents.iter().zip(&strange).enumerate() {
            let [z, prior] = latent.z;
            forward.sample(i, false, &mut self.rows, scratch);
            let prior = self.rows.span(prior, plan.latent).to_vec();
            let drawn = self.rows.span_mut(z, plan.latent).iter_mut().zip(prior);
            drawn.enumerate().for_each(|(k, (z, prior))| *z += (prior - *z) * strange[k % TILE]);
        }
    }

    /// Log-latencies of node `j` (a row a quantile) in `rows`, with the reset of its owner, if there is
    /// one.
    pub fn answer(
        &self,
        forward: &Forward,
        (j, bounds, own): (usize, Option<&Bounds>, Option<&Reset>),
        scales: &[LatencyScale],
        rows: &mut Rows,
        scratch: &mut Scratch,
        ln: &mut [f32],
    ) {
        let node = &forward.plan.nodes[j];
        let (slot, q) = (node.slot(), node.width);
        forward.decode(j, rows, scratch);
        if let Some(bounds) = bounds {
            inherit(forward, (j, bounds), rows, self.taken.span(slot, q), scratch.mean_mut());
        }
        let (residual, fresh) = (self.residual.span(slot, q), self.fresh.span(slot, q));
        let (before, scale) = (self.scale.span(slot, q), scratch.scale.span(0, q));
        let (own_ms, observed) = (self.own_ms.span(slot, q), self.rows.span(node.observed[2], q));
        for (k, ln) in ln.iter_mut().enumerate() {
            // A residual is so many scales. Far outside the training range the scale is wide,
            // because shares are not known out there; back in the range, what was lack of
            // knowledge must not stay as if it were the service's own time. What does not stay is
            // drawn afresh: it is not known.
            let shrink = (scale[k] / before[k]).min(1.0);
            let drawn = scale[k] * (1.0 - shrink * shrink).sqrt();
            let residual_seen = residual[k];
            let kept = residual_seen * shrink + fresh[k] * drawn;
            let residual = match own {
                Some(reset) => towards(kept, fresh[k] * scale[k], reset.share as f32),
                None => kept,
            };
            *ln = scratch.mean()[k] + residual;
            let stays = own.map_or(1.0, |reset| 1.0 - reset.share as f32);
            let whole = || scratch.mean()[k].exp();
            if own_ms[k] > 0.0 && stays > 0.0 {
                *ln = ln.max((whole() + own_ms[k] * stays).ln().min(observed[k]));
            }
            // What callees take is measured, what metrics do to a latency is guessed: where both together
            // are more than was observed, it was less that the metrics did.
            let over = residual_seen + OVER;
            if bounds.is_some() && over < 0.0 && stays > 0.0 {
                let (whole, usual) = (whole(), scales[k / TILE].ln.centre.exp());
                let less = whole - observed[k].exp() * ((-over).exp() - 1.0) * stays;
                *ln = ln.min(less.max(usual.min(whole)).ln());
            }
        }
    }
}

/// Which part of what its parents can account for is needed to explain node `j`, which was decoded as
/// `mean`: as [`Inherited::of`](super::inherited::Inherited::of), a tile at a time.
fn take(forward: &Forward, (j, bounds): (usize, &Bounds), rows: &Rows, mean: &[f32], taken: &mut [f32]) {
    let node = &forward.plan.nodes[j];
    let mut observed = Rows::new(node.width);
    let observed = observed.span_mut(0, node.width);
    observed.copy_from_slice(rows.span(node.observed[2], node.width));
    forward.exp(observed);
    let mut whole = Rows::new(node.width);
    let whole = whole.span_mut(0, node.width);
    whole.copy_from_slice(mean);
    cut(forward, (j, bounds), rows, whole);
    forward.beyond(j, |k| bounds.room[k], rows, taken);
    for (taken, (observed, whole)) in taken.iter_mut().zip(observed.iter().zip(whole)) {
        *taken = (observed - *whole).max(0.0).min(*taken) / taken.max(1e-6);
    }
}

/// `mean` with what the parents' latencies in `rows` add to it, of which `taken` is needed: as
/// [`Inherited::add`](super::inherited::Inherited::add), a tile at a time.
fn inherit(forward: &Forward, (j, bounds): (usize, &Bounds), rows: &Rows, taken: &[f32], mean: &mut [f32]) {
    let width = forward.plan.nodes[j].width;
    let mut more = Rows::new(width);
    let more = more.span_mut(0, width);
    forward.beyond(j, |k| bounds.room[k], rows, more);
    cut(forward, (j, bounds), rows, mean);
    for (mean, (more, taken)) in mean.iter_mut().zip(more.iter().zip(taken)) {
        *mean += more * taken;
    }
    forward.ln(mean);
}

/// exp(`mean`) without what no call can have added to it.
fn cut(forward: &Forward, (j, bounds): (usize, &Bounds), rows: &Rows, mean: &mut [f32]) {
    let width = forward.plan.nodes[j].width;
    let mut less = Rows::new(width);
    let less = less.span_mut(0, width);
    forward.beyond(j, |k| bounds.surplus[k], rows, less);
    forward.exp(mean);
    mean.iter_mut().zip(less).for_each(|(mean, less)| *mean = (*mean - *less).max(*mean * LEAST as f32));
}

/// Fills `count` rows of all tiles from `first` on with what `draw` gives, the numbers of one row of
/// the world (window and sample) after those of the other.
pub(super) fn scatter(
    tiles: &mut [Seen],
    rows: usize,
    (first, count): (usize, usize),
    of: impl Fn(&mut Seen) -> &mut Rows,
    mut draw: impl FnMut() -> f32,
) {
    for row in 0..rows {
        let to = of(&mut tiles[row / TILE]).span_mut(first, count);
        (0..count).for_each(|i| to[i * TILE + row % TILE] = draw());
    }
}

/// `share` of the way from `from` to `to`.
pub(super) fn towards(from: f32, to: f32, share: f32) -> f32 {
    from * (1.0 - share) + to * share
}
