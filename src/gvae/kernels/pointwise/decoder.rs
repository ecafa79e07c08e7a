//! Decoders: from a head to a latency and its likelihood, and back.

use super::super::arch::Kernel;
use super::super::simd::Simd;
use super::super::{Isa, Rows, TILE};
use super::{get, put, vectors};

/// Constants of a decoder, all numbers in the order of its quantiles.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    /// Usual own time as a logarithm; `None` for the sum of the parents.
    pub base: Option<&'a [f32]>,
    /// Offset of the latency, milliseconds.
    pub offset: &'a [f32],
    /// Centre and inverse scale of the log-latency, clip of the standardised one.
    pub standard: (&'a [f32], &'a [f32], f32),
    /// Per parent and quantile: the row of the tile with the parent's milliseconds.
    pub parents: &'a [u32],
    /// Per parent and quantile: the non-negative share; empty for a sum.
    pub share: &'a [f32],
    /// Limit of the head's own-time output, either way.
    pub own_range: f32,
    /// Start and limits of the log-scale.
    pub ln_scale: (f32, f32, f32),
}

impl Decoder<'_> {
    /// Number of quantiles.
    pub fn width(&self) -> usize {
        self.offset.len()
    }

    /// Rows that [`decode`] fills: own time (or factor), total, location, log-scale.
    pub fn rows(width: usize) -> usize {
        4 * width
    }

    fn check(&self, head: &[f32], rows: usize) {
        let q = self.width();
        assert_eq!(head.len(), 2 * q * TILE);
        assert!(self.base.is_none_or(|b| b.len() == q && self.share.len() == self.parents.len()));
        assert!(self.standard.0.len() == q && self.standard.1.len() == q);
        assert!(self.parents.len().is_multiple_of(q.max(1)));
        assert!(self.parents.iter().all(|r| (*r as usize) < rows));
    }
}

/// Fills `out` ([`Decoder::rows`] rows) from the decoder's `head` (2 × width rows) and its parents'
/// milliseconds in `rows`. If `free` names rows, the decoded latency is written there for its
/// children: standardised and clipped from the first on, milliseconds from the second on.
pub fn decode(
    isa: Isa,
    decoder: &Decoder,
    head: &[f32],
    rows: &mut Rows,
    free: Option<(usize, usize)>,
    out: &mut [f32],
) {
    decoder.check(head, rows.numbers().len() / TILE);
    assert_eq!(out.len(), Decoder::rows(decoder.width()) * TILE);
    isa.run(Decode { decoder, head, tile: rows.numbers_mut(), free, out });
}

struct Decode<'a> {
    decoder: &'a Decoder<'a>,
    head: &'a [f32],
    tile: &'a mut [f32],
    free: Option<(usize, usize)>,
    out: &'a mut [f32],
}

impl Kernel for Decode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { decoder: d, head, tile, free, out } = self;
        let q = d.width();
        let (start, low, high) = d.ln_scale;
        for i in 0..q {
            let offset = simd.splat(d.offset[i]);
            vectors::<S>(|v| {
                let own = simd.clamp(get(simd, head, i * TILE + v), -d.own_range, d.own_range);
                let mut inherited = simd.splat(0.0);
                for (k, row) in d.parents.iter().enumerate().skip(i).step_by(q) {
                    let ms = get(simd, tile, *row as usize * TILE + v);
                    inherited = match d.base {
                        None => simd.add(inherited, ms),
                        Some(_) => simd.fma(simd.splat(d.share[k]), ms, inherited),
                    };
                }
                let (own, total) = match d.base {
                    None => {
                        let factor = simd.exp(own);
                        (factor, simd.mul(inherited, factor))
                    }
                    Some(base) => {
                        let own = simd.exp(simd.add(own, simd.splat(base[i])));
                        (own, simd.add(own, inherited))
                    }
                };
                let mean = simd.ln(simd.add(total, offset));
                let ln_scale = simd.add(get(simd, head, (q + i) * TILE + v), simd.splat(start));
                put(simd, out, i * TILE + v, own);
                put(simd, out, (q + i) * TILE + v, total);
                put(simd, out, (2 * q + i) * TILE + v, mean);
                put(simd, out, (3 * q + i) * TILE + v, simd.clamp(ln_scale, low, high));
                if let Some((standard, ms)) = free {
                    let (centre, inverse, clip) = (d.standard.0[i], d.standard.1[i], d.standard.2);
                    let distance = simd.mul(simd.sub(mean, simd.splat(centre)), simd.splat(inverse));
                    put(simd, tile, (standard + i) * TILE + v, simd.clamp(distance, -clip, clip));
                    put(simd, tile, (ms + i) * TILE + v, simd.max(simd.splat(0.0), total));
                }
            });
        }
    }
}

/// Weighted negative log-likelihood of the latencies `seen` under what [`decode`] gave: Student-t with
/// `nu` degrees of freedom without its constant. Adds up all windows; `slopes` (2 × width rows) gets
/// its derivatives by location and log-scale times `factor`.
pub fn likelihood(
    isa: Isa,
    decoded: &[f32],
    (seen, weight): (&[f32], &[f32]),
    (nu, factor): (f32, f32),
    slopes: &mut [f32],
) -> f64 {
    let n = seen.len();
    assert!(weight.len() == n && decoded.len() == 4 * n && slopes.len() == 2 * n);
    assert!(n.is_multiple_of(TILE));
    isa.run(Likelihood { decoded, seen, weight, nu, factor, slopes })
}

struct Likelihood<'a> {
    decoded: &'a [f32],
    seen: &'a [f32],
    weight: &'a [f32],
    nu: f32,
    factor: f32,
    slopes: &'a mut [f32],
}

impl Kernel for Likelihood<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let Self { decoded, seen, weight, nu, factor, slopes } = self;
        let n = seen.len();
        let (one, half) = (simd.splat(1.0), simd.splat((nu + 1.0) / 2.0));
        let mut sum = simd.splat(0.0);
        for at in (0..n).step_by(S::LANES) {
            let (mean, ln_scale) = (get(simd, decoded, 2 * n + at), get(simd, decoded, 3 * n + at));
            let inverse = simd.exp(simd.sub(simd.splat(0.0), ln_scale));
            let r = simd.mul(simd.sub(get(simd, seen, at), mean), inverse);
            let u = simd.fma(simd.mul(r, r), simd.splat(1.0 / nu), one);
            let nll = simd.fma(simd.ln(u), half, ln_scale);
            let w = get(simd, weight, at);
            sum = simd.fma(nll, w, sum);
            // d nll / d r = (ν + 1) r / (ν + r²)
            let slope = simd.div(simd.mul(r, simd.splat((nu + 1.0) / nu)), u);
            let w = simd.mul(w, simd.splat(factor));
            let by_mean = simd.mul(simd.mul(simd.sub(simd.splat(0.0), slope), inverse), w);
            put(simd, slopes, at, by_mean);
            put(simd, slopes, n + at, simd.mul(simd.sub(one, simd.mul(slope, r)), w));
        }
        f64::from(simd.sum(sum))
    }
}

/// Gradient of the head (2 × width rows of `to_head`) from `slopes` as [`likelihood`] gives them. Adds
/// that of the shares to `to_share`. If `free` names the rows (as for [`decode`], here of
/// `gradients`) with what the children ask for, it is taken in; and the parents' milliseconds
/// get theirs, in the rows of `gradients` named like the parents' rows less `first`.
#[allow(clippy::too_many_arguments, reason = "each is a different array")]
pub fn decode_backward(
    isa: Isa,
    decoder: &Decoder,
    (head, decoded): (&[f32], &[f32]),
    rows: &Rows,
    slopes: &[f32],
    free: Option<(usize, usize, usize)>,
    gradients: &mut Rows,
    (to_head, to_share): (&mut [f32], &mut [f32]),
) {
    let q = decoder.width();
    decoder.check(head, rows.numbers().len() / TILE);
    assert!(decoded.len() == Decoder::rows(q) * TILE && slopes.len() == 2 * q * TILE);
    assert!(to_head.len() >= 2 * q * TILE && to_share.len() == decoder.share.len());
    let (tile, gradients) = (rows.numbers(), gradients.numbers_mut());
    isa.run(DecodeBackward { decoder, head, decoded, tile, slopes, free, gradients, to_head, to_share });
}

struct DecodeBackward<'a> {
    decoder: &'a Decoder<'a>,
    head: &'a [f32],
    decoded: &'a [f32],
    tile: &'a [f32],
    slopes: &'a [f32],
    free: Option<(usize, usize, usize)>,
    gradients: &'a mut [f32],
    to_head: &'a mut [f32],
    to_share: &'a mut [f32],
}

impl Kernel for DecodeBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { decoder: d, head, decoded, tile, slopes, free, gradients, to_head, to_share } = self;
        let q = d.width();
        let (start, low, high) = d.ln_scale;
        for i in 0..q {
            vectors::<S>(|v| {
                let at = i * TILE + v;
                let (own, total) = (get(simd, decoded, at), get(simd, decoded, q * TILE + at));
                let mut by_mean = get(simd, slopes, at);
                if let Some((standard, ..)) = free {
                    let (centre, inverse, clip) = (d.standard.0[i], d.standard.1[i], d.standard.2);
                    let mean = get(simd, decoded, 2 * q * TILE + at);
                    let distance = simd.mul(simd.sub(mean, simd.splat(centre)), simd.splat(inverse));
                    let asked = simd.mul(get(simd, gradients, standard * TILE + at), simd.splat(inverse));
                    by_mean = simd.add(by_mean, simd.within(distance, -clip, clip, asked));
                }
                let mut by_total = simd.div(by_mean, simd.add(total, simd.splat(d.offset[i])));
                if let Some((_, ms, _)) = free {
                    by_total = simd.add(by_total, get(simd, gradients, ms * TILE + at));
                }
                // Own time adds exp(base + a); of a sum, exp(a) is a factor.
                let (by_own, by_sum) = match d.base {
                    None => (simd.mul(by_total, total), simd.mul(by_total, own)),
                    Some(_) => (simd.mul(by_total, own), by_total),
                };
                let raw = get(simd, head, at);
                put(simd, to_head, at, simd.within(raw, -d.own_range, d.own_range, by_own));
                let raw = simd.add(get(simd, head, q * TILE + at), simd.splat(start));
                let by_ln_scale = get(simd, slopes, q * TILE + at);
                put(simd, to_head, q * TILE + at, simd.within(raw, low, high, by_ln_scale));
                for (k, row) in d.parents.iter().enumerate().skip(i).step_by(q) {
                    let row = *row as usize;
                    let mut by_ms = by_sum;
                    if d.base.is_some() {
                        let ms = get(simd, tile, row * TILE + v);
                        to_share[k] += simd.sum(simd.mul(by_sum, ms));
                        by_ms = simd.mul(by_sum, simd.splat(d.share[k]));
                    }
                    // Parents whose decoders are not trained stand there as observed.
                    if let Some((.., first)) = free
                        && row >= first
                    {
                        let p = (row - first) * TILE + v;
                        let sum = simd.add(get(simd, gradients, p), by_ms);
                        put(simd, gradients, p, sum);
                    }
                }
            });
        }
    }
}
