//! AVX2 with FMA: eight lanes, sixteen registers.

#![allow(clippy::undocumented_unsafe_blocks, reason = "all for the one reason given below")]

use std::arch::x86_64::*;

use super::super::simd::Simd;
use super::Kernel;

/// Made only in [`run`].
#[derive(Clone, Copy)]
pub struct Avx2(());

/// # Safety
/// The CPU has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

// SAFETY of all `unsafe` blocks below: an `Avx2` exists only inside `run`, so the CPU has the
// instructions; what is said about pointers is the caller's promise, passed on.
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const BLOCK: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn add_first(self, p: *mut f32, n: usize, v: __m256) {
        // Masked lanes are neither read nor written.
        unsafe {
            let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lane);
            _mm256_maskstore_ps(p, mask, _mm256_add_ps(_mm256_maskload_ps(p, mask), v));
        }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn within(self, x: __m256, low: f32, high: f32, v: __m256) -> __m256 {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_LT_OQ>(_mm256_set1_ps(low), x);
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_set1_ps(high));
            _mm256_and_ps(_mm256_and_ps(above, below), v)
        }
    }

    #[inline(always)]
    fn unless_negative(self, x: __m256, v: __m256) -> __m256 {
        unsafe {
            let sign = _mm256_srai_epi32::<31>(_mm256_castps_si256(x));
            _mm256_andnot_ps(_mm256_castsi256_ps(sign), v)
        }
    }

    #[inline(always)]
    fn power_of_two(self, x: __m256) -> (__m256, __m256) {
        unsafe {
            let whole = _mm256_cvtps_epi32(x);
            let bits = _mm256_slli_epi32::<23>(_mm256_add_epi32(whole, _mm256_set1_epi32(127)));
            (_mm256_castsi256_ps(bits), _mm256_cvtepi32_ps(whole))
        }
    }

    #[inline(always)]
    fn mantissa_exponent(self, x: __m256) -> (__m256, __m256) {
        unsafe {
            let bits = _mm256_castps_si256(x);
            let e = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3f35_04f3)));
            let m = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(e));
            (_mm256_castsi256_ps(m), _mm256_cvtepi32_ps(e))
        }
    }

    #[inline(always)]
    fn sum(self, v: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm256_loadu_ps(from.add(i * from_stride));
            }
            // 2×2 blocks, then 4×4 within each half of a register, then the halves.
            let mut s = r;
            for i in 0..4 {
                s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..2 {
                let [a, b, c, d] = [s[4 * i], s[4 * i + 1], s[4 * i + 2], s[4 * i + 3]];
                r[4 * i] = _mm256_shuffle_ps::<0x44>(a, c);
                r[4 * i + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                r[4 * i + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                r[4 * i + 3] = _mm256_shuffle_ps::<0xee>(b, d);
            }
            for i in 0..4 {
                let low = _mm256_permute2f128_ps::<0x20>(r[i], r[4 + i]);
                let high = _mm256_permute2f128_ps::<0x31>(r[i], r[4 + i]);
                _mm256_storeu_ps(to.add(i * to_stride), low);
                _mm256_storeu_ps(to.add((4 + i) * to_stride), high);
            }
        }
    }
}
