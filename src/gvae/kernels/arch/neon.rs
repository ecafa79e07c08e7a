//! NEON: four lanes, thirty-two registers.

#![allow(clippy::undocumented_unsafe_blocks, reason = "all for the one reason given below")]

use std::arch::aarch64::*;

use super::super::simd::Simd;
use super::Kernel;

/// Made only in [`run`].
#[derive(Clone, Copy)]
pub struct Neon(());

/// # Safety
/// The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

// SAFETY of all `unsafe` blocks below: a `Neon` exists only inside `run`, so the CPU has the
// instructions; what is said about pointers is the caller's promise, passed on.
impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const BLOCK: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(p, v) }
    }

    #[inline(always)]
    unsafe fn add_first(self, p: *mut f32, n: usize, v: float32x4_t) {
        unsafe {
            let mut lanes = [0.0; 4];
            vst1q_f32(lanes.as_mut_ptr(), v);
            for (i, x) in lanes.into_iter().enumerate().take(n) {
                *p.add(i) += x;
            }
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn within(self, x: float32x4_t, low: f32, high: f32, v: float32x4_t) -> float32x4_t {
        unsafe {
            let inside = vandq_u32(vcltq_f32(vdupq_n_f32(low), x), vcltq_f32(x, vdupq_n_f32(high)));
            vreinterpretq_f32_u32(vandq_u32(inside, vreinterpretq_u32_f32(v)))
        }
    }

    #[inline(always)]
    fn unless_negative(self, x: float32x4_t, v: float32x4_t) -> float32x4_t {
        unsafe {
            let sign = vreinterpretq_u32_s32(vshrq_n_s32::<31>(vreinterpretq_s32_f32(x)));
            vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), sign))
        }
    }

    #[inline(always)]
    fn power_of_two(self, x: float32x4_t) -> (float32x4_t, float32x4_t) {
        unsafe {
            let whole = vcvtnq_s32_f32(x);
            let bits = vshlq_n_s32::<23>(vaddq_s32(whole, vdupq_n_s32(127)));
            (vreinterpretq_f32_s32(bits), vcvtq_f32_s32(whole))
        }
    }

    #[inline(always)]
    fn mantissa_exponent(self, x: float32x4_t) -> (float32x4_t, float32x4_t) {
        unsafe {
            let bits = vreinterpretq_s32_f32(x);
            let e = vshrq_n_s32::<23>(vsubq_s32(bits, vdupq_n_s32(0x3f35_04f3)));
            let m = vsubq_s32(bits, vshlq_n_s32::<23>(e));
            (vreinterpretq_f32_s32(m), vcvtq_f32_s32(e))
        }
    }

    #[inline(always)]
    fn sum(self, v: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(v) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            let r = [0, 1, 2, 3].map(|i| vld1q_f32(from.add(i * from_stride)));
            let wide = |v| vreinterpretq_f64_f32(v);
            let (a, b) = (wide(vtrn1q_f32(r[0], r[1])), wide(vtrn2q_f32(r[0], r[1])));
            let (c, d) = (wide(vtrn1q_f32(r[2], r[3])), wide(vtrn2q_f32(r[2], r[3])));
            let columns = [vtrn1q_f64(a, c), vtrn1q_f64(b, d), vtrn2q_f64(a, c), vtrn2q_f64(b, d)];
            for (i, column) in columns.into_iter().enumerate() {
                vst1q_f32(to.add(i * to_stride), vreinterpretq_f32_f64(column));
            }
        }
    }
}
