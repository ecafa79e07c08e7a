//! What a metric should be: its usual level given the load, or, for levels that drift over
//! days, its level a little while ago.

use serde::{Deserialize, Serialize};

use super::tail::surprise;
use crate::domain::Direction;
use crate::gvae::data::{Scale, median};
use crate::windows::Frame;

/// Trailing windows that tell the level of a drifting metric …
const TRAIL: usize = 30;
/// … not counting the newest ones, which the question is about.
const SKIP: usize = 5;
/// Fewest trailing windows that tell a level. Windows before a gap in the data do not count.
const MIN_TRAIL: usize = 5;
/// A drifting level has to change by this share to be one scale off.
const DRIFT_SCALE: f32 = 0.10;
/// Beyond the usual range of the load, a slope may be off by this share.
const SLOPE_DOUBT: f32 = 0.2;
/// A steady metric has to change by this share to be one scale off.
const STEADY_SCALE: f32 = 0.05;

/// Expected value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricModel {
    /// Centre and scale of the residual.
    pub residual: Scale,
    /// Change per unit of load above `load.centre`; 0 where load does not matter.
    pub slope: f32,
    /// Load the slope was learned on; beyond its range the expectation goes on, with more doubt.
    pub load: Scale,
    /// As much as there ordinarily is at most: the 99 % quantile.
    pub top: f32,
    /// Whether only recent change counts.
    pub drifts: bool,
    /// Which way is bad.
    pub direction: Direction,
}

impl MetricModel {
    /// Learns from `values` with the load of the same windows, if there is one.
    pub fn fit(values: &[f32], load: Option<&[f32]>, drifts: bool, direction: Direction) -> Self {
        let plain = Scale::of(values.iter().copied(), 1e-9);
        let load_scale = Scale { centre: 0.0, scale: 1.0 };
        let mut model =
            Self { residual: plain, slope: 0.0, load: load_scale, top: top(values), drifts, direction };
        if let Some(load) = load.filter(|_| !drifts) {
            model.load = Scale::of(load.iter().copied(), 1e-9);
            model.slope = slope(values, load, plain, model.load);
            let left = values.iter().zip(load).map(|(v, l)| v - model.slope * model.offset(*l));
            model.residual = Scale::of(left, 1e-9);
        }
        let share = if drifts { DRIFT_SCALE } else { STEADY_SCALE };
        let floor = (share * model.residual.centre.abs()).max(1e-9);
        model.residual.scale = if drifts { floor } else { model.residual.scale.max(floor) };
        model
    }

    fn offset(&self, load: f32) -> f32 {
        if !load.is_finite() {
            return 0.0;
        }
        load - self.load.centre
    }

    /// What is not known of the slope, where the load is out of the range that it was learned on.
    fn doubt(&self, load: f32) -> f32 {
        let beyond = (self.offset(load).abs() - 4.0 * self.load.scale).max(0.0);
        SLOPE_DOUBT * (self.slope * beyond).abs()
    }

    /// The value to expect in window `row` of `values`, and its scale; `None` where a drifting
    /// level has too little of a past since `since`, the first row after the last gap.
    pub fn expected(
        &self,
        values: &[f32],
        load: Option<&[f32]>,
        row: usize,
        since: usize,
    ) -> Option<(f32, f32)> {
        if self.drifts {
            let until = row.saturating_sub(SKIP);
            let from = until.saturating_sub(TRAIL).max(since).min(until);
            let mut before: Vec<f32> =
                values[from..until].iter().copied().filter(|v| v.is_finite()).collect();
            if before.len() < MIN_TRAIL {
                return None;
            }
            let centre = median(&mut before)?;
            return Some((centre, (DRIFT_SCALE * centre.abs()).max(1e-9)));
        }
        let load = load.map_or(f32::NAN, |l| l[row]);
        let expected = self.residual.centre + self.slope * self.offset(load);
        Some((expected, self.residual.scale + self.doubt(load)))
    }

    /// Surprise of window `row` before calibration; `None` where the value is missing.
    pub fn surprise(&self, values: &[f32], load: Option<&[f32]>, row: usize, since: usize) -> Option<f64> {
        let value = values[row];
        if !value.is_finite() {
            return None;
        }
        let (expected, scale) = self.expected(values, load, row, since)?;
        let t = f64::from((value - expected) / scale);
        Some(match self.direction {
            Direction::Up => surprise(t),
            Direction::Down => surprise(-t),
            Direction::Both => surprise(t.abs()) - std::f64::consts::LN_2,
        })
    }
}

fn top(values: &[f32]) -> f32 {
    let mut known: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
    known.sort_by(f32::total_cmp);
    known.get(known.len() * 99 / 100).copied().unwrap_or(f32::INFINITY)
}

/// For every row, the first row after the last gap before it: a gap is more than three windows long.
pub fn since_gap(frame: &Frame) -> Vec<usize> {
    let limit = 3 * i128::try_from(frame.length.as_nanos()).unwrap_or(i128::MAX / 3);
    let mut start = 0;
    (0..frame.len())
        .map(|row| {
            let before = row.checked_sub(1).map(|r| frame.ends[r].as_nanosecond());
            if before.is_some_and(|b| frame.ends[row].as_nanosecond() - b > limit) {
                start = row;
            }
            start
        })
        .collect()
}

/// Robust slope of `values` on `load`: least squares with Huber weights, a few rounds.
fn slope(values: &[f32], load: &[f32], v: Scale, l: Scale) -> f32 {
    let pairs: Vec<(f32, f32)> = values
        .iter()
        .zip(load)
        .filter(|(v, l)| v.is_finite() && l.is_finite())
        .map(|(value, load)| (l.standard(*load).clamp(-4.0, 4.0), v.standard(*value)))
        .collect();
    let (mut a, mut b) = (0.0f32, 0.0f32);
    for _ in 0..5 {
        let (mut w0, mut wx, mut wy, mut wxx, mut wxy) = (1e-6, 0.0, 0.0, 1e-6, 0.0);
        for (x, y) in &pairs {
            let r = (y - a - b * x).abs();
            let w = if r > 1.5 { 1.5 / r } else { 1.0 };
            w0 += w;
            wx += w * x;
            wy += w * y;
            wxx += w * x * x;
            wxy += w * x * y;
        }
        let spread = wxx - wx * wx / w0;
        b = if spread > 1e-3 { (wxy - wx * wy / w0) / spread } else { 0.0 };
        a = (wy - b * wx) / w0;
    }
    b * v.scale / l.scale
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_load_explains_is_no_surprise() {
        let load: Vec<f32> = (0..200).map(|i| 100.0 + (i % 40) as f32).collect();
        let mut cpu: Vec<f32> = load.iter().map(|l| 0.5 * l + 3.0).collect();
        let model = MetricModel::fit(&cpu, Some(&load), false, Direction::Up);
        assert!((model.slope - 0.5).abs() < 0.02, "{}", model.slope);
        let quiet = model.surprise(&cpu, Some(&load), 39, 0).unwrap();
        cpu[39] *= 2.0;
        let loud = model.surprise(&cpu, Some(&load), 39, 0).unwrap();
        assert!(quiet < 1.5 && loud > 8.0, "{quiet} {loud}");
    }

    #[test]
    fn a_drifting_level_is_judged_by_its_change() {
        let mut memory: Vec<f32> = (0..500).map(|i| 1000.0 + 10.0 * i as f32).collect();
        let model = MetricModel::fit(&memory[..50], None, true, Direction::Up);
        assert!(model.surprise(&memory, None, 499, 0).unwrap() < 1.5);
        memory[499] *= 3.0;
        assert!(model.surprise(&memory, None, 499, 0).unwrap() > 7.0);
    }

    #[test]
    fn direction_decides_what_is_bad() {
        let values: Vec<f32> = (0..100).map(|i| 50.0 + (i % 5) as f32).chain([10.0]).collect();
        let of = |d| MetricModel::fit(&values, None, false, d).surprise(&values, None, 100, 0).unwrap();
        assert!(of(Direction::Up) < 0.1 && of(Direction::Down) > 7.0 && of(Direction::Both) > 7.0);
    }
}
