//! Latents: samples of them, and the divergence of encoder and prior.

use super::super::arch::Kernel;
use super::super::simd::Simd;
use super::super::{Isa, TILE};
use super::{get, put};

/// Limits of the log-variance of a latent.
pub const LN_VAR: (f32, f32) = (-8.0, 4.0);

/// Heads of encoder and prior (2 × latent rows each: mean, log-variance), the prior standard normal
/// if absent, with a row that is 1 where there is a window, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Latents<'a> {
    /// q(Z | X, Y).
    pub posterior: &'a [f32],
    /// p(Z | X).
    pub prior: Option<&'a [f32]>,
    /// [`TILE`] numbers.
    pub live: &'a [f32],
}

impl Latents<'_> {
    fn check(&self) {
        assert!(self.posterior.len().is_multiple_of(2 * TILE) && self.live.len() == TILE);
        assert!(self.prior.is_none_or(|p| p.len() == self.posterior.len()));
    }

    #[inline(always)]
    fn of<S: Simd>(simd: S, head: Option<&[f32]>, at: usize) -> (S::V, S::V) {
        let Some(head) = head else { return (simd.splat(0.0), simd.splat(0.0)) };
        let ln_var = simd.clamp(get(simd, head, head.len() / 2 + at), LN_VAR.0, LN_VAR.1);
        (get(simd, head, at), ln_var)
    }
}

/// mean + exp(½ log-variance) · noise of a head, or of a standard normal without one.
pub fn sample(isa: Isa, head: Option<&[f32]>, noise: &[f32], z: &mut [f32]) {
    assert!(noise.len() == z.len() && z.len().is_multiple_of(TILE));
    assert!(head.is_none_or(|h| h.len() == 2 * z.len()));
    isa.run(Sample { head, noise, z });
}

struct Sample<'a> {
    head: Option<&'a [f32]>,
    noise: &'a [f32],
    z: &'a mut [f32],
}

impl Kernel for Sample<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.z.len()).step_by(S::LANES) {
            let (mean, ln_var) = Latents::of(simd, self.head, at);
            let sd = simd.exp(simd.mul(ln_var, simd.splat(0.5)));
            put(simd, self.z, at, simd.fma(sd, get(simd, self.noise, at), mean));
        }
    }
}

/// Sum of KL(q ‖ p) over dimensions and windows.
pub fn divergence(isa: Isa, latents: &Latents) -> f64 {
    latents.check();
    isa.run(Divergence(latents))
}

struct Divergence<'a>(&'a Latents<'a>);

impl Kernel for Divergence<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let Latents { posterior, prior, live } = *self.0;
        let mut sum = simd.splat(0.0);
        for at in (0..posterior.len() / 2).step_by(S::LANES) {
            let (mean, ln_var) = Latents::of(simd, Some(posterior), at);
            let (prior_mean, prior_ln_var) = Latents::of(simd, prior, at);
            let ratio = simd.sub(ln_var, prior_ln_var);
            let distance = simd.sub(mean, prior_mean);
            let inverse = simd.exp(simd.sub(simd.splat(0.0), prior_ln_var));
            let terms = simd.fma(simd.mul(distance, distance), inverse, simd.exp(ratio));
            let terms = simd.sub(simd.sub(terms, ratio), simd.splat(1.0));
            sum = simd.fma(terms, get(simd, live, at % TILE), sum);
        }
        0.5 * f64::from(simd.sum(sum))
    }
}

/// Gradients of both heads: of [`divergence`] times `factor`, and of the samples, whose own gradients
/// `of_posterior` and `of_prior` are (latent rows each), drawn with the noises.
pub fn latents_backward(
    isa: Isa,
    latents: &Latents,
    factor: f32,
    (of_posterior, noise): (&[f32], &[f32]),
    prior: Option<(&[f32], &[f32])>,
    to_posterior: &mut [f32],
    to_prior: &mut [f32],
) {
    latents.check();
    let n = latents.posterior.len();
    assert!(2 * of_posterior.len() == n && 2 * noise.len() == n && to_posterior.len() >= n);
    assert!(prior.is_none_or(|(g, e)| 2 * g.len() == n && 2 * e.len() == n));
    assert!(latents.prior.is_none() || to_prior.len() >= n);
    isa.run(LatentsBackward { latents, factor, of_posterior, noise, prior, to_posterior, to_prior });
}

struct LatentsBackward<'a> {
    latents: &'a Latents<'a>,
    factor: f32,
    of_posterior: &'a [f32],
    noise: &'a [f32],
    prior: Option<(&'a [f32], &'a [f32])>,
    to_posterior: &'a mut [f32],
    to_prior: &'a mut [f32],
}

/// By mean and log-variance: `kl` plus what comes through the sample; the log-variance's only within
/// its limits.
#[inline(always)]
fn through_sample<S: Simd>(
    simd: S,
    head: &[f32],
    at: usize,
    kl: (S::V, S::V),
    g: S::V,
    noise: S::V,
) -> (S::V, S::V) {
    let (_, ln_var) = Latents::of(simd, Some(head), at);
    let half = simd.mul(simd.exp(simd.mul(ln_var, simd.splat(0.5))), simd.splat(0.5));
    let by_ln_var = simd.fma(g, simd.mul(half, noise), kl.1);
    let raw = get(simd, head, head.len() / 2 + at);
    (simd.add(kl.0, g), simd.within(raw, LN_VAR.0, LN_VAR.1, by_ln_var))
}

impl Kernel for LatentsBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Latents { posterior, prior, live } = *self.latents;
        let n = posterior.len() / 2;
        let (zero, half) = (simd.splat(0.0), simd.splat(0.5));
        for at in (0..n).step_by(S::LANES) {
            let (mean, ln_var) = Latents::of(simd, Some(posterior), at);
            let (prior_mean, prior_ln_var) = Latents::of(simd, prior, at);
            let weight = simd.mul(get(simd, live, at % TILE), simd.splat(self.factor));
            let ratio = simd.exp(simd.sub(ln_var, prior_ln_var));
            let distance = simd.sub(mean, prior_mean);
            let inverse = simd.exp(simd.sub(zero, prior_ln_var));
            let pull = simd.mul(simd.mul(distance, inverse), weight);
            let spread = simd.mul(simd.mul(simd.sub(ratio, simd.splat(1.0)), half), weight);
            let g = get(simd, self.of_posterior, at);
            let (by_mean, by_ln_var) =
                through_sample(simd, posterior, at, (pull, spread), g, get(simd, self.noise, at));
            put(simd, self.to_posterior, at, by_mean);
            put(simd, self.to_posterior, n + at, by_ln_var);
            if let Some(head) = prior {
                // ½ (1 − ratio − distance² / variance)
                let spread = simd.fma(simd.mul(distance, pull), half, spread);
                let (g, noise) = match self.prior {
                    Some((g, noise)) => (get(simd, g, at), get(simd, noise, at)),
                    None => (zero, zero),
                };
                let kl = (simd.sub(zero, pull), simd.sub(zero, spread));
                let (by_mean, by_ln_var) = through_sample(simd, head, at, kl, g, noise);
                put(simd, self.to_prior, at, by_mean);
                put(simd, self.to_prior, n + at, by_ln_var);
            }
        }
    }
}
