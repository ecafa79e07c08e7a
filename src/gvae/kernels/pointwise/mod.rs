//! What happens between the networks, window by window: latents and their divergence, and what a
//! decoder's head says about a latency, forward and backward.
//!
//! Formulas are those of `gvae/model.rs` and `gvae/loss.rs`.

mod decoder;
mod latent;

pub use decoder::{Decoder, decode, decode_backward, likelihood};
pub use latent::{Latents, divergence, latents_backward, sample};

use super::arch::Kernel;
use super::simd::Simd;
use super::{Isa, TILE};

/// Calls `f` with the offset of every vector of a tile's row.
#[inline(always)]
fn vectors<S: Simd>(mut f: impl FnMut(usize)) {
    for at in (0..TILE).step_by(S::LANES) {
        f(at);
    }
}

/// Reads a vector.
#[inline(always)]
fn get<S: Simd>(simd: S, from: &[f32], at: usize) -> S::V {
    let lanes = &from[at..at + S::LANES];
    // SAFETY: a slice of that many numbers.
    unsafe { simd.load(lanes.as_ptr()) }
}

/// Writes a vector.
#[inline(always)]
fn put<S: Simd>(simd: S, to: &mut [f32], at: usize, v: S::V) {
    let lanes = &mut to[at..at + S::LANES];
    // SAFETY: a slice of that many numbers.
    unsafe { simd.store(lanes.as_mut_ptr(), v) }
}

/// e^x of all of them, rows of tiles; see `Simd::exp` for its error.
pub fn exp(isa: Isa, numbers: &mut [f32]) {
    isa.run(Each::<true>::of(numbers));
}

/// ln x of all of them, rows of tiles; see `Simd::ln` for its error.
pub fn ln(isa: Isa, numbers: &mut [f32]) {
    isa.run(Each::<false>::of(numbers));
}

struct Each<'a, const EXP: bool>(&'a mut [f32]);

impl<'a, const EXP: bool> Each<'a, EXP> {
    fn of(numbers: &'a mut [f32]) -> Self {
        assert!(numbers.len().is_multiple_of(TILE));
        Self(numbers)
    }
}

impl<const EXP: bool> Kernel for Each<'_, EXP> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.0.len()).step_by(S::LANES) {
            let x = get(simd, self.0, at);
            put(simd, self.0, at, if EXP { simd.exp(x) } else { simd.ln(x) });
        }
    }
}
