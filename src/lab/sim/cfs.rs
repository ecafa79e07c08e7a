//! CFS bandwidth control: a container may burn quota × 100 ms of CPU in each period of 100 ms and
//! then stands still until the next.
//!
//! The kernel hands the budget out in slices per core and lets some of it expire; here it is one
//! account, so that the stall is exact.

use super::{MILLISECOND, Nanos};

/// Length of a period (the default of `cpu.cfs_period_us`).
pub(super) const PERIOD: Nanos = 100 * MILLISECOND;
/// Slack for what rounding to nanoseconds leaves of a budget.
const ROUNDING: f64 = 1e-3;

/// A container's account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quota {
    /// Limit in cores.
    cores: f64,
    /// Nanoseconds of CPU left in the period that ends at `end`.
    budget: f64,
    end: Nanos,
    /// Whether this period has been counted as one with work.
    counted: bool,
    throttled: bool,
}

impl Quota {
    /// `phase` shifts the periods: containers do not stall in step.
    pub(super) fn new(cores: f64, phase: Nanos, now: Nanos) -> Self {
        let phase = phase % PERIOD;
        let end = now + PERIOD - (now + PERIOD - phase) % PERIOD;
        Self { cores, budget: cores * PERIOD as f64, end, counted: false, throttled: false }
    }

    pub(super) fn cores(&self) -> f64 {
        self.cores
    }

    pub(super) fn throttled(&self) -> bool {
        self.throttled
    }

    fn full(&self) -> f64 {
        self.cores * PERIOD as f64
    }

    /// Goes from `at` to `now`, burning `burn` cores all the time. Returns the number of periods with
    /// work that had not been counted.
    pub(super) fn advance(&mut self, at: Nanos, now: Nanos, burn: f64) -> u64 {
        let mut periods = 0;
        let end = self.end_of(now);
        let mut counted = self.counted && end == self.end;
        if burn > 0.0 || self.throttled {
            let (first, last) = (self.end_of(at), self.end_of(now.saturating_sub(1).max(at)));
            periods = (last - first) / PERIOD + 1 - u64::from(self.counted && first == self.end);
            counted = last == end;
        }
        self.counted = counted;
        if now < self.end {
            self.budget = (self.budget - burn * (now - at) as f64).max(0.0);
        } else {
            self.end = end;
            self.throttled = false;
            let since = at.max(self.end - PERIOD);
            self.budget = (self.full() - burn * (now - since) as f64).max(0.0);
        }
        periods
    }

    /// End of the period that `time` (not before this period) lies in.
    fn end_of(&self, time: Nanos) -> Nanos {
        if time < self.end { self.end } else { self.end + ((time - self.end) / PERIOD + 1) * PERIOD }
    }

    /// Stops the container if it wants to run and has nothing left. Returns whether it has just been
    /// stopped.
    pub(super) fn enforce(&mut self, wants: bool) -> bool {
        let stops = wants && !self.throttled && self.budget <= ROUNDING;
        self.throttled |= stops;
        stops
    }

    /// When the container stops or starts, as seen from `at` with `burn` cores from now on.
    pub(super) fn next(&self, at: Nanos, burn: f64) -> Nanos {
        if self.throttled {
            return self.end;
        }
        if burn <= 0.0 {
            return Nanos::MAX;
        }
        let stop = at + ceil(self.budget / burn);
        if stop < self.end {
            stop
        } else if burn > self.cores {
            self.end + ceil(self.full() / burn)
        } else {
            Nanos::MAX
        }
    }

    /// A new limit, effective at once: the kernel refills a raised budget and cuts a lowered one.
    pub(super) fn set(&mut self, cores: f64) {
        let spent = (self.full() - self.budget).max(0.0);
        self.cores = cores;
        self.budget = (self.full() - spent).max(0.0);
        self.throttled &= self.budget <= ROUNDING;
    }
}

/// A span that is not negative in whole nanoseconds, rounded up. Processors of the baseline have no
/// instruction for `f64::ceil`, and it stands in the hot path.
pub(super) fn ceil(span: f64) -> Nanos {
    let whole = span as Nanos;
    whole.saturating_add(Nanos::from((whole as f64) < span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_burns_twice_its_quota_stands_still_half_of_the_time() {
        let mut quota = Quota::new(1.0, 0, 0);
        let stop = quota.next(0, 2.0);
        assert_eq!(stop, PERIOD / 2);
        assert_eq!(quota.advance(0, stop, 2.0), 1);
        assert!(quota.enforce(true) && quota.throttled());
        assert_eq!(quota.next(stop, 0.0), PERIOD);
        assert_eq!(quota.advance(stop, PERIOD, 0.0), 0, "still the first period");
        assert!(!quota.throttled());
        assert_eq!(quota.next(PERIOD, 2.0), PERIOD + PERIOD / 2);
    }

    #[test]
    fn work_below_the_quota_never_stops_and_counts_its_periods() {
        let mut quota = Quota::new(1.0, 30 * MILLISECOND, 0);
        assert_eq!(quota.next(0, 0.9), Nanos::MAX);
        assert_eq!(quota.advance(0, 10 * PERIOD, 0.9), 11, "the phase cuts ten periods' time into eleven");
        assert!(!quota.enforce(true));
        let (once, mut twice) = (Quota::new(1.0, 7, 0), Quota::new(1.0, 7, 0));
        let mut copy = once;
        let all = copy.advance(0, 5 * PERIOD, 0.5);
        let parts = twice.advance(0, PERIOD + 5, 0.5) + twice.advance(PERIOD + 5, 5 * PERIOD, 0.5);
        assert_eq!(all, parts);
    }

    #[test]
    fn spans_are_rounded_up() {
        for (span, nanos) in [(0.0, 0), (0.2, 1), (1.0, 1), (1e9 + 0.5, 1_000_000_001), (1e30, Nanos::MAX)] {
            assert_eq!(ceil(span), nanos, "{span}");
        }
    }

    #[test]
    fn a_raised_limit_frees_a_stopped_container() {
        let mut quota = Quota::new(0.1, 0, 0);
        quota.advance(0, quota.next(0, 1.0), 1.0);
        assert!(quota.enforce(true));
        quota.set(0.2);
        assert!(!quota.throttled());
        quota.set(0.05);
        assert!(quota.enforce(true));
    }
}
