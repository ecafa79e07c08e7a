//! From the window table to the model's inputs: robust scaling, masks, clipped network inputs.

use serde::{Deserialize, Serialize};

use crate::causal::Cbn;
use crate::domain::Column;
use crate::windows::Frame;

/// Beyond this many scales a network input says "very much" and no more: a network
/// extrapolates badly. The structural part of a decoder sees unclipped latencies.
pub const CLIP: f32 = 4.0;
/// Smallest offset of a log-latency, milliseconds.
const MIN_OFFSET_MS: f32 = 0.01;
/// Longest latency, milliseconds: eleven days. What is longer is no latency, and its
/// exponential no number.
const MAX_MS: f32 = 1e9;
/// Smallest scale of a log-latency: 5 %.
const MIN_LN_SCALE: f32 = 0.05;

/// Robust centre and scale of a column over the training windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Median.
    pub centre: f32,
    /// 1.4826 × median absolute deviation, with a floor.
    pub scale: f32,
}

impl Scale {
    /// Of finite `values`; `floor` is the smallest scale.
    pub fn of(values: impl Iterator<Item = f32>, floor: f32) -> Self {
        let mut v: Vec<f32> = values.filter(|v| v.is_finite()).collect();
        let centre = median(&mut v).unwrap_or(0.0);
        for x in &mut v {
            *x = (*x - centre).abs().min(f32::MAX);
        }
        let mad = median(&mut v).unwrap_or(0.0);
        Self { centre, scale: (1.4826 * mad).max(floor).min(f32::MAX) }
    }

    /// Distance from the centre in scales.
    pub fn standard(&self, value: f32) -> f32 {
        (value - self.centre) / self.scale
    }
}

/// Median; reorders `v`. `None` when empty.
pub fn median(v: &mut [f32]) -> Option<f32> {
    let mid = v.len().checked_sub(1)? / 2;
    let odd = v.len() % 2 == 1;
    let (_, m, rest) = v.select_nth_unstable_by(mid, f32::total_cmp);
    let low = *m;
    if odd {
        return Some(low);
    }
    let high = rest.iter().copied().min_by(f32::total_cmp)?;
    // Halved first: the sum of two large values may not be finite.
    Some(low / 2.0 + high / 2.0)
}

/// Scale of a latency column: log-latency is `ln(ms + offset)`. The offset, a tenth of the
/// usual latency, keeps differences that are often 0 (delays on the way) from spreading over
/// many orders of magnitude that mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyScale {
    /// Of the log-latency.
    pub ln: Scale,
    /// Milliseconds.
    pub offset: f32,
    /// The slowest that was learned from, milliseconds: what nearly all training windows are below. Of
    /// anything slower the model knows nothing.
    pub top_ms: f32,
}

/// Share of the training windows below the slowest latency that counts as learned.
const LEARNED: f64 = 0.995;

impl LatencyScale {
    /// Of the finite `values`, milliseconds.
    pub fn of(values: &[f32]) -> Self {
        let mut positive: Vec<f32> = values.iter().copied().filter(|v| v.is_finite() && *v > 0.0).collect();
        let offset = (0.1 * median(&mut positive).unwrap_or(1.0)).clamp(MIN_OFFSET_MS, MAX_MS);
        let ln = values.iter().filter(|v| v.is_finite()).map(|v| (v.clamp(0.0, MAX_MS) + offset).ln());
        let ln = Scale::of(ln, MIN_LN_SCALE);
        let far = ((ln.centre + CLIP * ln.scale).exp() - offset).max(0.0);
        positive.sort_by(f32::total_cmp);
        let last = (positive.len() as f64 * LEARNED) as usize;
        let seen = positive.get(last.min(positive.len().saturating_sub(1))).copied();
        Self { ln, offset, top_ms: seen.map_or(far, |seen| seen.min(far)) }
    }

    /// Log-latency of `ms`.
    pub fn to_ln(&self, ms: f32) -> f32 {
        (ms.clamp(0.0, MAX_MS) + self.offset).ln()
    }

    /// Milliseconds of a log-latency.
    pub fn to_ms(&self, ln: f32) -> f32 {
        (ln.exp() - self.offset).max(0.0)
    }

    /// The usual latency, milliseconds.
    pub fn centre_ms(&self) -> f32 {
        self.to_ms(self.ln.centre)
    }
}

/// Scales of everything a [`Cbn`] reads, by entity and latency index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normaliser {
    /// Per entity, per metric.
    pub x: Vec<Vec<Scale>>,
    /// Per latency node, per quantile.
    pub y: Vec<Vec<LatencyScale>>,
}

impl Normaliser {
    /// Measures the training windows.
    pub fn fit(cbn: &Cbn, frame: &Frame) -> Self {
        let column = |c: &Column| frame.columns.get(c).map(Vec::as_slice).unwrap_or_default();
        let x = cbn
            .entities
            .iter()
            .map(|e| {
                e.x.iter()
                    .map(|c| {
                        let values = column(c);
                        let plain = Scale::of(values.iter().copied(), 0.0);
                        // A feature that hardly ever moves must not explode when it does.
                        let floor = (0.02 * plain.centre.abs()).max(1e-6);
                        Scale { scale: plain.scale.max(floor), ..plain }
                    })
                    .collect()
            })
            .collect();
        let y = cbn
            .latencies
            .iter()
            .map(|n| n.quantiles.iter().map(|(_, c)| LatencyScale::of(column(c))).collect())
            .collect();
        Self { x, y }
    }

    /// Whether it has a scale for everything that `cbn` reads.
    pub fn fits(&self, cbn: &Cbn) -> bool {
        self.x.iter().map(Vec::len).eq(cbn.entities.iter().map(|e| e.x.len()))
            && self.y.iter().map(Vec::len).eq(cbn.latencies.iter().map(|n| n.quantiles.len()))
    }
}

/// Model inputs of some windows, row-major, one matrix an entity and a latency node.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Number of windows.
    pub rows: usize,
    /// Per entity: rows × metrics, standardised and clipped; missing is 0, the centre.
    pub x: Vec<Vec<f32>>,
    /// Per latency node: rows × quantiles, log-latencies; missing is the centre.
    pub y: Vec<Vec<f32>>,
    /// Per latency node: rows × quantiles, weight of the value in the likelihood; missing is 0.
    pub weight: Vec<Vec<f32>>,
}

impl Inputs {
    /// Reads the columns of `cbn` from `frame`.
    pub fn read(cbn: &Cbn, normaliser: &Normaliser, frame: &Frame) -> Self {
        let rows = frame.len();
        let at = |c: &Column, row: usize| frame.columns.get(c).map_or(f32::NAN, |v| v[row]);
        let x = cbn
            .entities
            .iter()
            .zip(&normaliser.x)
            .map(|(e, scales)| {
                (0..rows)
                    .flat_map(|r| e.x.iter().zip(scales).map(move |(c, s)| (c, s, r)))
                    .map(|(c, s, r)| finite_or(s.standard(at(c, r)), 0.0).clamp(-CLIP, CLIP))
                    .collect()
            })
            .collect();
        let mut y = Vec::with_capacity(cbn.latencies.len());
        let mut weight = Vec::with_capacity(cbn.latencies.len());
        for (node, scales) in cbn.latencies.iter().zip(&normaliser.y) {
            let (mut values, mut weights) = (Vec::new(), Vec::new());
            for row in 0..rows {
                let count = node.count.as_ref().map_or(f32::NAN, |c| at(c, row));
                for ((q, column), scale) in node.quantiles.iter().zip(scales) {
                    let ms = at(column, row);
                    let known = ms.is_finite();
                    values.push(if known { scale.to_ln(ms) } else { scale.ln.centre });
                    weights.push(if known { confidence(count, q.fraction() as f32) } else { 0.0 });
                }
            }
            y.push(values);
            weight.push(weights);
        }
        Self { rows, x, y, weight }
    }

    /// The rows given by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> Self {
        let pick = |matrix: &Vec<f32>| {
            let width = matrix.len().checked_div(self.rows).unwrap_or(0);
            index.iter().flat_map(|r| matrix[r * width..(r + 1) * width].iter().copied()).collect()
        };
        Self {
            rows: index.len(),
            x: self.x.iter().map(pick).collect(),
            y: self.y.iter().map(pick).collect(),
            weight: self.weight.iter().map(pick).collect(),
        }
    }
}

/// Weight of a quantile estimated from `count` calls: with few calls beyond it, it is
/// nearly a maximum and says little. Unknown counts weigh fully.
fn confidence(count: f32, quantile: f32) -> f32 {
    if !count.is_finite() {
        return 1.0;
    }
    let beyond = count.max(0.0) * (1.0 - quantile).max(0.001);
    beyond / (beyond + 1.0)
}

fn finite_or(value: f32, other: f32) -> f32 {
    if value.is_finite() { value } else { other }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
