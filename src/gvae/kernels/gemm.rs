//! The one inner loop: C (M × a few vectors) = C + A (M × K scalars) · B (K × a few vectors).
//!
//! All three products of a layer have this form. Forward, A is a transposed weight matrix and B the
//! inputs, SIMD over windows; backward to the inputs, A is the weight matrix and B the deltas, SIMD
//! over windows again; for the gradient of the weights, A is the inputs and B the transposed deltas,
//! SIMD over outputs, the sum being over windows.

use super::TILE;
use super::simd::Simd;

/// Vectors in a row of accumulators: as many as make a tile with AVX-512.
pub const WIDE: usize = 3;

/// `acc[i][v] + Σ_k a[i][k·step] · b(k)[v]`, with `k` terms.
///
/// # Safety
/// For all k < `k`: `a[i] + k·step` is valid for reading one number, `b(k)` for N vectors.
#[inline(always)]
pub unsafe fn block<S: Simd, const M: usize, const N: usize>(
    simd: S,
    k: usize,
    a: [*const f32; M],
    step: usize,
    b: impl Fn(usize) -> *const f32,
    mut acc: [[S::V; N]; M],
) -> [[S::V; N]; M] {
    for k in 0..k {
        // SAFETY: the caller's promise.
        unsafe {
            let row = b(k);
            let mut columns = [simd.splat(0.0); N];
            for v in 0..N {
                columns[v] = simd.load(row.add(v * S::LANES));
            }
            for i in 0..M {
                let scalar = simd.splat(*a[i].add(k * step));
                for v in 0..N {
                    acc[i][v] = simd.fma(scalar, columns[v], acc[i][v]);
                }
            }
        }
    }
    acc
}

/// Work on blocks of rows.
pub trait Blocks {
    /// Does rows `first .. first + M`.
    fn block<const M: usize>(&mut self, first: usize);
}

/// Covers `total` rows with blocks as large as the registers allow.
#[inline(always)]
pub fn in_blocks<S: Simd>(total: usize, work: &mut impl Blocks) {
    let mut first = 0;
    if S::BLOCK >= 8 {
        while total - first >= 8 {
            work.block::<8>(first);
            first += 8;
        }
    }
    while total - first >= 4 {
        work.block::<4>(first);
        first += 4;
    }
    if total - first >= 2 {
        work.block::<2>(first);
        first += 2;
    }
    if total > first {
        work.block::<1>(first);
    }
}

/// Offsets of the column groups of a tile, [`WIDE`] vectors each.
#[inline(always)]
pub fn column_groups<S: Simd>() -> impl Iterator<Item = usize> {
    const { assert!(TILE.is_multiple_of(WIDE * S::LANES)) };
    (0..TILE).step_by(WIDE * S::LANES)
}

/// Transposes `width` rows of [`TILE`] numbers into [`TILE`] rows of `stride` numbers.
///
/// # Safety
/// With `width` rounded up to whole vectors, `from` is valid for reading that many rows; `stride` is at
/// least that; `to` is valid for writing [`TILE`] rows of `stride` numbers, and apart from `from`.
#[inline(always)]
pub unsafe fn transpose<S: Simd>(simd: S, from: *const f32, width: usize, to: *mut f32, stride: usize) {
    for i in (0..width).step_by(S::LANES) {
        for j in (0..TILE).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe { simd.transpose(from.add(i * TILE + j), TILE, to.add(j * stride + i), stride) }
        }
    }
}
