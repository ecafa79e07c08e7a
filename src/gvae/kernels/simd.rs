//! What the kernels need of a CPU's vectors, and exp and ln made of it.

/// Vectors of single-precision numbers of one instruction set.
///
/// A value of the type is the proof that the CPU has the instructions: it is made only after asking.
/// Operations are lane by lane; `min`, `max` and the comparisons let a NaN in the *second* operand
/// through, so that a number that is none is never clamped into one.
pub trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a block of accumulators that still fits into the registers, three vectors each.
    const BLOCK: usize;

    /// The same number in all lanes.
    fn splat(self, x: f32) -> Self::V;
    /// # Safety
    /// `p` is valid for reading [`Self::LANES`] numbers.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `p` is valid for writing [`Self::LANES`] numbers.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Adds the first `n` lanes to memory.
    ///
    /// # Safety
    /// `p` is valid for reading and writing `n` ≤ [`Self::LANES`] numbers.
    unsafe fn add_first(self, p: *mut f32, n: usize, v: Self::V);
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once where the CPU can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller one; `b` if either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger one; `b` if either is NaN, or if both are zeros.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `v` where `low < x < high`, else 0.
    fn within(self, x: Self::V, low: f32, high: f32, v: Self::V) -> Self::V;
    /// `v` where the sign bit of `x` is not set, else 0.
    fn unless_negative(self, x: Self::V, v: Self::V) -> Self::V;
    /// 2^round(x), and round(x), for −126.5 < x < 127.5.
    fn power_of_two(self, x: Self::V) -> (Self::V, Self::V);
    /// Mantissa in [√½, √2) and exponent of a positive normal number.
    fn mantissa_exponent(self, x: Self::V) -> (Self::V, Self::V);
    /// Sum over the lanes, always in the same order.
    fn sum(self, v: Self::V) -> f32;
    /// Transposes a block of [`Self::LANES`]² numbers.
    ///
    /// # Safety
    /// `from` is valid for reading, `to` for writing, that many rows of as many numbers, their
    /// beginnings `from_stride` and `to_stride` numbers apart; the two do not overlap.
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);

    /// max(x, 0), negative zero where x was negative: [`Self::unless_negative`] of the result tells
    /// where the gradient passes, at exactly 0 as well.
    #[inline(always)]
    fn relu(self, x: Self::V) -> Self::V {
        self.max(self.splat(-0.0), x)
    }

    /// Between `low` and `high`; NaN stays.
    #[inline(always)]
    fn clamp(self, x: Self::V, low: f32, high: f32) -> Self::V {
        self.min(self.splat(high), self.max(self.splat(low), x))
    }

    /// e^x within 2e-7 relative for −87 ≤ x ≤ 88, saturating beyond.
    ///
    /// x = n ln 2 + r with |r| ≤ ½ ln 2, ln 2 in two parts so that r is exact; e^r by its Taylor
    /// polynomial of degree 7, whose remainder there is below 6e-9.
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        let x = self.clamp(x, -87.0, 88.0);
        let (power, n) = self.power_of_two(self.mul(x, self.splat(std::f32::consts::LOG2_E)));
        let r = self.fma(n, self.splat(-355.0 / 512.0), x);
        let r = self.fma(n, self.splat(2.121_944_4e-4), r);
        let mut p = self.splat(1.0 / 5040.0);
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = self.fma(p, r, self.splat(c));
        }
        self.mul(p, power)
    }

    /// ln x within 2e-7 (relative, or absolute where |ln x| < 1) for positive normal x; NaN for what
    /// is not finite.
    ///
    /// x = m·2^e; with s = (m − 1)/(m + 1), ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …), |s| ≤ 0.172:
    /// what is left out after s⁹ is below 1e-9.
    #[inline(always)]
    fn ln(self, x: Self::V) -> Self::V {
        let (m, e) = self.mantissa_exponent(x);
        let one = self.splat(1.0);
        // m − 1 is exact.
        let f = self.sub(m, one);
        let s = self.div(f, self.add(m, one));
        let s2 = self.mul(s, s);
        let mut p = self.splat(2.0 / 9.0);
        for c in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0] {
            p = self.fma(p, s2, self.splat(c));
        }
        // 2s = f − s·f exactly, which keeps the leading term free of the division's rounding.
        let tail = self.fma(self.mul(p, s2), s, self.mul(e, self.splat(-2.121_944_4e-4)));
        let small = self.sub(tail, self.mul(s, f));
        let ln = self.fma(e, self.splat(355.0 / 512.0), self.add(f, small));
        // x − x is 0, or NaN where x is not finite.
        self.add(ln, self.sub(x, x))
    }
}
