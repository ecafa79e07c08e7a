//! What is inferred about the diagnosed windows, and how a latency follows from it once something is
//! set to normal: the arithmetic of [`counterfactual`](super::counterfactual), a tile at a time.

use super::counterfactual::Reset;
use crate::gvae::fast::{Forward, Scratch};
use crate::gvae::kernels::{Rows, TILE};

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
    /// Which part of that rested on what was never measured.
    pub unmeasured: Rows,
    /// Residuals of ordinary times in units of the scale, drawn from the likelihood.
    pub fresh: Rows,
}

impl Seen {
    /// Abduction: latents from their encoders and, for ordinary times, from their priors; what the
    /// decoders leave unexplained.
    pub fn infer(&mut self, forward: &Forward, scratch: &mut Scratch) {
        let plan = &forward.plan;
        for (i, latent) in plan.latents.iter().enumerate() {
            forward.sample(i, false, &mut self.rows, scratch);
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
            self.unmeasured.span_mut(slot, q).copy_from_slice(scratch.unmeasured.span(0, q));
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

    /// Log-latencies of node `j` (a row a quantile) in `rows`, with the reset of its owner and the
    /// owner's latent, if there are any.
    pub fn answer(
        &self,
        forward: &Forward,
        (j, own, latent): (usize, Option<&Reset>, Option<usize>),
        rows: &mut Rows,
        scratch: &mut Scratch,
        ln: &mut [f32],
    ) {
        let (node, latents) = (&forward.plan.nodes[j], &forward.plan.latents);
        let (slot, q) = (node.slot(), node.width);
        forward.decode(j, rows, scratch);
        if let (Some(latent), None) = (latent, own) {
            // Its latent was inferred while its parents were slower than ever: what the model
            // could not know of their share, the latent had to explain. That part goes with them.
            let mut gone = [0.0f32; TILE];
            let pairs = self.unmeasured.span(slot, q).iter().zip(scratch.unmeasured.span(0, q));
            for (k, (before, now)) in pairs.enumerate() {
                gone[k % TILE] += (before - now).max(0.0) / q as f32;
            }
            if gone.iter().any(|g| *g > 0.0) {
                let ([z, normal], size) = (latents[latent].z, forward.plan.latent);
                let normal = self.rows.span(normal, size);
                let eased = rows.span_mut(z, size).iter_mut().zip(normal);
                eased.enumerate().for_each(|(k, (z, normal))| *z += (normal - *z) * gone[k % TILE]);
                forward.decode(j, rows, scratch);
                rows.span_mut(z, size).copy_from_slice(self.rows.span(z, size));
            }
        }
        let (residual, fresh) = (self.residual.span(slot, q), self.fresh.span(slot, q));
        let (before, scale) = (self.scale.span(slot, q), scratch.scale.span(0, q));
        for (k, ln) in ln.iter_mut().enumerate() {
            // A residual is so many scales. Far outside the training range the scale is wide,
            // because shares are not known out there; back in the range, what was lack of
            // knowledge must not stay as if it were the service's own time. What does not stay is
            // drawn afresh: it is not known.
            let shrink = (scale[k] / before[k]).min(1.0);
            let drawn = scale[k] * (1.0 - shrink * shrink).sqrt();
            let kept = residual[k] * shrink + fresh[k] * drawn;
            let residual = match own {
                Some(reset) => towards(kept, fresh[k] * scale[k], reset.share as f32),
                None => kept,
            };
            *ln = scratch.mean()[k] + residual;
        }
    }
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
