//! The kernels against plain arithmetic in double precision, with every instruction set of this
//! CPU. Nothing here needs the crate: `tests/kernels-asan` runs it under the address sanitizer.

use super::mlp::{Deltas, Net, Shape, Wanted, backward, forward};
use super::{Isa, Rows, TILE, pointwise};

/// Reproducible numbers in −1 .. 1 (a linear congruential generator, Knuth's constants).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn rows(&mut self, rows: usize) -> Rows {
        let mut made = Rows::new(rows);
        made.numbers_mut().iter_mut().for_each(|x| *x = self.next());
        made
    }

    fn vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Largest error of `f` over `xs`, relative to the truth or to 1, whichever is larger.
fn error(isa: Isa, xs: &[f32], f: fn(Isa, &mut [f32]), truth: fn(f64) -> f64, floor: f64) -> f64 {
    let mut rows = Rows::holding(xs.len());
    let padding = rows.numbers().len() - xs.len();
    let padded = xs.iter().chain(std::iter::repeat_n(&xs[0], padding));
    rows.numbers_mut().iter_mut().zip(padded).for_each(|(to, x)| *to = *x);
    f(isa, rows.numbers_mut());
    let errors = rows.numbers().iter().zip(xs).map(|(got, x)| {
        let truth = truth(f64::from(*x));
        (f64::from(*got) - truth).abs() / truth.abs().max(floor)
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn exponentials_and_logarithms_keep_their_bounds() {
    let wide: Vec<f32> = (0..200_000).map(|i| -87.0 + 175.0 * i as f32 / 200_000.0).collect();
    let near: Vec<f32> = (0..50_000).map(|i| (i as f32 - 25_000.0) * 1e-5).collect();
    let positive: Vec<f32> = (0..200_000).map(|i| (-87.0 + 175.0 * i as f32 / 200_000.0).exp()).collect();
    let around_one: Vec<f32> = (0..50_000).map(|i| 0.5 + i as f32 * 2e-5).collect();
    for isa in Isa::all() {
        for xs in [&wide, &near] {
            let error = error(isa, xs, pointwise::exp, f64::exp, 0.0);
            assert!(error < 2e-7, "{}: exp is off by {error}", isa.name());
        }
        for xs in [&positive, &around_one] {
            let error = error(isa, xs, pointwise::ln, f64::ln, 1.0);
            assert!(error < 2e-7, "{}: ln is off by {error}", isa.name());
        }
        // Near 1, where the logarithm itself is small, it is exact to the last bits as well.
        let error = error(isa, &around_one, pointwise::ln, f64::ln, 1e-30);
        assert!(error < 4e-7, "{}: ln near 1 is off by {error}", isa.name());
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for isa in Isa::all() {
        for (f, x) in [(pointwise::exp as fn(Isa, &mut [f32]), f32::NAN), (pointwise::ln, f32::NAN)] {
            let mut row = [x; TILE];
            f(isa, &mut row);
            assert!(row.iter().all(|y| y.is_nan()), "{}", isa.name());
        }
        let mut row = [f32::INFINITY; TILE];
        pointwise::ln(isa, &mut row);
        assert!(row.iter().all(|y| !y.is_finite()), "{}", isa.name());
        let mut extremes = [1e30f32; TILE];
        extremes[1] = -1e30;
        pointwise::exp(isa, &mut extremes);
        assert!(extremes.iter().all(|y| y.is_finite() && *y >= 0.0), "{}", isa.name());
    }
}

/// A network on one window in double precision: activations, and the gradient of Σ slope · head by
/// parameters and inputs.
struct Truth {
    activations: Vec<f64>,
    by_parameter: Vec<f64>,
    by_input: Vec<f64>,
}

fn truth(shape: Shape, parameters: &[f32], input: &[f64], slope: &[f64]) -> Truth {
    let p = |i: usize| f64::from(parameters[i]);
    let (mut at, mut x, mut layers, mut activations) = (0, input.to_vec(), Vec::new(), Vec::new());
    for (depth, (n, m)) in shape.layers().into_iter().enumerate() {
        let y: Vec<f64> = (0..m)
            .map(|j| p(at + n * m + j) + (0..n).map(|i| x[i] * p(at + i * m + j)).sum::<f64>())
            .map(|y| if depth < 2 { y.max(0.0) } else { y })
            .collect();
        layers.push((at, n, m, x));
        activations.extend(&y);
        at += n * m + m;
        x = y;
    }
    let mut delta = slope.to_vec();
    let mut by_parameter = vec![0.0; parameters.len()];
    for (at, n, m, x) in layers.into_iter().rev() {
        let mut before = vec![0.0; n];
        for j in 0..m {
            by_parameter[at + n * m + j] += delta[j];
            for i in 0..n {
                by_parameter[at + i * m + j] += x[i] * delta[j];
                before[i] += p(at + i * m + j) * delta[j];
            }
        }
        if at > 0 {
            before.iter_mut().zip(&x).for_each(|(d, x)| *d = if *x > 0.0 { *d } else { 0.0 });
        }
        delta = before;
    }
    Truth { activations, by_parameter, by_input: delta }
}

fn compare(isa: Isa, shape: Shape, seed: u64) {
    let mut draw = Draw(seed);
    let rows = draw.rows(shape.inputs + 7);
    // Rows in any order, one of them twice.
    let inputs: Vec<u32> = (0..shape.inputs as u32).map(|i| if i == 1 { 0 } else { i + 5 }).collect();
    let parameters = draw.vec(shape.parameters());
    let net = Net { shape, parameters: &parameters, inputs: &inputs };
    let mut activations = Rows::new(shape.activations());
    forward(isa, &net, &rows, activations.numbers_mut());
    let mut deltas = Deltas::new(shape.hidden.max(shape.outputs));
    let slopes = draw.rows(shape.outputs);
    deltas.head().numbers_mut()[..slopes.numbers().len()].copy_from_slice(slopes.numbers());
    let wanted: Vec<Wanted> =
        (0..shape.inputs as u32).step_by(3).map(|i| Wanted { input: i, row: i / 6 }).collect();
    let (mut into, mut gradient) = (draw.rows(shape.inputs), draw.vec(shape.parameters()));
    let (into_before, gradient_before) = (into.clone(), gradient.clone());
    backward(isa, &net, &rows, activations.numbers(), &mut deltas, (&wanted, &mut into), &mut gradient);

    let mut by_parameter: Vec<f64> = gradient_before.iter().map(|g| f64::from(*g)).collect();
    let mut by_row: Vec<f64> = into_before.numbers().iter().map(|g| f64::from(*g)).collect();
    let column = |rows: &Rows, row: usize, lane: usize| f64::from(rows.row(row)[lane]);
    let close = |a: f32, b: f64, what: &str| {
        assert!(
            (f64::from(a) - b).abs() < 2e-4 * (1.0 + b.abs()),
            "{} {shape:?}: {what} {a} {b}",
            isa.name()
        );
    };
    for lane in 0..TILE {
        let input: Vec<f64> = inputs.iter().map(|r| column(&rows, *r as usize, lane)).collect();
        let slope: Vec<f64> = (0..shape.outputs).map(|m| column(&slopes, m, lane)).collect();
        let truth = truth(shape, &parameters, &input, &slope);
        for (row, wanted) in truth.activations.iter().enumerate() {
            close(activations.row(row)[lane], *wanted, "activation");
        }
        by_parameter.iter_mut().zip(&truth.by_parameter).for_each(|(sum, g)| *sum += g);
        for w in &wanted {
            by_row[w.row as usize * TILE + lane] += truth.by_input[w.input as usize];
        }
    }
    gradient.iter().zip(&by_parameter).for_each(|(a, b)| close(*a, *b, "by parameter"));
    into.numbers().iter().zip(&by_row).for_each(|(a, b)| close(*a, *b, "by input"));
}

#[test]
fn networks_of_any_width_are_computed_and_differentiated() {
    let mut widths = Draw(42);
    let mut any = |most: usize| ((widths.next() + 1.0) / 2.0 * most as f32) as usize;
    let mut shapes = vec![
        Shape { inputs: 37, hidden: 32, outputs: 10 },
        Shape { inputs: 44, hidden: 24, outputs: 16 },
        Shape { inputs: 1, hidden: 1, outputs: 1 },
        Shape { inputs: 0, hidden: 3, outputs: 2 },
        Shape { inputs: 2, hidden: 0, outputs: 2 },
        Shape { inputs: 3, hidden: 48, outputs: 0 },
    ];
    shapes.extend((0..6).map(|_| Shape { inputs: any(70), hidden: any(50), outputs: any(20) }));
    for isa in Isa::all() {
        for (seed, shape) in shapes.iter().enumerate() {
            compare(isa, *shape, seed as u64);
        }
    }
}

#[test]
fn every_instruction_set_agrees_with_the_portable_one() {
    let shape = Shape { inputs: 37, hidden: 32, outputs: 10 };
    let of = |isa: Isa| {
        let mut draw = Draw(7);
        let (rows, parameters) = (draw.rows(shape.inputs), draw.vec(shape.parameters()));
        let inputs: Vec<u32> = (0..shape.inputs as u32).collect();
        let mut activations = Rows::new(shape.activations());
        let net = Net { shape, parameters: &parameters, inputs: &inputs };
        forward(isa, &net, &rows, activations.numbers_mut());
        activations
    };
    let all = Isa::all();
    let (portable, others) = all.split_last().unwrap();
    println!("compared with {}: {others:?}", portable.name());
    for isa in others {
        for (a, b) in of(*isa).numbers().iter().zip(of(*portable).numbers()) {
            assert!((a - b).abs() < 1e-4, "{}: {a} {b}", isa.name());
        }
    }
}

#[test]
#[should_panic(expected = "assertion failed")]
fn rows_that_do_not_exist_are_refused() {
    let shape = Shape { inputs: 1, hidden: 1, outputs: 1 };
    let parameters = vec![0.0; shape.parameters()];
    let net = Net { shape, parameters: &parameters, inputs: &[3] };
    forward(Isa::best(), &net, &Rows::new(3), Rows::new(shape.activations()).numbers_mut());
}
