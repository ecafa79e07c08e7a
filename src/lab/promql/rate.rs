//! `rate` and its like: how fast a range of samples changes.

use super::over_time::Window;

/// What `rate`, `increase` and `delta` differ in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind {
    /// A fall is a restart from zero.
    pub(super) counter: bool,
    /// Per second.
    pub(super) per_second: bool,
}

/// The change over the whole range, extrapolated from the samples to its ends: by up to half a sample
/// interval, or fully where the end is no further than 1.1 intervals away; a counter not below zero.
pub(super) fn extrapolated(window: &Window<'_>, kind: Kind) -> Option<f64> {
    let (&[t0, .., t1], &[v0, .., v1]) = (window.times, window.values) else { return None };
    let mut change = v1 - v0;
    if kind.counter {
        let mut before = v0;
        for &v in window.values {
            if v < before {
                change += before;
            }
            before = v;
        }
    }
    let sampled = (t1 - t0) as f64 / 1e3;
    let interval = sampled / (window.values.len() - 1) as f64;
    let mut to_start = t0.saturating_sub(window.from) as f64 / 1e3;
    let to_end = window.to.saturating_sub(t1) as f64 / 1e3;
    if kind.counter && change > 0.0 && v0 >= 0.0 {
        // Where the counter would have been zero.
        to_start = to_start.min(sampled * (v0 / change));
    }
    let near = interval * 1.1;
    let mut covered = sampled;
    covered += if to_start < near { to_start } else { interval / 2.0 };
    covered += if to_end < near { to_end } else { interval / 2.0 };
    let mut factor = covered / sampled;
    if kind.per_second {
        factor /= window.range_ms as f64 / 1e3;
    }
    Some(change * factor)
}

/// The change between the last two samples, per second if asked.
pub(super) fn last_two(window: &Window<'_>, kind: Kind) -> Option<f64> {
    let (&[.., t0, t1], &[.., v0, v1]) = (window.times, window.values) else { return None };
    let change = if kind.counter && v1 < v0 { v1 } else { v1 - v0 };
    let seconds = (t1 - t0) as f64 / 1e3;
    if seconds == 0.0 {
        return None;
    }
    Some(if kind.per_second { change / seconds } else { change })
}
