//! Tail probabilities: Student-t for single values, a fitted exponential tail for their means.

use serde::{Deserialize, Serialize};

/// Upper tail probability of Student-t with 4 degrees of freedom, the model's likelihood.
/// Closed form: with x = t/√(4+t²), P(T > t) = (1−x)²(2+x)/4, stable far out.
pub fn student_tail(t: f64) -> f64 {
    let root = (4.0 + t * t).sqrt();
    let x = t / root;
    let gap = if t > 0.0 { 4.0 / (root * (root + t)) } else { 1.0 - x };
    (gap * gap * (2.0 + x) / 4.0).clamp(1e-300, 1.0)
}

/// Surprise of a standardised value: −ln P(T > t).
pub fn surprise(t: f64) -> f64 {
    -student_tail(t).ln()
}

/// Share of history taken as the tail.
const TAIL: f64 = 0.05;
/// A mean of five independent surprises, each Exp(1), has its 95 % quantile here …
const MIN_THRESHOLD: f64 = 1.83;
/// … and this mean excess above it. No statistic is trusted to be steadier.
const MIN_EXCESS: f64 = 0.35;

/// How high a statistic gets in ordinary times: its 95 % quantile and the mean excess above
/// it. A plain empirical tail saturates at 1/n; the exponential goes on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// 95 % quantile.
    pub threshold: f64,
    /// Mean excess above the threshold.
    pub excess: f64,
}

impl Tail {
    /// Fits `values` of ordinary times; with fewer than 20 it is that of Exp(1).
    pub fn fit(mut values: Vec<f64>) -> Self {
        values.retain(|v| v.is_finite());
        if values.len() < 20 {
            return Self { threshold: -TAIL.ln(), excess: 1.0 };
        }
        values.sort_by(f64::total_cmp);
        let cut = ((values.len() as f64) * (1.0 - TAIL)) as usize;
        let cut = cut.min(values.len() - 1);
        let threshold = values[cut];
        let above = &values[cut..];
        let excess = above.iter().map(|v| v - threshold).sum::<f64>() / above.len() as f64;
        Self { threshold: threshold.max(MIN_THRESHOLD), excess: excess.max(MIN_EXCESS) }
    }

    /// Calibrated surprise of `value`: −ln of the probability of as much or more in ordinary
    /// times. 3 at the 95 % quantile; below it, it falls to 0 in proportion.
    pub fn surprise(&self, value: f64) -> f64 {
        let at_threshold = -TAIL.ln();
        if value >= self.threshold {
            at_threshold + (value - self.threshold) / self.excess
        } else {
            (at_threshold * value / self.threshold).max(0.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn student_tail_matches_tables() {
        for (t, p) in [(0.0, 0.5), (2.132, 0.05), (3.747, 0.01), (8.610, 0.0005)] {
            assert!((student_tail(t) - p).abs() < 2e-4, "{t}: {}", student_tail(t));
            assert!((student_tail(-t) - (1.0 - p)).abs() < 2e-4);
        }
        assert!(surprise(1e6) > surprise(1e3) && surprise(1e6).is_finite());
    }

    #[test]
    fn tail_of_exponential_values_is_calibrated() {
        let values: Vec<f64> = (1..=2000).map(|i| -(f64::from(i) / 2001.0).ln()).collect();
        let tail = Tail::fit(values);
        assert!((tail.surprise(6.0) - 6.0).abs() < 0.4, "{}", tail.surprise(6.0));
    }

    proptest! {
        #[test]
        fn more_is_never_less_surprising(a in -50.0..50.0f64, b in -50.0..50.0f64, values in prop::collection::vec(0.0..9.0f64, 0..200)) {
            let tail = Tail::fit(values);
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(surprise(low) <= surprise(high) + 1e-12);
            prop_assert!(tail.surprise(low) <= tail.surprise(high) + 1e-9);
            prop_assert!(tail.surprise(high) >= 0.0);
        }
    }
}
