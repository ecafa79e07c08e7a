//! AVX-512: sixteen lanes, thirty-two registers. Needs the foundation (`avx512f`) only.

#![allow(clippy::undocumented_unsafe_blocks, reason = "all for the one reason given below")]

use std::arch::x86_64::*;

use super::super::simd::Simd;
use super::Kernel;

/// Made only in [`run`].
#[derive(Clone, Copy)]
pub struct Avx512(());

/// # Safety
/// The CPU has AVX-512F.
#[target_feature(enable = "avx512f")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

/// First `n` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

// SAFETY of all `unsafe` blocks below: an `Avx512` exists only inside `run`, so the CPU has the
// instructions; what is said about pointers is the caller's promise, passed on.
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const BLOCK: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn add_first(self, p: *mut f32, n: usize, v: __m512) {
        // Masked lanes are neither read nor written.
        unsafe {
            let mask = first(n);
            _mm512_mask_storeu_ps(p, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, p), v));
        }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn within(self, x: __m512, low: f32, high: f32, v: __m512) -> __m512 {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_set1_ps(low), x);
            let inside = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, x, _mm512_set1_ps(high));
            _mm512_maskz_mov_ps(inside, v)
        }
    }

    #[inline(always)]
    fn unless_negative(self, x: __m512, v: __m512) -> __m512 {
        unsafe {
            let sign = _mm512_srai_epi32::<31>(_mm512_castps_si512(x));
            _mm512_castsi512_ps(_mm512_andnot_si512(sign, _mm512_castps_si512(v)))
        }
    }

    #[inline(always)]
    fn power_of_two(self, x: __m512) -> (__m512, __m512) {
        unsafe {
            let whole = _mm512_cvtps_epi32(x);
            let bits = _mm512_slli_epi32::<23>(_mm512_add_epi32(whole, _mm512_set1_epi32(127)));
            (_mm512_castsi512_ps(bits), _mm512_cvtepi32_ps(whole))
        }
    }

    #[inline(always)]
    fn mantissa_exponent(self, x: __m512) -> (__m512, __m512) {
        unsafe {
            let bits = _mm512_castps_si512(x);
            let e = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x3f35_04f3)));
            let m = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(e));
            (_mm512_castsi512_ps(m), _mm512_cvtepi32_ps(e))
        }
    }

    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(v) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm512_loadu_ps(from.add(i * from_stride));
            }
            // 2×2 blocks, then 4×4 within each quarter of a register, then the quarters.
            let mut s = r;
            for i in 0..8 {
                s[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                s[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            let pd = |v| _mm512_castps_pd(v);
            for i in 0..4 {
                let [a, b, c, d] = [s[4 * i], s[4 * i + 1], s[4 * i + 2], s[4 * i + 3]];
                r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(a), pd(c)));
                r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(a), pd(c)));
                r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(b), pd(d)));
                r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(b), pd(d)));
            }
            for i in 0..4 {
                let low = _mm512_shuffle_f32x4::<0x88>(r[i], r[4 + i]);
                let high = _mm512_shuffle_f32x4::<0xdd>(r[i], r[4 + i]);
                let low2 = _mm512_shuffle_f32x4::<0x88>(r[8 + i], r[12 + i]);
                let high2 = _mm512_shuffle_f32x4::<0xdd>(r[8 + i], r[12 + i]);
                s[i] = _mm512_shuffle_f32x4::<0x88>(low, low2);
                s[8 + i] = _mm512_shuffle_f32x4::<0xdd>(low, low2);
                s[4 + i] = _mm512_shuffle_f32x4::<0x88>(high, high2);
                s[12 + i] = _mm512_shuffle_f32x4::<0xdd>(high, high2);
            }
            for (i, s) in s.iter().enumerate() {
                _mm512_storeu_ps(to.add(i * to_stride), *s);
            }
        }
    }
}
