//! Small-matrix kernels of the fast path, for AVX-512, AVX2+FMA, NEON (not yet tried) and any other CPU.
//!
//! Everything works on *tiles*: [`TILE`] windows side by side, one contiguous row of [`TILE`] numbers
//! for each quantity (structure of arrays). So SIMD runs over windows, no width of any network is
//! special, and nothing is gathered.
//!
//! This module knows nothing of the model and imports nothing of the crate. It is the only place
//! with `unsafe` code, of three kinds:
//!
//! * intrinsics and `#[target_feature]` functions, reachable only through `Isa::run`, which checks
//!   that the CPU has the instructions;
//! * pointers in the inner loops, all derived from slices whose lengths the safe functions in
//!   [`mlp`] and [`pointwise`] check on entry;
//! * the cast of aligned blocks to numbers in [`rows`].

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop, reason = "an index says which accumulator, in several arrays at once")]

mod arch;
mod gemm;
pub mod mlp;
pub mod pointwise;
pub mod rows;
mod simd;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use arch::Isa;
pub use rows::Rows;

/// Windows in a tile: three AVX-512 registers, six of AVX2, twelve of NEON.
pub const TILE: usize = 48;
