//! Vectors of four in plain Rust, for CPUs without a version of their own and as the reference.

use super::super::simd::Simd;
use super::Kernel;

/// Needs nothing of the CPU.
#[derive(Clone, Copy)]
pub struct Portable;

pub fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

const LANES: usize = 4;
type V = [f32; LANES];

#[inline(always)]
fn each(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type V = V;
    const LANES: usize = LANES;
    const BLOCK: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        // SAFETY: the caller's promise; an array of numbers needs no more alignment than a number.
        unsafe { *p.cast::<V>() }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: the caller's promise.
        unsafe { *p.cast::<V>() = v }
    }

    #[inline(always)]
    unsafe fn add_first(self, p: *mut f32, n: usize, v: V) {
        for (i, x) in v.into_iter().enumerate().take(n) {
            // SAFETY: i < n, the caller's promise.
            unsafe { *p.add(i) += x }
        }
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        // Rounded twice: without the instruction, `mul_add` is a slow function of the C library.
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn within(self, x: V, low: f32, high: f32, v: V) -> V {
        each(x, v, |x, v| if low < x && x < high { v } else { 0.0 })
    }

    #[inline(always)]
    fn unless_negative(self, x: V, v: V) -> V {
        each(x, v, |x, v| if x.is_sign_negative() { 0.0 } else { v })
    }

    #[inline(always)]
    fn power_of_two(self, x: V) -> (V, V) {
        // Adding and taking away 1.5·2^23 rounds to a whole number.
        const SHIFT: f32 = 12_582_912.0;
        let n = x.map(|x| (x + SHIFT) - SHIFT);
        (n.map(|n| f32::from_bits(((n as i32 + 127) << 23) as u32)), n)
    }

    #[inline(always)]
    fn mantissa_exponent(self, x: V) -> (V, V) {
        // √½ as bits: subtracting it carries into the exponent exactly where m would be ≥ √2.
        const HALF_ROOT: i32 = 0x3f35_04f3;
        let e = x.map(|x| (x.to_bits() as i32).wrapping_sub(HALF_ROOT) >> 23);
        let m = [0, 1, 2, 3].map(|i| f32::from_bits((x[i].to_bits() as i32).wrapping_sub(e[i] << 23) as u32));
        (m, e.map(|e| e as f32))
    }

    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        (v[0] + v[1]) + (v[2] + v[3])
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..LANES {
            for j in 0..LANES {
                // SAFETY: i, j < LANES, the caller's promise.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) }
            }
        }
    }
}
