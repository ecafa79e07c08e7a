//! Numeric building blocks. Where Prometheus sums with compensation, so does this, as results are compared
//! with its own to the ninth digit.

/// A sum that carries its rounding error along (Kahan's summation with Neumaier's improvement).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    error: f64,
}

impl Sum {
    pub(super) fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.error +=
            if self.sum.abs() >= term.abs() { (self.sum - next) + term } else { (term - next) + self.sum };
        self.sum = next;
    }

    /// The sum so far, without its correction.
    pub(super) fn plain(self) -> f64 {
        self.sum
    }

    /// The sum with its correction, which of infinity is NaN.
    pub(super) fn total(self) -> f64 {
        self.sum + self.error
    }

    /// The sum with its correction, if that makes sense.
    pub(super) fn value(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.total() }
    }
}

/// Whether a term leaves an average as it is: it is infinite already, and only the opposite infinity or
/// NaN would change that.
pub(super) fn is_settled(mean: f64, term: f64) -> bool {
    mean.is_infinite() && if term.is_infinite() { (mean > 0.0) == (term > 0.0) } else { !term.is_nan() }
}

/// A quantile with linear interpolation between the ranks; sorts `values`, with NaN below everything.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let rank = q * (values.len() - 1) as f64;
    // Not negative and below the length: the cast only cuts off the fraction.
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Slope per second and value at `origin_ms` of the line through the samples by least squares.
pub(super) fn regression(times: &[i64], values: &[f64], origin_ms: i64) -> (f64, f64) {
    let Some(&first) = values.first() else { return (f64::NAN, f64::NAN) };
    if values.iter().all(|v| *v == first) {
        // A level line is known exactly, unless it is at infinity.
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (time, y) in times.iter().zip(values) {
        let x = time.saturating_sub(origin_ms) as f64 / 1e3;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    let n = values.len() as f64;
    let (x, y) = (x_sum.total(), y_sum.total());
    let covariance = xy_sum.total() - x * y / n;
    let variance = xx_sum.total() - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
}

/// The smaller, or NaN if either is.
pub(super) fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// The larger, or NaN if either is.
pub(super) fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
