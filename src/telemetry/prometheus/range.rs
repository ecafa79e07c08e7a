//! Range queries in pieces: the server refuses more than 11,000 steps, so a long range is asked for
//! chunk by chunk and put together again.

use indexmap::IndexMap;

use super::decode::Reply;
use crate::domain::Clean;
use crate::telemetry::json::Remarks;
use crate::telemetry::types::{Matrix, Series};

/// Most steps asked for at once; the server's limit is 11,000.
const MAX_STEPS: i64 = 10_000;

/// Splits the grid `start, start + step, …, ≤ end` into pieces that lie on the same grid; neighbours
/// share no step. Milliseconds, both ends inclusive. Empty if `end` is before `start`.
pub(super) fn chunks(start: i64, end: i64, step: i64) -> impl Iterator<Item = (i64, i64)> {
    let step = step.max(1);
    let last = (end.saturating_sub(start)).div_euclid(step);
    (0..=last).step_by(MAX_STEPS as usize).map(move |first| {
        let until = (first + MAX_STEPS - 1).min(last);
        (start.saturating_add(first * step), start.saturating_add(until * step))
    })
}

/// Puts replies together: series by their labels, samples in time order, each step once (a server
/// that widens a range to its own grid repeats some).
pub(super) fn merge(replies: impl IntoIterator<Item = Reply>) -> Matrix {
    let mut merged: IndexMap<_, Vec<(i64, f64)>> = IndexMap::new();
    let mut warnings = Vec::new();
    let mut native_only = 0;
    for reply in replies {
        native_only = native_only.max(reply.native_only);
        for warning in reply.warnings {
            Remarks(&mut warnings).keep(warning);
        }
        for series in reply.series {
            let points = merged.entry(series.labels).or_default();
            if points.is_empty() {
                *points = series.points;
            } else {
                points.extend(series.points);
            }
        }
    }
    if native_only > 0 {
        let text = format!(
            "{native_only} series skipped: they are native histograms; \
             wrap them in histogram_quantile(), histogram_fraction() or histogram_count()"
        );
        warnings.push(Clean::new(&text));
    }
    let series = merged
        .into_iter()
        .map(|(labels, mut points)| {
            if !points.is_sorted_by(|a, b| a.0 < b.0) {
                points.sort_by_key(|(at, _)| *at);
                points.dedup_by_key(|(at, _)| *at);
            }
            Series { labels, points }
        })
        .collect();
    Matrix { series, warnings }
}

/// Milliseconds as the decimal seconds of the API.
pub(super) fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_boundary_of_the_rule() {
        let chunks = |start, end, step| chunks(start, end, step).collect::<Vec<_>>();
        assert_eq!(chunks(0, 9_999, 1).len(), 1);
        assert_eq!(chunks(0, 10_000, 1), [(0, 9_999), (10_000, 10_000)]);
        // 11,001 steps: the first request that a server would refuse.
        assert_eq!(chunks(0, 11_001 * 60_000, 60_000).len(), 2);
        assert_eq!(chunks(5, 5, 60), [(5, 5)]);
        assert_eq!(chunks(6, 5, 60), []);
    }

    #[test]
    fn seconds_keep_their_milliseconds() {
        assert_eq!(seconds(1_435_781_451_781), "1435781451.781");
        assert_eq!(seconds(60_000), "60.000");
        assert_eq!(seconds(5), "0.005");
        assert_eq!(seconds(-1_500), "-1.500");
    }

    proptest! {
        #[test]
        fn chunks_cover_every_step_once(
            start in -1_000_000_000i64..2_000_000_000_000,
            steps in 0i64..60_000,
            step in 1i64..100_000,
            rest in 0i64..100_000,
        ) {
            let end = start + steps * step + rest % step;
            let mut next = start;
            for (from, to) in chunks(start, end, step) {
                prop_assert_eq!(from, next);
                prop_assert_eq!((to - from) % step, 0);
                prop_assert!((to - from) / step < MAX_STEPS);
                next = to + step;
            }
            prop_assert_eq!(next, start + (steps + 1) * step);
        }
    }
}
