//! Forward and backward pass of one network (two hidden layers with ReLU, a linear head) on one tile.

mod backward;

use super::arch::Kernel;
use super::gemm::{Blocks, WIDE, block, column_groups, in_blocks};
use super::simd::Simd;
use super::{Isa, Rows, TILE};

pub use backward::backward;

/// Widest vector: deltas have that many rows more than they need.
const WIDEST: usize = 16;

/// Widths of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Inputs.
    pub inputs: usize,
    /// Each of the hidden layers.
    pub hidden: usize,
    /// Outputs.
    pub outputs: usize,
}

impl Shape {
    /// (inputs, outputs) of the three layers.
    pub fn layers(&self) -> [(usize, usize); 3] {
        [(self.inputs, self.hidden), (self.hidden, self.hidden), (self.hidden, self.outputs)]
    }

    /// Number of parameters: for each layer its weights, inputs × outputs row-major, then its biases.
    pub fn parameters(&self) -> usize {
        self.layers().iter().map(|(n, m)| n * m + m).sum()
    }

    /// Rows of activations: two hidden layers and the head.
    pub fn activations(&self) -> usize {
        2 * self.hidden + self.outputs
    }

    /// Offsets of each layer's weights and biases.
    fn offsets(&self) -> [(usize, usize); 3] {
        let mut at = 0;
        self.layers().map(|(n, m)| {
            let layer = (at, at + n * m);
            at += n * m + m;
            layer
        })
    }

    /// Rows of the activations where the head begins.
    pub fn head(&self) -> usize {
        2 * self.hidden
    }
}

/// A network with its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Net<'a> {
    /// Widths.
    pub shape: Shape,
    /// Parameters as [`Shape::parameters`] tells.
    pub parameters: &'a [f32],
    /// Which rows of the tile are its inputs.
    pub inputs: &'a [u32],
}

impl Net<'_> {
    /// What the inner loops rely on.
    fn check(&self, rows: usize) {
        assert_eq!(self.parameters.len(), self.shape.parameters());
        assert_eq!(self.inputs.len(), self.shape.inputs);
        assert!(self.inputs.iter().all(|r| (*r as usize) < rows));
    }
}

/// Where a backward pass keeps its deltas; large enough for every network of a model.
#[derive(Clone, Debug)]
pub struct Deltas {
    here: Rows,
    before: Rows,
    transposed: Rows,
    width: usize,
}

impl Deltas {
    /// For layers of at most `width` outputs.
    pub fn new(width: usize) -> Self {
        let padded = width.next_multiple_of(WIDEST);
        Self { here: Rows::new(padded), before: Rows::new(padded), transposed: Rows::new(padded), width }
    }

    /// Gradient of the head, to be filled in before a backward pass.
    pub fn head(&mut self) -> &mut Rows {
        &mut self.here
    }
}

/// An input whose gradient is wanted, and the row that it is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which input of the network.
    pub input: u32,
    /// Row of the gradients.
    pub row: u32,
}

/// Computes `activations`, [`Shape::activations`] rows, of the tile `rows`.
pub fn forward(isa: Isa, net: &Net, rows: &Rows, activations: &mut [f32]) {
    let (tile, shape) = (rows.numbers(), net.shape);
    net.check(tile.len() / TILE);
    assert_eq!(activations.len(), shape.activations() * TILE);
    isa.run(Forward { net, tile, activations });
}

struct Forward<'a> {
    net: &'a Net<'a>,
    tile: &'a [f32],
    activations: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Net { shape, parameters, inputs } = *self.net;
        let offsets = shape.offsets();
        let (tile, h) = (self.tile.as_ptr(), shape.hidden);
        let out = self.activations.as_mut_ptr();
        let weights = parameters.as_ptr();
        let [(w1, b1), (w2, b2), (w3, b3)] = offsets;
        // SAFETY: `forward` has checked that the inputs are rows of the tile, that the parameters are as
        // many as `offsets` divides up, and that there are 2 h + outputs rows of activations.
        unsafe {
            let (h1, h2, head) = (out, out.add(h * TILE), out.add(2 * h * TILE));
            let first = |k: usize| tile.add(*inputs.get_unchecked(k) as usize * TILE);
            layer(simd, (shape.inputs, h), (weights.add(w1), weights.add(b1)), first, h1, true);
            let second = |k: usize| h1.cast_const().add(k * TILE);
            layer(simd, (h, h), (weights.add(w2), weights.add(b2)), second, h2, true);
            let third = |k: usize| h2.cast_const().add(k * TILE);
            layer(simd, (h, shape.outputs), (weights.add(w3), weights.add(b3)), third, head, false);
        }
    }
}

/// `out[m] = bias[m] + Σ_k weight[k][m] · input(k)`, all of them rows of a tile.
///
/// # Safety
/// `size` = (k, m): the pointers are valid for k × m weights, m biases, m rows of output; `input(k)` for a
/// row. Output and input do not overlap.
#[inline(always)]
unsafe fn layer<S: Simd>(
    simd: S,
    size: (usize, usize),
    (weight, bias): (*const f32, *const f32),
    input: impl Fn(usize) -> *const f32 + Copy,
    out: *mut f32,
    relu: bool,
) {
    struct Work<S, F> {
        simd: S,
        size: (usize, usize),
        weight: *const f32,
        bias: *const f32,
        input: F,
        out: *mut f32,
        column: usize,
        relu: bool,
    }
    impl<S: Simd, F: Fn(usize) -> *const f32 + Copy> Blocks for Work<S, F> {
        #[inline(always)]
        fn block<const M: usize>(&mut self, first: usize) {
            let Self { simd, size: (k, m), column, input, .. } = *self;
            // SAFETY: rows first .. first + M are among the m rows; the rest is the promise to `layer`.
            unsafe {
                let mut a = [self.weight; M];
                let mut acc = [[simd.splat(0.0); WIDE]; M];
                for i in 0..M {
                    a[i] = self.weight.add(first + i);
                    acc[i] = [simd.splat(*self.bias.add(first + i)); WIDE];
                }
                let acc = block(simd, k, a, m, |k| input(k).add(column), acc);
                for i in 0..M {
                    for v in 0..WIDE {
                        let x = if self.relu { simd.relu(acc[i][v]) } else { acc[i][v] };
                        simd.store(self.out.add((first + i) * TILE + column + v * S::LANES), x);
                    }
                }
            }
        }
    }
    for column in column_groups::<S>() {
        in_blocks::<S>(size.1, &mut Work { simd, size, weight, bias, input, out, column, relu });
    }
}
