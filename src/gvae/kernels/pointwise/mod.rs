//! What happens between the networks, window by window: latents and their divergence, and what a
//! decoder's head says about a latency, forward and backward.
//!
//! Formulas are those of `gvae/model.rs` and `gvae/loss.rs`.

mod decoder;
mod latent;

pub use decoder::{Decoder, decode, decode_backward, likelihood};
pub use latent::{Latents, divergence, latents_backward, sample};

use super::TILE;
use super::simd::Simd;

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
