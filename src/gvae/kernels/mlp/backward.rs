//! The backward pass: gradients of the parameters, and of those inputs that are wanted.

use super::super::arch::Kernel;
use super::super::gemm::{Blocks, WIDE, block, column_groups, in_blocks, transpose};
use super::super::simd::Simd;
use super::super::{Isa, Rows, TILE};
use super::{Deltas, Net, Wanted};

/// From the head's gradient in `deltas`: adds the gradient of the parameters to `gradient` and those of
/// the `wanted` inputs to rows of `into`.
pub fn backward(
    isa: Isa,
    net: &Net,
    rows: &Rows,
    activations: &[f32],
    deltas: &mut Deltas,
    (wanted, into): (&[Wanted], &mut Rows),
    gradient: &mut [f32],
) {
    let (tile, shape) = (rows.numbers(), net.shape);
    net.check(tile.len() / TILE);
    assert_eq!(activations.len(), shape.activations() * TILE);
    assert_eq!(gradient.len(), shape.parameters());
    assert!(shape.hidden.max(shape.outputs) <= deltas.width);
    let into = into.numbers_mut();
    let fits = |w: &Wanted| (w.input as usize) < shape.inputs && ((w.row as usize) < into.len() / TILE);
    assert!(wanted.iter().all(fits));
    isa.run(Backward { net, tile, activations, deltas, wanted, into, gradient });
}

struct Backward<'a> {
    net: &'a Net<'a>,
    tile: &'a [f32],
    activations: &'a [f32],
    deltas: &'a mut Deltas,
    wanted: &'a [Wanted],
    into: &'a mut [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Net { shape, parameters, inputs } = *self.net;
        let [(w1, b1), (w2, b2), (w3, b3)] = shape.offsets();
        let (h, m) = (shape.hidden, shape.outputs);
        let (tile, weights) = (self.tile.as_ptr(), parameters.as_ptr());
        let gradient = self.gradient.as_mut_ptr();
        let transposed = self.deltas.transposed.numbers_mut().as_mut_ptr();
        let here = self.deltas.here.numbers_mut().as_mut_ptr();
        let before = self.deltas.before.numbers_mut().as_mut_ptr();
        let h1 = self.activations.as_ptr();
        // SAFETY: `backward` has checked what `forward` checks, that there are as many gradients as
        // parameters, that the deltas have room for the widest layer (rounded up to whole vectors), and
        // that wanted inputs and their rows exist. All these memories are borrowed separately.
        unsafe {
            let h2 = h1.add(h * TILE);
            let third = |k: usize| h2.add(k * TILE);
            outer(simd, (h, m), third, here, transposed, (gradient.add(w3), gradient.add(b3)));
            hidden(simd, (h, m), weights.add(w3), here, h2, before);
            let second = |k: usize| h1.add(k * TILE);
            outer(simd, (h, h), second, before, transposed, (gradient.add(w2), gradient.add(b2)));
            hidden(simd, (h, h), weights.add(w2), before, h1, here);
            let first = |k: usize| tile.add(*inputs.get_unchecked(k) as usize * TILE);
            outer(simd, (shape.inputs, h), first, here, transposed, (gradient.add(w1), gradient.add(b1)));
            to_inputs(simd, h, weights.add(w1), here, self.wanted, self.into.as_mut_ptr());
        }
    }
}

/// `weight[k][m] += Σ_windows input(k) · delta[m]`, `bias[m] += Σ_windows delta[m]`.
///
/// # Safety
/// `size` = (k, m): `input(k)` is valid for a row, `delta` and `transposed` for m rows, m rounded up to
/// whole vectors; the gradients for k × m and m numbers. None overlap.
#[inline(always)]
unsafe fn outer<S: Simd>(
    simd: S,
    (k, m): (usize, usize),
    input: impl Fn(usize) -> *const f32 + Copy,
    delta: *const f32,
    transposed: *mut f32,
    (weight, bias): (*mut f32, *mut f32),
) {
    struct Work<S, F, const N: usize> {
        simd: S,
        stride: usize,
        input: F,
        deltas: *const f32,
        weight: *mut f32,
        width: usize,
        column: usize,
    }
    impl<S: Simd, F: Fn(usize) -> *const f32 + Copy, const N: usize> Blocks for Work<S, F, N> {
        #[inline(always)]
        fn block<const M: usize>(&mut self, first: usize) {
            let Self { simd, stride, deltas, column, .. } = *self;
            // SAFETY: inputs first .. first + M exist; the columns are within `stride`, and only those
            // within `width` are added to the gradient.
            unsafe {
                let mut a = [std::ptr::null(); M];
                for (i, a) in a.iter_mut().enumerate() {
                    *a = (self.input)(first + i);
                }
                let acc = [[simd.splat(0.0); N]; M];
                let acc = block(simd, TILE, a, 1, |lane| deltas.add(lane * stride + column), acc);
                for i in 0..M {
                    for v in 0..N {
                        let at = column + v * S::LANES;
                        let p = self.weight.add((first + i) * self.width + at);
                        if at + S::LANES <= self.width {
                            simd.store(p, simd.add(simd.load(p), acc[i][v]));
                        } else {
                            simd.add_first(p, self.width - at, acc[i][v]);
                        }
                    }
                }
            }
        }
    }
    let stride = m.next_multiple_of(S::LANES);
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..m {
            let mut sum = simd.splat(0.0);
            for v in (0..TILE).step_by(S::LANES) {
                sum = simd.add(sum, simd.load(delta.add(i * TILE + v)));
            }
            *bias.add(i) += simd.sum(sum);
        }
        transpose(simd, delta, m, transposed, stride);
    }
    let (deltas, width) = (transposed.cast_const(), m);
    let mut column = 0;
    while column < m {
        match (stride - column) / S::LANES {
            1 => {
                in_blocks::<S>(k, &mut Work::<S, _, 1> { simd, stride, input, deltas, weight, width, column })
            }
            2 | 4 => {
                in_blocks::<S>(
                    k,
                    &mut Work::<S, _, 2> { simd, stride, input, deltas, weight, width, column },
                );
                column += S::LANES;
            }
            _ => {
                in_blocks::<S>(
                    k,
                    &mut Work::<S, _, 3> { simd, stride, input, deltas, weight, width, column },
                );
                column += 2 * S::LANES;
            }
        }
        column += S::LANES;
    }
}

/// `before[k] = Σ_m weight[k][m] · delta[m]` where the hidden layer passed something on.
///
/// # Safety
/// `size` = (k, m): the pointers are valid for k × m weights, m rows of `delta`, k rows of `layer` and
/// `before`. `before` overlaps nothing.
#[inline(always)]
unsafe fn hidden<S: Simd>(
    simd: S,
    size: (usize, usize),
    weight: *const f32,
    delta: *const f32,
    layer: *const f32,
    before: *mut f32,
) {
    struct Work<S> {
        simd: S,
        m: usize,
        weight: *const f32,
        delta: *const f32,
        layer: *const f32,
        before: *mut f32,
        column: usize,
    }
    impl<S: Simd> Blocks for Work<S> {
        #[inline(always)]
        fn block<const M: usize>(&mut self, first: usize) {
            let Self { simd, m, delta, column, .. } = *self;
            // SAFETY: rows first .. first + M are among the k rows; the rest is the promise to `hidden`.
            unsafe {
                let mut a = [self.weight; M];
                for (i, a) in a.iter_mut().enumerate() {
                    *a = self.weight.add((first + i) * m);
                }
                let acc = [[simd.splat(0.0); WIDE]; M];
                let acc = block(simd, m, a, 1, |k| delta.add(k * TILE + column), acc);
                for i in 0..M {
                    for v in 0..WIDE {
                        let at = (first + i) * TILE + column + v * S::LANES;
                        let passed = simd.unless_negative(simd.load(self.layer.add(at)), acc[i][v]);
                        simd.store(self.before.add(at), passed);
                    }
                }
            }
        }
    }
    let (k, m) = size;
    for column in column_groups::<S>() {
        in_blocks::<S>(k, &mut Work { simd, m, weight, delta, layer, before, column });
    }
}

/// `into[w.row] += Σ_m weight[w.input][m] · delta[m]` for every wanted input.
///
/// # Safety
/// The pointers are valid for all inputs' m weights, m rows of `delta`, all rows wanted of `into`.
#[inline(always)]
unsafe fn to_inputs<S: Simd>(
    simd: S,
    m: usize,
    weight: *const f32,
    delta: *const f32,
    wanted: &[Wanted],
    into: *mut f32,
) {
    struct Work<'a, S> {
        simd: S,
        m: usize,
        weight: *const f32,
        delta: *const f32,
        wanted: &'a [Wanted],
        into: *mut f32,
        column: usize,
    }
    impl<S: Simd> Blocks for Work<'_, S> {
        #[inline(always)]
        fn block<const M: usize>(&mut self, first: usize) {
            let Self { simd, m, delta, column, .. } = *self;
            let wanted = &self.wanted[first..first + M];
            // SAFETY: the promise to `to_inputs`. Each row is loaded after the previous one has been
            // stored, so that an input wanted twice is added twice.
            unsafe {
                let mut a = [self.weight; M];
                for (a, w) in a.iter_mut().zip(wanted) {
                    *a = self.weight.add(w.input as usize * m);
                }
                let acc = [[simd.splat(0.0); WIDE]; M];
                let acc = block(simd, m, a, 1, |k| delta.add(k * TILE + column), acc);
                for (i, w) in wanted.iter().enumerate() {
                    for v in 0..WIDE {
                        let p = self.into.add(w.row as usize * TILE + column + v * S::LANES);
                        simd.store(p, simd.add(simd.load(p), acc[i][v]));
                    }
                }
            }
        }
    }
    for column in column_groups::<S>() {
        in_blocks::<S>(wanted.len(), &mut Work { simd, m, weight, delta, wanted, into, column });
    }
}
