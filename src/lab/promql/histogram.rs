//! Quantiles of classic histograms: counters of how many were at most `le`.

use std::collections::HashMap;

use super::vector::{ABSENT, Row, Twins, unite};
use super::{Error, evaluate::Evaluator};
use crate::lab::tsdb::{Labels, METRIC_NAME};

const BOUND: &str = "le";

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// Buckets of one histogram, by their index.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, usize)>,
}

/// The quantile `q` (one a step) of each histogram among the rows. Rows that are no buckets are left out.
pub(super) fn quantiles(evaluator: &Evaluator<'_>, q: &[f64], rows: &[Row]) -> Result<Vec<Row>, Error> {
    let mut histograms: Vec<Histogram> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        let Ok(bound) = row.labels.get(BOUND).parse::<f64>() else { continue };
        let mut labels = row.labels.clone();
        labels.remove(BOUND);
        // Histograms of different names stay apart, although the result has no name.
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            let mut labels = labels.clone();
            labels.remove(METRIC_NAME);
            histograms.push(Histogram { labels, buckets: Vec::new() });
            histograms.len() - 1
        });
        histograms[place].buckets.push((bound, i));
    }
    let mut results = Vec::with_capacity(histograms.len());
    let mut buckets = Vec::new();
    for mut histogram in histograms {
        evaluator.check(evaluator.grid.len)?;
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let values = q.iter().enumerate().map(|(step, q)| {
            buckets.clear();
            buckets.extend(
                histogram
                    .buckets
                    .iter()
                    .filter_map(|(bound, i)| Some(Bucket { bound: *bound, count: rows[*i].at(step)? })),
            );
            if buckets.is_empty() { ABSENT } else { quantile(*q, &mut buckets) }
        });
        results.push(Row { values: values.collect(), labels: histogram.labels });
    }
    unite(results, Twins::MayTakeTurns)
}

/// The quantile of one histogram with ascending bounds, linear within a bucket. It cannot lie beyond the
/// highest finite bound; the lowest bucket begins at zero, unless it ends below.
fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> f64 {
    match q {
        q if q.is_nan() => return f64::NAN,
        q if q < 0.0 => return f64::NEG_INFINITY,
        q if q > 1.0 => return f64::INFINITY,
        _ => {}
    }
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    // The same bound may be written in several ways: `1` and `1.0`.
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    // Rates of buckets that are scraped at slightly different moments may fall where they must not.
    let mut highest = f64::NEG_INFINITY;
    for bucket in buckets.iter_mut() {
        highest = if bucket.count > highest { bucket.count } else { highest };
        if bucket.count < highest {
            bucket.count = highest;
        }
    }
    let [finite @ .., all] = buckets.as_slice() else { return f64::NAN };
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * all.count;
    // A count that is NaN reaches nothing.
    let reaches = |bucket: &Bucket| bucket.count >= rank;
    let at = finite.partition_point(|bucket| !reaches(bucket));
    let Some(bucket) = finite.get(at) else { return last.bound };
    let Some(below) = at.checked_sub(1).and_then(|i| finite.get(i)) else {
        return if first.bound <= 0.0 { first.bound } else { first.bound * (rank / first.count) };
    };
    below.bound + (bucket.bound - below.bound) * ((rank - below.count) / (bucket.count - below.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(buckets: &[(f64, f64)], q: f64, expected: f64) {
        let mut buckets: Vec<_> = buckets.iter().map(|&(bound, count)| Bucket { bound, count }).collect();
        let found = quantile(q, &mut buckets);
        assert!(found == expected || found.is_nan() && expected.is_nan(), "{found}, not {expected}");
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let inf = f64::INFINITY;
        let buckets = [(0.1, 10.0), (1.0, 20.0), (inf, 30.0)];
        check(&buckets, 0.5, 0.1 + 0.9 * 0.5);
        check(&buckets, 0.1, 0.1 * 0.3);
        check(&buckets, 0.9, 1.0);
        check(&buckets, 0.0, 0.0);
        check(&buckets, 1.5, inf);
        check(&buckets, -0.5, -inf);
        check(&buckets, f64::NAN, f64::NAN);
    }

    #[test]
    fn odd_histograms() {
        let inf = f64::INFINITY;
        check(&[(0.1, 10.0), (1.0, 20.0)], 0.5, f64::NAN);
        check(&[(inf, 20.0)], 0.5, f64::NAN);
        check(&[(0.1, 0.0), (inf, 0.0)], 0.5, f64::NAN);
        check(&[(-1.0, 10.0), (inf, 10.0)], 0.5, -1.0);
        check(&[(1.0, 10.0), (1.0, 10.0), (2.0, 20.0), (inf, 20.0)], 0.5, 0.5);
        check(&[(1.0, 10.0), (2.0, 5.0), (inf, 20.0)], 0.5, 1.0);
    }
}
