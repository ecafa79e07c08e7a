//! Window values of one SLO in time order, and what is counted over stretches of them.

use std::time::Duration;

use crate::domain::Timestamp;

/// One window: its end, its quantile in milliseconds, and how many calls it saw.
pub type Sample = (Timestamp, Option<f64>, Option<f64>);

#[derive(Clone, Copy)]
struct Point {
    end: Timestamp,
    ms: f64,
    calls: Option<f64>,
}

/// The windows with a value, oldest first, one an end.
pub struct Samples {
    points: Vec<Point>,
    length: Duration,
}

impl Samples {
    /// Keeps what has a value and ended by `at`. A zero `length` counts as a second.
    pub fn new(samples: &[Sample], length: Duration, at: Timestamp) -> Self {
        let mut points: Vec<Point> = samples
            .iter()
            .filter(|(end, ..)| *end <= at)
            .filter_map(|(end, ms, calls)| {
                let ms = ms.filter(|ms| !ms.is_nan())?;
                Some(Point { end: *end, ms, calls: calls.filter(|calls| calls.is_finite() && *calls >= 0.0) })
            })
            .collect();
        // Stable: of two values for one window the one given last is the newer answer.
        points.sort_by_key(|point| point.end);
        points.reverse();
        points.dedup_by_key(|point| point.end);
        points.reverse();
        Self { points, length: if length.is_zero() { Duration::from_secs(1) } else { length } }
    }

    /// End of the newest window with a value that ended by `at`.
    pub fn newest_by(&self, at: Timestamp) -> Option<Timestamp> {
        let known = self.points.partition_point(|point| point.end <= at);
        self.points[..known].last().map(|point| point.end)
    }

    /// Ends of the windows with a value, oldest first.
    pub fn ends(&self) -> impl DoubleEndedIterator<Item = Timestamp> {
        self.points.iter().map(|point| point.end)
    }

    /// Windows that ended in (`until` − `over`, `until`]; a stretch shorter than a window is
    /// one window long.
    fn within(&self, until: Timestamp, over: Duration) -> &[Point] {
        let hi = self.points.partition_point(|point| point.end <= until);
        let start = until.checked_sub(over.max(self.length)).unwrap_or(Timestamp::MIN);
        let lo = self.points.partition_point(|point| point.end <= start);
        &self.points[lo.min(hi)..hi]
    }

    /// Share of the windows that a complete record would have, at most 1.
    pub fn coverage(&self, until: Timestamp, over: Duration) -> f64 {
        let expected = (over.as_secs_f64() / self.length.as_secs_f64()).floor().max(1.0);
        (self.within(until, over).len() as f64 / expected).min(1.0)
    }

    /// Calls in the windows that ended in (`until` − `over`, `until`]; `None` unless every one of them knows.
    pub fn calls(&self, until: Timestamp, over: Duration) -> Option<f64> {
        self.within(until, over).iter().map(|point| point.calls).sum()
    }

    /// `over`, or as many times twice as long, at most `longest`, as it takes to see `fewest` calls. Where
    /// numbers of calls are not known, it stays as it is.
    pub fn stretch(&self, until: Timestamp, over: Duration, fewest: f64, longest: Duration) -> Duration {
        let mut stretch = over;
        while stretch < longest && self.calls(until, stretch).is_some_and(|calls| calls < fewest) {
            stretch = (2 * stretch).min(longest);
        }
        stretch
    }

    /// Share of windows with a value above `objective_ms`; unknown if fewer than half have one.
    pub fn bad_share(&self, until: Timestamp, over: Duration, objective_ms: f64) -> Option<f64> {
        let windows = self.within(until, over);
        if windows.is_empty() || self.coverage(until, over) < 0.5 {
            return None;
        }
        let bad = windows.iter().filter(|point| point.ms > objective_ms).count();
        Some(bad as f64 / windows.len() as f64)
    }

    /// Median of the values, weighted by calls if every window knows them and there were any.
    pub fn median(&self, until: Timestamp, over: Duration) -> Option<f64> {
        let windows = self.within(until, over);
        let calls: Option<Vec<f64>> = windows.iter().map(|point| point.calls).collect();
        let calls = calls.filter(|calls| calls.iter().sum::<f64>() > 0.0);
        let mut weighted: Vec<(f64, f64)> = match calls {
            Some(calls) => windows.iter().map(|point| point.ms).zip(calls).collect(),
            None => windows.iter().map(|point| (point.ms, 1.0)).collect(),
        };
        weighted.retain(|(_, weight)| *weight > 0.0);
        weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = weighted.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
        let mut below = 0.0;
        for (value, weight) in &weighted {
            below += weight;
            // Exactly half on either side: the lower one, so that "above the objective" keeps
            // meaning "more than half of the calls".
            if below >= half {
                return Some(*value);
            }
        }
        None
    }

    /// The last `n` windows up to `until`, oldest first, on the grid of `until`.
    pub fn recent(&self, until: Timestamp, n: usize) -> Vec<Option<f64>> {
        let mut slots = vec![None; n];
        let step = self.length.as_secs_f64();
        for point in self.points.iter().rev().filter(|point| point.end <= until) {
            let back = (until.duration_since(point.end).as_secs_f64() / step).round() as usize;
            if back >= n {
                break;
            }
            // Newest first: of two windows that round to one slot the newer one stays.
            slots[n - 1 - back].get_or_insert(point.ms);
        }
        slots
    }
}
